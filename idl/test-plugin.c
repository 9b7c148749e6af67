// SPDX-License-Identifier: MIT
/*
 * The plugin with requests that protoc never sends: real ones that are cut or damaged must
 * give a response or an error, and nothing else. The program takes the file
 * of a FileDescriptorSet (protoc --descriptor_set_out) whose last file has
 * services, from $IDL_FILE_SET or beside itself.
 */
#define _GNU_SOURCE
#include <check.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "plugin.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest Request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;

#define ROUNDS 4000

static struct arena arena;
static uint8_t *request_data;
static size_t request_size;

/* --- Fixture -------------------------------------------------------------------- */

static FILE *open_file_set(void)
{
	char self[PATH_MAX] = "", path[PATH_MAX + 32];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(length, 0);
	snprintf(path, sizeof(path), "%s/test-plugin.set", dirname(self));
	return fopen(getenv("IDL_FILE_SET") ?: path, "r");
}

/* What protoc would ask for the last file of the set. */
static void setup(void)
{
	Request request = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_REQUEST__INIT;
	Google__Protobuf__FileDescriptorSet *set;
	static uint8_t data[1 << 20];
	FILE *file = open_file_set();
	size_t size;

	ck_assert_ptr_nonnull(file);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	set = google__protobuf__file_descriptor_set__unpack(NULL, size, data);
	ck_assert_ptr_nonnull(set);

	request.proto_file = set->file;
	request.n_proto_file = set->n_file;
	request.file_to_generate = &set->file[set->n_file - 1]->name;
	request.n_file_to_generate = 1;
	request_size = protobuf_c_message_get_packed_size(&request.base);
	request_data = malloc(request_size);
	protobuf_c_message_pack(&request.base, request_data);
	google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

static void teardown(void)
{
	free(request_data);
	arena_done(&arena);
}

/* The response, or NULL if the plugin could not use the request. The bytes are
 * copied to where nothing lies behind them. */
static Response *run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ?: 1);
	uint8_t *packed;
	size_t packed_size;
	Response *response = NULL;
	const char *problem;

	memcpy(copy, data, size);
	problem = plugin_run(&arena, copy, size, NULL, &packed, &packed_size);
	if (!problem) {
		response = google__protobuf__compiler__code_generator_response__unpack(
			NULL, packed_size, packed);
		ck_assert_ptr_nonnull(response);
		/* Either is wrong, or there is something. */
		ck_assert(!response->error || !response->n_file);
	}

	free(copy);
	return response;
}

static void drop(Response *response)
{
	google__protobuf__compiler__code_generator_response__free_unpacked(response, NULL);
	arena_done(&arena);
}

/* --- Cases ---------------------------------------------------------------------- */

START_TEST(a_request_gets_a_response)
{
	Response *response = run(request_data, request_size);

	ck_assert_ptr_nonnull(response);
	ck_assert_ptr_null(response->error);
	ck_assert_uint_eq(response->n_file, 2);
	ck_assert_str_eq(response->file[0]->name, "kinds.ipc.h");
	ck_assert_str_eq(response->file[1]->name, "kinds.ipc.c");
	ck_assert_uint_eq(response->supported_features,
			  GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL);
	drop(response);
}
END_TEST

START_TEST(an_empty_request_gives_nothing)
{
	Response *response = run(request_data, 0);

	ck_assert_ptr_nonnull(response);
	ck_assert_ptr_null(response->error);
	ck_assert_uint_eq(response->n_file, 0);
	drop(response);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_no_request)
{
	static const uint8_t data[] = "\x0a\x07" "a.proto";

	ck_assert_ptr_null(run(data, sizeof(data) - 1));
}
END_TEST

START_TEST(cut_requests_do_no_harm)
{
	/* Every length at first, then with a stride that meets all alignments. */
	for (size_t size = 0; size < request_size; size += size < 1000 ? 1 : 13)
		drop(run(request_data, size));
}
END_TEST

/* Always the same ones. */
static unsigned int random_next(unsigned int *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 8;
}

START_TEST(damaged_requests_do_no_harm)
{
	/* Field 2, the parameter. */
	static const char *const languages[] = { "\x12\6lang=c", "\x12\x8lang=cpp",
						 "\x12\xblang=python", "\x12\x9lang=rust" };
	unsigned int state = 1, used = 0, refused = 0;
	uint8_t *whole = malloc(request_size + 32);

	for (int i = 0; i < 2 * ROUNDS; i++) {
		const char *language = languages[i % 4];
		uint8_t *data = whole + strlen(language);
		Response *response;

		memcpy(whole, language, strlen(language));
		memcpy(data, request_data, request_size);
		for (unsigned int n = 1 + random_next(&state) % 4; n; n--)
			data[random_next(&state) % request_size] = (uint8_t)random_next(&state);
		response = run(whole, request_size + strlen(language));
		used += response != NULL;
		refused += response == NULL;
		drop(response);
	}

	/* Both ways were gone. */
	ck_assert_uint_gt(used, ROUNDS / 100);
	ck_assert_uint_gt(refused, ROUNDS / 100);
	free(whole);
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	unsigned int state = 2;
	uint8_t data[64];

	for (int i = 0; i < ROUNDS; i++) {
		for (size_t j = 0; j < sizeof(data); j++)
			data[j] = (uint8_t)random_next(&state);
		drop(run(data, random_next(&state) % sizeof(data)));
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("plugin");
	Suite *suite = suite_create("plugin");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_request_gets_a_response);
	tcase_add_test(tcase, an_empty_request_gives_nothing);
	tcase_add_test(tcase, a_file_that_is_not_there_is_no_request);
	tcase_add_test(tcase, cut_requests_do_no_harm);
	tcase_add_test(tcase, damaged_requests_do_no_harm);
	tcase_add_test(tcase, random_bytes_do_no_harm);
	suite_add_tcase(suite, tcase);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
