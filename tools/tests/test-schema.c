// SPDX-License-Identifier: MIT
/*
 * Schemas: of a file that has every kind of field (test-schema.proto), which is
 * compiled at build time, and of damaged ones.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema.h"

static unsigned char set[1 << 16];
static size_t set_size;
static struct schema *schema;
static struct schema_context context;

static size_t slurp(const char *path, void *bytes, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n;

	ck_assert_msg(file != NULL, "there is no %s: run make", path);
	n = fread(bytes, 1, size, file);
	ck_assert_uint_lt(n, size);
	fclose(file);
	return n;
}

static void load(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/tools/tests/test-schema.set",
		 getenv("B") ? getenv("B") : "build");
	set_size = slurp(path, set, sizeof(set));
	ck_assert_int_eq(schema_new(set, set_size, "test.schema.Kinds", &schema), 0);
	context = (struct schema_context){ 0 };
}

static void unload(void)
{
	schema_context_done(&context);
	schema = schema_free(schema);
}

static const ProtobufCMessageDescriptor *request_of(const char *method)
{
	const struct schema_method *found = schema_find(schema, method);

	ck_assert_ptr_nonnull(found);
	return found->method.request;
}

/* --- Methods -------------------------------------------------------------------- */

START_TEST(methods_are_known)
{
	const struct schema_method *echo = schema_find(schema, "Echo");

	ck_assert_uint_eq(schema_count(schema), 4);
	ck_assert_str_eq(schema_interface(schema), "test.schema.Kinds");
	ck_assert(echo->method.code & 0x80000000u);
	ck_assert_ptr_eq(schema_find_code(schema, echo->method.code), echo);
	ck_assert_str_eq(echo->method.reply->name, "test.schema.All");
	ck_assert(!echo->oneway && !echo->streams_in && !echo->streams_out);
	ck_assert(schema_find(schema, "Choose")->oneway);
	ck_assert_ptr_eq(schema_find(schema, "Choose")->method.reply, &ipc__none__descriptor);
	ck_assert_uint_eq(schema_find(schema, "Seven")->method.code, 7);
	ck_assert(schema_find(schema, "Pour")->streams_in &&
		  schema_find(schema, "Pour")->streams_out);
	ck_assert_ptr_null(schema_find(schema, "Nothing"));
	ck_assert_ptr_null(schema_find_code(schema, 8));
	ck_assert_str_eq(schema_builtin(IPC_CODE_PING), "ping");
	ck_assert_ptr_null(schema_builtin(1));
}
END_TEST

START_TEST(other_services_have_their_own)
{
	struct schema *other;

	ck_assert_int_eq(schema_new(set, set_size, "test.schema.Other", &other), 0);
	ck_assert_uint_eq(schema_count(other), 1);
	ck_assert_str_eq(schema_at(other, 0)->method.reply->name, "test.schema.All.Inner");
	ck_assert_uint_ne(schema_at(other, 0)->method.code,
			  schema_find(schema, "Echo")->method.code);
	schema_free(other);
	ck_assert_int_eq(schema_new(set, set_size, "test.schema.None", &other), -ENOENT);
	ck_assert_int_eq(schema_new(set, set_size, "", &other), -ENOENT);
}
END_TEST

/* --- JSON ----------------------------------------------------------------------- */

/* To a message, its bytes, and back. */
static char *there_and_back(const ProtobufCMessageDescriptor *type, const char *text)
{
	json_t *json = json_loads(text, 0, NULL), *back;
	ProtobufCMessage *message;
	unsigned char bytes[4096];
	size_t size;
	char *out;

	ck_assert_ptr_nonnull(json);
	ck_assert_msg(schema_from_json(type, json, &context, &message) == 0, "%s", context.what);
	ck_assert_uint_lt(protobuf_c_message_get_packed_size(message), sizeof(bytes));
	size = protobuf_c_message_pack(message, bytes);
	protobuf_c_message_free_unpacked(message, NULL);
	back = schema_decode(type, bytes, size);
	ck_assert_ptr_nonnull(back);
	out = json_dumps(back, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	json_decref(back);
	return out;
}

/* The fields that were given come back as they were. */
static void survives(const char *method, const char *text)
{
	json_t *given = json_loads(text, 0, NULL), *back, *value;
	char *out = there_and_back(request_of(method), text);
	const char *key;

	back = json_loads(out, 0, NULL);
	json_object_foreach(given, key, value)
		ck_assert_msg(json_equal(value, json_object_get(back, key)), "%s: %s", key, out);
	json_decref(given);
	json_decref(back);
	free(out);
}

START_TEST(every_kind_goes_there_and_back)
{
	survives("Echo", "{\"a_int32\": -1, \"a_sint32\": -2147483648, \"a_sfixed32\": -3,"
			 "\"a_uint32\": 4294967295, \"a_fixed32\": 5}");
	survives("Echo", "{\"a_int64\": -9223372036854775808, \"a_sint64\": -7, \"a_sfixed64\": -8,"
			 "\"a_uint64\": \"18446744073709551615\", \"a_fixed64\": 10}");
	survives("Echo", "{\"a_float\": 1.5, \"a_double\": -0.1, \"a_bool\": true,"
			 "\"a_string\": \"grüß\\n\", \"a_bytes\": \"AAECAw==\"}");
	survives("Echo", "{\"a_double\": \"NaN\", \"a_float\": \"-Infinity\"}");
	survives("Echo",
		 "{\"a_color\": \"BLUE\", \"a_inner\": {\"color\": \"GREEN\"}, \"maybe\": 0}");
	survives("Echo",
		 "{\"numbers\": [1, -2, 3], \"texts\": [\"\", \"b\"], \"blobs\": [\"\", \"/w==\"],"
		 "\"deeps\": [\"ONE\", \"NONE\"], \"inners\": [{\"color\": \"RED\"}]}");
	survives("Echo", "{\"counts\": [{\"key\": \"a\", \"value\": 1}]}");
	survives("Choose", "{\"before\": 1, \"text\": \"x\", \"after\": \"y\"}");
	survives("Choose", "{\"number\": 0}");
}
END_TEST

START_TEST(what_is_not_set_is_not_there)
{
	char *out = there_and_back(request_of("Choose"), "{\"number\": 5, \"text\": null}");

	ck_assert_str_eq(out, "{\"after\":\"\",\"before\":0,\"number\":5}");
	free(out);
	out = there_and_back(request_of("Choose"), "{}");
	ck_assert_str_eq(out, "{\"after\":\"\",\"before\":0}");
	free(out);
}
END_TEST

static void is_refused(const char *method, const char *text, const char *why)
{
	json_t *json = json_loads(text, 0, NULL);
	ProtobufCMessage *message;

	context.what[0] = '\0';
	ck_assert_ptr_nonnull(json);
	ck_assert_int_eq(schema_from_json(request_of(method), json, &context, &message), -EINVAL);
	ck_assert_msg(strstr(context.what, why) != NULL, "%s", context.what);
	json_decref(json);
}

START_TEST(mistakes_are_named)
{
	is_refused("Echo", "{\"b\": 1}", "test.schema.All has no field b");
	is_refused("Echo", "{\"a_int32\": 2147483648}", "a_int32: expected a number that fits");
	is_refused("Echo", "{\"a_uint32\": -1}", "a_uint32");
	is_refused("Echo", "{\"a_uint64\": \"-1\"}", "a_uint64");
	is_refused("Echo", "{\"a_int64\": \"x\"}", "a_int64");
	is_refused("Echo", "{\"a_int64\": \"9223372036854775808\"}", "a_int64");
	is_refused("Echo", "{\"a_bool\": 1}", "true or false");
	is_refused("Echo", "{\"a_double\": \"big\"}", "expected a number");
	is_refused("Echo", "{\"a_string\": 1}", "expected a string");
	is_refused("Echo", "{\"a_bytes\": \"*\"}", "not valid base64");
	is_refused("Echo", "{\"a_bytes\": 1}", "base64");
	is_refused("Echo", "{\"a_color\": \"PINK\"}", "no such value");
	is_refused("Echo", "{\"a_color\": true}", "no such value");
	is_refused("Echo", "{\"a_inner\": 1}", "expected a JSON object");
	is_refused("Echo", "{\"numbers\": 1}", "expected an array");
	is_refused("Echo", "{\"texts\": [\"a\", 1]}", "expected a string");
	is_refused("Echo", "{\"a_inner\": {\"again\": {\"a_inner\": {\"x\": 1}}}}", "no field x");
	is_refused("Choose", "{\"text\": \"a\", \"number\": 1}", "another field of the oneof");
	is_refused("Echo", "{\"file\": \"/no/such/file\"}", "file: cannot open: No such file");
	is_refused("Echo", "{\"file\": true}", "expected a file");
	is_refused("Echo", "{\"file\": 999}", "cannot open");
	is_refused("Echo", "{\"object\": \"demo\"}", "expected an object");
	is_refused("Echo", "[]", "expected a JSON object");
}
END_TEST

START_TEST(files_are_opened)
{
	json_t *json = json_pack("{s:s}", "file", "/dev/null");
	ProtobufCMessage *message;

	ck_assert_int_eq(schema_from_json(request_of("Echo"), json, &context, &message), 0);
	ck_assert_uint_eq(context.n_fds, 1);
	ck_assert_int_ge(context.fds[0], 3);
	protobuf_c_message_free_unpacked(message, NULL);
	json_decref(json);
}
END_TEST

START_TEST(bytes_as_text)
{
	static const char *const cases[][2] = {
		{ "", "" },	   { "f", "Zg==" },	   { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\377\376\375", "//79" }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *text = base64_encode(cases[i][0], strlen(cases[i][0]));
		size_t size;
		char *back = base64_decode(text, &size);

		ck_assert_str_eq(json_string_value(text), cases[i][1]);
		ck_assert_uint_eq(size, strlen(cases[i][0]));
		ck_assert_str_eq(back, cases[i][0]);
		free(back);
		json_decref(text);
	}
	ck_assert_ptr_null(base64_decode(NULL, &set_size));
}
END_TEST

/* --- .proto --------------------------------------------------------------------- */

START_TEST(the_file_comes_back)
{
	char folder[] = "/tmp/test-schema.XXXXXX", path[64], line[512];
	static unsigned char again[sizeof(set)];
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/test-schema.proto", folder);
	file = fopen(path, "we");
	ck_assert_int_eq(schema_print(schema, file), 0);
	fclose(file);
	snprintf(line, sizeof(line),
		 "cd %s && protoc -I . -I $OLDPWD/idl --include_imports --descriptor_set_out=set "
		 "test-schema.proto",
		 folder);
	ck_assert_int_eq(system(line), 0);
	snprintf(path, sizeof(path), "%s/set", folder);
	ck_assert_uint_eq(slurp(path, again, sizeof(again)), set_size);
	ck_assert_int_eq(memcmp(again, set, set_size), 0);
	snprintf(line, sizeof(line), "rm -r %s", folder);
	ck_assert_int_eq(system(line), 0);
}
END_TEST

/* --- Damage --------------------------------------------------------------------- */

/* Whatever a service says of itself, it is taken or refused. */
START_TEST(damaged_sets_do_no_harm)
{
	struct schema *other;
	unsigned int seed = 1;

	for (size_t n = 0; n < set_size; n += 7)
		if (schema_new(set, n, "test.schema.Kinds", &other) == 0)
			schema_free(other);
	for (int i = 0; i < 5000; i++) {
		size_t at = rand_r(&seed) % set_size;
		unsigned char was = set[at];

		set[at] = rand_r(&seed);
		if (schema_new(set, set_size, "test.schema.Kinds", &other) == 0) {
			FILE *file = fopen("/dev/null", "we");

			ck_assert_ptr_nonnull(file);
			schema_print(other, file);
			fclose(file);
			schema_free(other);
		}
		set[at] = was;
	}
}
END_TEST

START_TEST(damaged_payloads_do_no_harm)
{
	unsigned char bytes[64];
	unsigned int seed = 2;

	for (int i = 0; i < 20000; i++) {
		size_t size = rand_r(&seed) % sizeof(bytes);

		for (size_t j = 0; j < size; j++)
			bytes[j] = rand_r(&seed) & (rand_r(&seed) | 7);
		json_decref(schema_decode(request_of("Echo"), bytes, size));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("schema");
	TCase *tcase = tcase_create("schema");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, load, unload);
	tcase_add_test(tcase, methods_are_known);
	tcase_add_test(tcase, other_services_have_their_own);
	tcase_add_test(tcase, every_kind_goes_there_and_back);
	tcase_add_test(tcase, what_is_not_set_is_not_there);
	tcase_add_test(tcase, mistakes_are_named);
	tcase_add_test(tcase, files_are_opened);
	tcase_add_test(tcase, bytes_as_text);
	tcase_add_test(tcase, the_file_comes_back);
	tcase_add_test(tcase, damaged_sets_do_no_harm);
	tcase_add_test(tcase, damaged_payloads_do_no_harm);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
