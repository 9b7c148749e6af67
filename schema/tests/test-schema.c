// SPDX-License-Identifier: MIT
/*
 * Schemas of a file that has every kind of field (test-schema.proto), which is compiled at build
 * time, and damaged schemas.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../tests/run-cases.h"
#include "schema/json.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "schema/schema.h"

static unsigned char set[1 << 16];
static size_t set_size;
static struct schema *schema;
static struct schema_message message;

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

	snprintf(path, sizeof(path), "%s/schema/tests/test-schema.set",
		 getenv("B") ? getenv("B") : "build");
	set_size = slurp(path, set, sizeof(set));
	ck_assert_int_eq(schema_new(set, set_size, "test.schema.Kinds", &schema), 0);
	message = (struct schema_message){ 0 };
}

static void unload(void)
{
	schema_message_done(&message);
	schema = schema_free(schema);
}

static const struct schema_type *request_of(const char *method)
{
	const struct schema_method *found = schema_find(schema, method);

	ck_assert_ptr_nonnull(found);
	return found->request;
}

/* --- Methods -------------------------------------------------------------------- */

START_TEST(methods_are_known)
{
	const struct schema_method *echo = schema_find(schema, "Echo");

	ck_assert_uint_eq(schema_count(schema), 5);
	ck_assert_str_eq(schema_interface(schema), "test.schema.Kinds");
	ck_assert(echo->number & 0x80000000u);
	ck_assert_ptr_eq(schema_find_number(schema, echo->number), echo);
	ck_assert_str_eq(schema_type_name(echo->reply), "test.schema.All");
	ck_assert(!echo->oneway && !echo->streams_in && !echo->streams_out);
	ck_assert(schema_find(schema, "Choose")->oneway);
	ck_assert_str_eq(schema_type_name(schema_find(schema, "Choose")->reply), "ipc.None");
	ck_assert_uint_eq(schema_find(schema, "Seven")->number, 7);
	ck_assert(schema_find(schema, "Pour")->streams_in &&
		  schema_find(schema, "Pour")->streams_out);
	ck_assert_ptr_null(schema_find(schema, "Nothing"));
	ck_assert_ptr_null(schema_find_number(schema, 8));
	ck_assert_str_eq(schema_builtin(IPC_NUMBER_PING), "ping");
	ck_assert_ptr_null(schema_builtin(1));
}
END_TEST

START_TEST(other_services_have_their_own)
{
	struct schema *other;

	ck_assert_int_eq(schema_new(set, set_size, "test.schema.Other", &other), 0);
	ck_assert_uint_eq(schema_count(other), 2);
	ck_assert(schema_at(other, 1)->oneway);
	ck_assert_uint_eq(schema_at(other, 0)->timeout_ms, 200);
	ck_assert_uint_eq(schema_at(other, 1)->timeout_ms, 0);
	ck_assert_uint_eq(schema_at(other, 1)->number, 8);
	ck_assert_str_eq(schema_type_name(schema_at(other, 0)->reply), "test.schema.All.Inner");
	ck_assert_uint_ne(schema_at(other, 0)->number,
			  schema_find(schema, "Echo")->number);
	schema_free(other);
	ck_assert_int_eq(schema_new(set, set_size, "test.schema.None", &other), -ENOENT);
	ck_assert_int_eq(schema_new(set, set_size, "", &other), -ENOENT);
}
END_TEST

/* --- JSON ----------------------------------------------------------------------- */

/* Converts JSON to bytes and back. */
static char *there_and_back(const struct schema_type *type, const char *text)
{
	json_t *json = json_loads(text, 0, NULL), *back;
	char *out;

	ck_assert_ptr_nonnull(json);
	ck_assert_msg(schema_encode(type, json, &message) == 0, "%s", message.what);
	back = schema_decode(type, message.raw.data, message.raw.size, SCHEMA_ALL_FIELDS);
	ck_assert_ptr_nonnull(back);
	out = json_dumps(back, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	json_decref(back);
	schema_message_done(&message);
	return out;
}

/* The fields of the text must be unchanged after encoding and decoding. */
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

START_TEST(each_kind_survives_encoding)
{
	survives("Echo", "{\"aInt32\": -1, \"aSint32\": -2147483648, \"aSfixed32\": -3,"
			 "\"aUint32\": 4294967295, \"aFixed32\": 5}");
	survives("Echo", "{\"aInt64\": \"-9223372036854775808\", \"aSint64\": \"-7\","
			 "\"aSfixed64\": \"-8\", \"aUint64\": \"18446744073709551615\","
			 "\"aFixed64\": \"10\"}");
	survives("Echo", "{\"aFloat\": 1.5, \"aDouble\": -0.1, \"aBool\": true,"
			 "\"aString\": \"grüß\\n\", \"aBytes\": \"AAECAw==\"}");
	survives("Echo", "{\"aDouble\": \"NaN\", \"aFloat\": \"-Infinity\"}");
	survives("Echo",
		 "{\"aColor\": \"BLUE\", \"aInner\": {\"color\": \"GREEN\"}, \"maybe\": 0}");
	survives("Echo",
		 "{\"numbers\": [1, -2, 3], \"texts\": [\"\", \"b\"], \"chunks\": [\"\", \"/w==\"],"
		 "\"deeps\": [\"ONE\", \"NONE\"], \"inners\": [{\"color\": \"RED\"}]}");
	survives("Echo", "{\"counts\": {\"a\": 1}}");
	survives("Choose", "{\"before\": 1, \"text\": \"x\", \"after\": \"y\"}");
	survives("Choose", "{\"number\": \"0\"}");
}
END_TEST

START_TEST(unset_fields_are_omitted)
{
	char *out = there_and_back(request_of("Choose"), "{\"number\": 5, \"text\": null}");

	ck_assert_str_eq(out, "{\"after\":\"\",\"before\":0,\"number\":\"5\"}");
	free(out);
	out = there_and_back(request_of("Choose"), "{}");
	ck_assert_str_eq(out, "{\"after\":\"\",\"before\":0}");
	free(out);
}
END_TEST

static void is_refused(const char *method, const char *text, const char *why)
{
	json_t *json = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(json);
	ck_assert_int_eq(schema_encode(request_of(method), json, &message), -EINVAL);
	ck_assert_msg(strstr(message.what, why) != NULL, "%s", message.what);
	schema_message_done(&message);
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
	is_refused("Echo", "{\"file\": \"/no/such/file\"}", "file: cannot open /no/such/file: No such file");
	is_refused("Echo", "{\"file\": true}", "expected a file");
	is_refused("Echo", "{\"file\": 999}", "cannot open");
	is_refused("Echo", "{\"object\": \"demo\"}", "expected an object");
	is_refused("Echo", "[]", "expected a JSON object");
}
END_TEST

START_TEST(files_are_opened)
{
	json_t *json = json_pack("{s:s}", "file", "/dev/null");

	ck_assert_int_eq(schema_encode(request_of("Echo"), json, &message), 0);
	ck_assert_uint_eq(message.raw.n_entries, 1);
	ck_assert_int_eq(message.entries[0].type, IPC_RAW_FD);
	ck_assert_int_ge(message.entries[0].fd, 3);
	ck_assert_uint_eq(message.entries[0].tag, message.entries[0].fd);
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

static json_t *decode(const char *method, const void *bytes, size_t size)
{
	return schema_decode(request_of(method), bytes, size, SCHEMA_ALL_FIELDS);
}

/* Number 5 of Choice is "after", 4 is "all", and 2 and 3 belong to the same oneof. */
START_TEST(fields_that_come_twice)
{
	static const unsigned char twice[] = { 0x2a, 1, 'a', 0x2a, 1, 'b' };
	static const unsigned char rivals[] = { 0x12, 1, 'a', 0x18, 7 };
	static const unsigned char parts[] = { 0x22, 2, 0x08, 1, 0x22, 2, 0x20, 2 };
	json_t *json = decode("Choose", twice, sizeof(twice)), *all;

	ck_assert_str_eq(json_string_value(json_object_get(json, "after")), "b");
	json_decref(json);
	json = decode("Choose", rivals, sizeof(rivals));
	ck_assert_str_eq(json_string_value(json_object_get(json, "number")), "7");
	ck_assert_ptr_null(json_object_get(json, "text"));
	json_decref(json);
	json = decode("Choose", parts, sizeof(parts));
	all = json_object_get(json, "all");
	ck_assert_int_eq(json_integer_value(json_object_get(all, "aInt32")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(all, "aUint32")), 2);
	json_decref(json);
}
END_TEST

START_TEST(fields_of_another_type)
{
	static const unsigned char text_as_number[] = { 0x28, 1 };
	static const unsigned char unknown[] = { 0x98, 6, 1 };
	static const unsigned char separate[] = { 0xf0, 1, 1, 0xf2, 1, 2, 2, 3 };
	json_t *json = decode("Echo", separate, sizeof(separate));

	/* The sender may choose whether the field is packed. */
	ck_assert_uint_eq(json_array_size(json_object_get(json, "numbers")), 3);
	json_decref(json);
	/* A field with another encoding is unknown. */
	json = decode("Choose", text_as_number, sizeof(text_as_number));
	ck_assert_uint_eq(json_object_size(json), 2);
	json_decref(json);
	json = decode("Choose", unknown, sizeof(unknown));
	ck_assert_uint_eq(json_object_size(json), 2);
	json_decref(json);
}
END_TEST

/* Receives a field of Echo that contains a field 1 with this value as zigzag. */
static json_t *receive(unsigned int number, uint8_t value, struct ipc_raw_entry *entry)
{
	const unsigned char bytes[] = { ((number << 3 | 2) & 0x7f) | 0x80, number >> 4, 2,
					8, value };
	const struct ipc_raw_message received = { .data = bytes, .size = sizeof(bytes),
						  .entries = entry, .n_entries = entry ? 1 : 0 };

	return schema_decode_received(request_of("Echo"), &received, 0);
}

START_TEST(files_are_bound_to_their_fields)
{
	struct ipc_raw_entry entry = { .tag = 5, .type = IPC_RAW_FD, .fd = 42 };
	json_t *json = receive(50, 10, &entry);

	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "file"), "fd")),
			 42);
	json_decref(json);
	/* The number of another file, no file, and an impossible number. */
	ck_assert_ptr_null(receive(50, 12, &entry));
	ck_assert_ptr_null(receive(50, 10, NULL));
	ck_assert_ptr_null(receive(50, 9, &entry));
}
END_TEST

/* Appends a field of bytes. */
static uint8_t *put_bytes(uint8_t *at, uint8_t number, const void *bytes, size_t size)
{
	*at++ = (uint8_t)(number << 3 | 2);
	*at++ = (uint8_t)size;
	return mempcpy(at, bytes, size);
}

/* A Wrapped with this content in an Any, and with the file 5 and the object 6 beside it. */
static size_t wrap_any(const char *url, const void *content, size_t size, uint8_t to[200])
{
	static const uint8_t file[] = { 8, 10 }, object[] = { 9, 6, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t any[150], *end = any;

	end = put_bytes(end, 1, url, strlen(url));
	end = put_bytes(end, 2, content, size);
	end = put_bytes(put_bytes(to, 1, any, (size_t)(end - any)), 2, file, sizeof(file));
	return (size_t)(put_bytes(end, 3, object, sizeof(object)) - to);
}

/* Files and objects do not travel in an Any: ipcctl prints the numbers in it, and gives the entries
 * of the message to the fields beside it. */
START_TEST(files_and_objects_in_an_any_are_numbers)
{
	static const uint8_t file[] = { 8, 10 }, object[] = { 9, 6, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t in_all[] = { 0x92, 3, 2, 8, 10 };
	static const struct {
		const char *url;
		const uint8_t *content;
		size_t size;
		const char *json;
	} cases[] = {
		{ "x/ipc.Fd", file, sizeof(file), "{\"@type\": \"x/ipc.Fd\", \"value\": {\"fd\": 5}}" },
		{ "x/ipc.Object", object, sizeof(object),
		  "{\"@type\": \"x/ipc.Object\", \"value\": {\"object\": 6}}" },
		{ "x/test.schema.All", in_all, sizeof(in_all),
		  "{\"@type\": \"x/test.schema.All\", \"file\": {\"fd\": 5}}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_raw_entry entries[] = {
			{ .tag = 5, .type = IPC_RAW_FD, .fd = 42 },
			{ .tag = 6, .type = IPC_RAW_OBJECT },
		};
		uint8_t bytes[200];
		const struct ipc_raw_message received = {
			.data = bytes, .entries = entries, .n_entries = 2,
			.size = wrap_any(cases[i].url, cases[i].content, cases[i].size, bytes),
		};
		json_t *expected = json_loads(cases[i].json, 0, NULL), *json;

		json = schema_decode_received(request_of("Wrap"), &received, 0);
		ck_assert_ptr_nonnull(json);
		ck_assert_msg(json_equal(json_object_get(json, "any"), expected), "%s",
			      json_dumps(json, 0));
		ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "file"),
								    "fd")), 42);
		ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "object"),
								    "object")), 0);
		json_decref(json);
		json_decref(expected);
	}
	is_refused("Wrap", "{\"any\": {\"@type\": \"x/ipc.Fd\", \"value\": 0}}",
		   "an Any has no objects and fds");
	is_refused("Wrap", "{\"any\": {\"@type\": \"x/test.schema.All\", \"object\": \"a.b\"}}",
		   "an Any has no objects and fds");
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

/* Returns the set with comments on the elements with these paths. The caller must free it. */
static uint8_t *with_comments(char *const *comments, int32_t (*paths)[4], const size_t *lengths,
			      size_t n, size_t *ret_size)
{
	Google__Protobuf__FileDescriptorSet *all =
		google__protobuf__file_descriptor_set__unpack(NULL, set_size, set);
	Google__Protobuf__SourceCodeInfo info = GOOGLE__PROTOBUF__SOURCE_CODE_INFO__INIT;
	Google__Protobuf__SourceCodeInfo__Location locations[8], *pointers[8];
	Google__Protobuf__FileDescriptorProto *file;
	uint8_t *packed;

	ck_assert_ptr_nonnull(all);
	file = all->file[all->n_file - 1];
	for (size_t i = 0; i < n; i++) {
		google__protobuf__source_code_info__location__init(&locations[i]);
		locations[i].n_path = lengths[i];
		locations[i].path = paths[i];
		locations[i].leading_comments = comments[i];
		pointers[i] = &locations[i];
	}
	info.location = pointers;
	info.n_location = n;
	file->source_code_info = &info;
	*ret_size = google__protobuf__file_descriptor_set__get_packed_size(all);
	packed = malloc(*ret_size);
	ck_assert_ptr_nonnull(packed);
	google__protobuf__file_descriptor_set__pack(all, packed);
	file->source_code_info = NULL;
	google__protobuf__file_descriptor_set__free_unpacked(all, NULL);
	return packed;
}

START_TEST(comments_are_printed)
{
	char *comments[] = { " A field.\n And a second\tline.\n", " A service\n",
			     " A method \033[2J\n", " A value\n", " Nothing\n" };
	/* All.a_int32, Kinds, its second method, Color.GREEN, and a missing element. */
	int32_t paths[][4] = {
		{ 4, 0, 2, 0 }, { 6, 0 }, { 6, 0, 2, 1 }, { 5, 0, 2, 1 }, { 4, 99 }
	};
	const size_t lengths[] = { 4, 2, 4, 4, 2 };
	struct schema *commented;
	size_t size, text_size;
	uint8_t *packed = with_comments(comments, paths, lengths, 5, &size);
	char *text = NULL;
	FILE *file = open_memstream(&text, &text_size);

	ck_assert_int_eq(schema_new(packed, size, "test.schema.Kinds", &commented), 0);
	ck_assert_int_eq(schema_print(commented, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_ptr_nonnull(strstr(text, "\n  /" "/ A field.\n  /" "/ And a second line.\n"
					   "  int32 a_int32 = 1;\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n/" "/ A service\nservice Kinds {\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  /" "/ A method ?[2J\n  rpc Choose("));
	ck_assert_ptr_nonnull(strstr(text, "\n  /" "/ A value\n  GREEN = 1;\n"));
	ck_assert_ptr_null(strstr(text, "Nothing"));
	free(text);
	schema_free(commented);
	free(packed);
}
END_TEST

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
		json_decref(schema_decode(request_of("Echo"), bytes, size, 0));
	}
}
END_TEST

/* Wraps the bytes in a field with this number. Returns the new size. */
static size_t wrap(unsigned char *bytes, size_t size, unsigned int number)
{
	unsigned char head[8] = { number << 3 | 2 };
	size_t n = 1, left = size;

	for (; left > 0x7f; left >>= 7)
		head[n++] = left | 0x80;
	head[n++] = left;
	memmove(bytes + n, bytes, size);
	memcpy(bytes, head, n);
	return n + size;
}

/* Message types within message types: nested_type is field 3, and message_type of a file is field
 * 4. */
START_TEST(deep_descriptions_are_refused)
{
	static unsigned char deep[1 << 18];
	struct schema *other;
	size_t size = 0;

	for (int i = 0; i < 20000; i++)
		size = wrap(deep, size, 3);
	size = wrap(deep, wrap(deep, size, 4), 1);
	ck_assert_int_eq(schema_new(deep, size, "a.B", &other), -EBADMSG);
}
END_TEST

/* Appends a field of bytes to a message of size bytes. Returns its new size. */
static size_t append(unsigned char *message, size_t size, unsigned int number, const void *bytes,
		     size_t n)
{
	memcpy(message + size, bytes, n);
	return size + wrap(message + size, n, number);
}

/* A type of 20,000 fields, each in its own oneof, and the service "L.S". Once, each field searched
 * all other fields. */
START_TEST(large_descriptions_take_no_time)
{
	static unsigned char file[1 << 20], type[1 << 20];
	FILE *null = fopen("/dev/null", "we");
	size_t size = 0, n = 0;
	unsigned char field[64];
	struct schema *other;
	char name[16];
	clock_t begin;

	size = append(type, size, 1, "M", 1);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		/* number i + 1, label 1, type 5, oneof_index i */
		memcpy(field, (unsigned char[]){ 3 << 3, (i + 1) | 0x80, (i + 1) >> 7 | 0x80,
						 (i + 1) >> 14, 4 << 3, 1, 5 << 3, 5, 9 << 3,
						 i | 0x80, i >> 7 | 0x80, i >> 14 }, 12);
		n = append(field, 12, 1, name, strlen(name));
		size = append(type, size, 2, field, n);
	}
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		n = append(field, 0, 1, name, strlen(name));
		size = append(type, size, 8, field, n);
	}
	n = append(file, 0, 1, "l", 1);
	n = append(file, n, 2, "L", 1);
	n = append(file, n, 4, type, size);
	n = append(file, n, 6, "\x0a\x01S", 3);
	n = wrap(file, n, 1);

	begin = clock();
	ck_assert_int_eq(schema_new(file, n, "L.S", &other), 0);
	ck_assert_int_eq(schema_print(other, null), 0);
	ck_assert_int_lt((clock() - begin) / (CLOCKS_PER_SEC / 1000), 1000);
	schema_free(other);
	fclose(null);
}
END_TEST

/* "all" of Choice is field 4; "a_inner" of All is 21, and "again" of that is 2. */
START_TEST(deep_payloads_are_refused)
{
	static unsigned char deep[1 << 16];
	size_t size = 0;

	for (int i = 0; i < 2000; i++) {
		size = wrap(deep, size, 2);
		size = wrap(deep, size, 5);
		/* Field 21 needs two bytes. */
		memmove(deep + 1, deep, size++);
		deep[0] = 0xaa;
		deep[1] = 1;
	}
	ck_assert_ptr_null(decode("Echo", deep, size));
}
END_TEST

START_TEST(deep_json_is_refused)
{
	json_t *json = json_object();

	for (int i = 0; i < 200; i++)
		json = json_pack("{s:{s:o}}", "a_inner", "again", json);
	ck_assert_int_eq(schema_encode(request_of("Echo"), json, &message), -EINVAL);
	ck_assert_ptr_nonnull(strstr(message.what, "nested too deeply"));
	json_decref(json);
}
END_TEST

/* Changes the last occurrence of the text into another of the same length. */
static int renamed(const char *from, const char *to)
{
	unsigned char *at = set + set_size - strlen(from);
	struct schema *other;
	int r;

	ck_assert_uint_eq(strlen(from), strlen(to));
	while (at > set && memcmp(at, from, strlen(from)))
		at--;
	ck_assert(at > set);
	memcpy(at, to, strlen(to));
	r = schema_new(set, set_size, "test.schema.Kinds", &other);
	if (r == 0)
		schema_free(other);
	memcpy(at, from, strlen(from));
	return r;
}

/* A name that is printed, or completed by a shell, must be a word. */
START_TEST(names_are_words)
{
	ck_assert_int_eq(renamed("Pour", "Fill"), 0);
	ck_assert_int_eq(renamed("Pour", "$(a)"), -EBADMSG);
	ck_assert_int_eq(renamed("Other", "O\033[2J"), -EBADMSG);
	ck_assert_int_eq(renamed("Choice", "Choi\nc"), -EBADMSG);
	ck_assert_int_eq(renamed("a_int32", "a;int32"), -EBADMSG);
	ck_assert_int_eq(renamed("BLUE", "BL E"), -EBADMSG);
	ck_assert_int_eq(renamed("what", "wh{t"), -EBADMSG);
	ck_assert_int_eq(renamed("test.schema", "test;schema"), -EBADMSG);
	ck_assert_int_eq(renamed("ipc/options.proto", "ipc/\"ptions.proto"), -EBADMSG);
	/* Types that do not exist. */
	ck_assert_int_eq(renamed(".test.schema.Choice", ".test.schema.Chaise"), -EBADMSG);
}
END_TEST

/* The same description twice in a row. */
START_TEST(types_are_unique)
{
	unsigned char *twice = malloc(2 * set_size);
	struct schema *other;

	ck_assert_ptr_nonnull(twice);
	memcpy(twice, set, set_size);
	memcpy(twice + set_size, set, set_size);
	ck_assert_int_eq(schema_new(twice, 2 * set_size, "test.schema.Kinds", &other), -EBADMSG);
	free(twice);
}
END_TEST

int main(void)
{
	return RUN_CASES("schema", load, unload, methods_are_known, other_services_have_their_own,
			 each_kind_survives_encoding, unset_fields_are_omitted, mistakes_are_named,
			 files_are_opened, bytes_as_text, the_file_comes_back, comments_are_printed,
			 fields_that_come_twice, fields_of_another_type,
			 files_are_bound_to_their_fields,
			 files_and_objects_in_an_any_are_numbers, deep_descriptions_are_refused,
			 large_descriptions_take_no_time, deep_payloads_are_refused,
			 deep_json_is_refused, names_are_words, types_are_unique,
			 damaged_sets_do_no_harm, damaged_payloads_do_no_harm);
}
