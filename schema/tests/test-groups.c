// SPDX-License-Identifier: MIT
/*
 * Schemas with groups, from test-groups.proto, and messages with groups that are in no schema.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tests/run-cases.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "schema/schema.h"

#define BEGIN(number) ((number) << 3 | 3)
#define END(number)   ((number) << 3 | 4)

typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__DescriptorProto message_proto;

static unsigned char set[1 << 14];
static size_t set_size;
static struct schema *schema;
static const struct schema_type *all;

static void load(void)
{
	const char *b = getenv("B") ? getenv("B") : "build";
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/schema/tests/test-groups.set", b);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "there is no %s: run make", path);
	set_size = fread(set, 1, sizeof(set), file);
	ck_assert_uint_lt(set_size, sizeof(set));
	fclose(file);
	ck_assert_int_eq(schema_new(set, set_size, "test.groups.Groups", &schema), 0);
	all = schema_find(schema, "Echo")->request;
}

static void unload(void)
{
	schema = schema_free(schema);
}

/* --- Messages --------------------------------------------------------------------- */

static void encodes(const char *text, const void *bytes, size_t size)
{
	json_t *json = json_loads(text, 0, NULL), *back;
	struct schema_message message;

	ck_assert_ptr_nonnull(json);
	ck_assert_msg(schema_encode(all, json, &message) == 0, "%s", message.what);
	ck_assert_uint_eq(message.raw.size, size);
	ck_assert_mem_eq(message.raw.data, bytes, size);
	back = schema_decode(all, bytes, size, 0);
	ck_assert_ptr_nonnull(back);
	ck_assert(json_equal(json, back));
	json_decref(back);
	json_decref(json);
	schema_message_done(&message);
}

START_TEST(groups_have_a_begin_and_an_end)
{
	static const unsigned char result[] = {
		BEGIN(1), 0x0a, 1, 'a', BEGIN(2), 8, 7, END(2), BEGIN(2), END(2), END(1)
	};
	static const unsigned char many[] = { BEGIN(2), 8, 1, END(2), BEGIN(2), END(2) };
	static const unsigned char inner[] = {
		BEGIN(3), 0x0a, 4, BEGIN(3), 0x10, 5, END(3), END(3)
	};

	encodes("{\"result\": {\"url\": \"a\", \"part\": [{\"n\": 7}, {}]}}", result,
		sizeof(result));
	encodes("{\"many\": [{\"n\": -1}, {}]}", many, sizeof(many));
	encodes("{\"inner\": {\"again\": {\"inner\": {\"n\": 5}}}}", inner, sizeof(inner));
}
END_TEST

START_TEST(required_fields_of_groups_are_required)
{
	json_t *json = json_loads("{\"result\": {}}", 0, NULL);
	struct schema_message message;

	ck_assert_int_lt(schema_encode(all, json, &message), 0);
	ck_assert_str_eq(message.what, "url: is required");
	json_decref(json);
	schema_message_done(&message);
}
END_TEST

START_TEST(parts_of_a_group_are_joined)
{
	static const unsigned char parts[] = {
		BEGIN(1), 0x0a, 1, 'a', END(1), 0x2a, 0, BEGIN(1), BEGIN(2), END(2), END(1)
	};
	static const unsigned char rivals[] = { BEGIN(3), 0x10, 1, END(3), 0x20, 2 };
	json_t *json = schema_decode(all, parts, sizeof(parts), 0), *result;

	result = json_object_get(json, "result");
	ck_assert_str_eq(json_string_value(json_object_get(result, "url")), "a");
	ck_assert_uint_eq(json_array_size(json_object_get(result, "part")), 1);
	json_decref(json);
	json = schema_decode(all, rivals, sizeof(rivals), 0);
	ck_assert_ptr_null(json_object_get(json, "inner"));
	ck_assert_int_eq(json_integer_value(json_object_get(json, "number")), 2);
	json_decref(json);
}
END_TEST

/* Returns whether a message with these bytes, followed by plain.n = 1, has that field. */
static bool is_skipped(const void *bytes, size_t size)
{
	static const unsigned char plain[] = { 0x2a, 2, 8, 1 };
	unsigned char message[1024];
	json_t *json;
	bool skipped;

	memcpy(message, bytes, size);
	memcpy(message + size, plain, sizeof(plain));
	json = schema_decode(all, message, size + sizeof(plain), 0);
	skipped = json_integer_value(json_object_get(json_object_get(json, "plain"), "n")) == 1;
	json_decref(json);
	return skipped;
}

#define IS_SKIPPED(...) \
	is_skipped((const unsigned char[]){ __VA_ARGS__ }, \
		   sizeof((const unsigned char[]){ __VA_ARGS__ }))

START_TEST(unknown_groups_are_skipped)
{
	unsigned char deep[300];

	ck_assert(IS_SKIPPED(BEGIN(9), END(9)));
	ck_assert(IS_SKIPPED(BEGIN(9), 8, 1, 0x12, 2, BEGIN(9), END(7), BEGIN(9), END(9), END(9)));
	ck_assert(!IS_SKIPPED(BEGIN(9)));
	ck_assert(!IS_SKIPPED(END(9)));
	ck_assert(!IS_SKIPPED(BEGIN(9), END(8)));
	ck_assert(!IS_SKIPPED(BEGIN(9), BEGIN(8), END(9), END(8)));
	ck_assert(!IS_SKIPPED(BEGIN(9), 0x12, 9, END(9)));
	for (int depth = 100; depth <= 101; depth++) {
		memset(deep, BEGIN(9), depth);
		memset(deep + depth, END(9), depth);
		ck_assert(is_skipped(deep, 2 * depth) == (depth == 100));
	}
}
END_TEST

static bool is_empty(const void *bytes, size_t size)
{
	json_t *json = schema_decode(all, bytes, size, 0);
	bool empty = json_is_object(json) && !json_object_size(json);

	json_decref(json);
	return empty;
}

START_TEST(groups_and_messages_are_no_substitutes)
{
	static const unsigned char message[] = { 0x12, 2, 8, 1 }; /* many */
	static const unsigned char group[] = { BEGIN(5), 8, 1, END(5) }; /* plain */

	ck_assert(is_empty(message, sizeof(message)));
	ck_assert(is_empty(group, sizeof(group)));
}
END_TEST

/* All has five fields and Result has two. Only if the fields in the group count too, the fields of
 * All take more steps than a message may. */
START_TEST(fields_in_groups_count)
{
	const size_t n = ((1 << 26) / 6 + 1) * 2, whole = n + 5;
	unsigned char *bytes = malloc(whole);
	size_t half;
	json_t *json;

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, (unsigned char[]){ BEGIN(1), 0x0a, 1, 'a' }, 4);
	for (size_t i = 0; i < n; i += 2)
		memcpy(bytes + 4 + i, (unsigned char[]){ 9 << 3, 1 }, 2);
	bytes[whole - 1] = END(1);
	ck_assert_ptr_null(schema_decode(all, bytes, whole, 0));
	/* Half of the groups are not too many. */
	half = 4 + n / 4 * 2;
	bytes[half] = END(1);
	json = schema_decode(all, bytes, half + 1, 0);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
	free(bytes);
}
END_TEST

START_TEST(damaged_messages_do_no_harm)
{
	unsigned char bytes[64];
	unsigned int seed = 3;

	for (int i = 0; i < 50000; i++) {
		size_t size = rand_r(&seed) % sizeof(bytes);

		/* A quarter of these bytes are begins and ends of groups. */
		for (size_t j = 0; j < size; j++)
			bytes[j] = rand_r(&seed) % 48;
		json_decref(schema_decode(all, bytes, size, 0));
	}
}
END_TEST

/* --- Descriptions ----------------------------------------------------------------- */

START_TEST(the_file_comes_back)
{
	char folder[] = "/tmp/test-groups.XXXXXX", line[1024], *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	ck_assert_int_eq(schema_print(schema, file), 0);
	fclose(file);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(line, sizeof(line), "cat >%s/test-groups.proto", folder);
	file = popen(line, "w");
	fputs(text, file);
	ck_assert_int_eq(pclose(file), 0);
	snprintf(line, sizeof(line),
		 "protoc -I %s --descriptor_set_out=%s/set test-groups.proto && cmp %s/set %s/schema/tests/test-groups.set",
		 folder, folder, folder, getenv("B") ? getenv("B") : "build");
	ck_assert_msg(system(line) == 0, "%s", text);
	snprintf(line, sizeof(line), "rm -r %s", folder);
	ck_assert_int_eq(system(line), 0);
	free(text);
}
END_TEST

/* Applies a change to All. Returns the result of schema_new() and, on success, of
 * schema_print(). */
static int changed(void (*change)(message_proto *all))
{
	Google__Protobuf__FileDescriptorSet *unpacked =
		google__protobuf__file_descriptor_set__unpack(NULL, set_size, set);
	struct schema *other;
	FILE *null = fopen("/dev/null", "we");
	unsigned char packed[2 * sizeof(set)];
	size_t size;
	int r;

	ck_assert_ptr_nonnull(unpacked);
	change(unpacked->file[0]->message_type[0]);
	size = google__protobuf__file_descriptor_set__pack(unpacked, packed);
	google__protobuf__file_descriptor_set__free_unpacked(unpacked, NULL);
	r = schema_new(packed, size, "test.groups.Groups", &other);
	if (r == 0) {
		r = schema_print(other, null);
		schema_free(other);
	}
	fclose(null);
	return r;
}

static void rename_to(char **name, const char *to)
{
	free(*name);
	*name = strdup(to);
}

static void nothing(message_proto *message)
{
	(void)message;
}

static void name_is_another(message_proto *message)
{
	rename_to(&message->field[0]->name, "other");
}

static void type_is_outside(message_proto *message)
{
	rename_to(&message->field[0]->type_name, ".test.groups.All");
}

static void type_is_deeper(message_proto *message)
{
	rename_to(&message->field[1]->name, "part");
	rename_to(&message->field[1]->type_name, ".test.groups.All.Result.Part");
}

static void type_is_missing(message_proto *message)
{
	rename_to(&message->field[0]->type_name, ".test.groups.All.Nothing");
}

/* If types contain each other and each is printed with its fields, the output never ends. */
static void two_fields_have_one_type(message_proto *message)
{
	rename_to(&message->field[1]->name, message->field[0]->name);
	rename_to(&message->field[1]->type_name, message->field[0]->type_name);
}

/* A custom option with number 50900. protobuf-c writes its unknown fields unchanged. */
static void option_is_a_group(message_proto *message)
{
	static const uint8_t rest[] = { 8, 1, 0xa4, 0xed, 0x18 };
	Google__Protobuf__MessageOptions *options = malloc(sizeof(*options));
	ProtobufCMessageUnknownField *field = malloc(sizeof(*field));

	ck_assert(options && field);
	*field = (ProtobufCMessageUnknownField){
		.tag = 50900, .wire_type = 3, .len = sizeof(rest), .data = malloc(sizeof(rest)),
	};
	ck_assert_ptr_nonnull(field->data);
	memcpy(field->data, rest, sizeof(rest));
	google__protobuf__message_options__init(options);
	options->base.unknown_fields = field;
	options->base.n_unknown_fields = 1;
	message->options = options;
}

START_TEST(options_may_be_groups)
{
	ck_assert_int_eq(changed(option_is_a_group), 0);
}
END_TEST

START_TEST(other_groups_are_refused)
{
	ck_assert_int_eq(changed(nothing), 0);
	ck_assert_int_eq(changed(name_is_another), -EBADMSG);
	ck_assert_int_eq(changed(type_is_outside), -EBADMSG);
	ck_assert_int_eq(changed(type_is_deeper), -EBADMSG);
	ck_assert_int_eq(changed(type_is_missing), -EBADMSG);
	ck_assert_int_eq(changed(two_fields_have_one_type), -EBADMSG);
}
END_TEST

START_TEST(damaged_sets_do_no_harm)
{
	FILE *null = fopen("/dev/null", "we");
	unsigned int seed = 4;
	struct schema *other;

	ck_assert_uint_gt(set_size, 0);
	for (int i = 0; i < 20000; i++) {
		size_t at = rand_r(&seed) % set_size;
		unsigned char was = set[at];

		set[at] = rand_r(&seed);
		if (schema_new(set, set_size, "test.groups.Groups", &other) == 0) {
			schema_print(other, null);
			schema_free(other);
		}
		set[at] = was;
	}
	fclose(null);
}
END_TEST

int main(void)
{
	return RUN_CASES("groups", load, unload, groups_have_a_begin_and_an_end,
			 required_fields_of_groups_are_required, parts_of_a_group_are_joined,
			 unknown_groups_are_skipped, groups_and_messages_are_no_substitutes,
			 fields_in_groups_count, damaged_messages_do_no_harm, the_file_comes_back,
			 options_may_be_groups, other_groups_are_refused, damaged_sets_do_no_harm);
}
