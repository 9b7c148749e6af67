// SPDX-License-Identifier: MIT
/*
 * How ipcctl handles a service's description and messages, JSON, and texts. Input: the name of an
 * interface and a 0, the size of a description in two bytes, the description, and a rest that is
 * used as payload, JSON and text. An accepted description prints as text. An accepted payload
 * converts to JSON, and accepted JSON to a payload. A cleaned text is UTF-8 without control
 * characters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/json.h"
#include "schema/schema.h"
#include "schema/text.h"

#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "schema: line %d: %s\n", __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* JSON may name files to open, which the fuzzer prevents (--wrap=open). */
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	(void)path, (void)flags;
	errno = EACCES;
	return -1;
}

/*
 * Checks independently that the text is printable: no control characters, and no characters that
 * jansson refuses, that turn text or that have no width.
 */
static void check_text(const char *text, size_t size, const char *allowed)
{
	static const char *const hidden[] = {
		"\xc2\x80", "\xc2\x9b", "\xc2\x9f", "\xc2\xad", "\xd8\x9c", "\xe1\xa0\x8e",
		"\xe2\x80\x8b", "\xe2\x80\x8f", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa0",
		"\xe2\x81\xa6", "\xe2\x81\xa9", "\xef\xbb\xbf", "\xf3\xa0\x81\x81",
	};
	json_t *json = json_stringn(text, size);

	must(json);
	json_decref(json);
	for (size_t i = 0; i < size; i++)
		must(((unsigned char)text[i] >= ' ' && text[i] != 0x7f) ||
		     (text[i] && strchr(allowed, text[i])));
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		must(!memmem(text, size, hidden[i], strlen(hidden[i])));
}

static void try_text(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *again;

	must(text);
	size = strlen(text);
	again = strdup(text);
	text_clean(text);
	must(strlen(text) == size);
	check_text(text, size, "");
	/* Clean text stays unchanged. */
	memcpy(again, text, size + 1);
	text_clean(again);
	must(!strcmp(again, text));
	free(again);
	free(text);
}

static void try_print(const struct schema *schema)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	must(file && schema_print(schema, file) == 0);
	fclose(file);
	check_text(text, size, "\n");
	free(text);
}

/* Returns the value as its text reads. */
static json_t *reread(const json_t *value)
{
	char *text = value_write(value, false);
	json_error_t error;
	json_t *again;
	FILE *file;

	must(text);
	file = fmemopen(text, strlen(text), "r");
	must(file);
	again = value_read(file, false, &error);
	fclose(file);
	free(text);
	return again;
}

/* Bytes, JSON, text, JSON, bytes, JSON: the second round trip must give the same message. */
static void try_payload(const struct schema_type *type, const uint8_t *data, size_t size,
			unsigned int flags)
{
	json_t *json = schema_decode(type, data, size, flags), *again;
	struct schema_message message = { 0 };

	if (!json)
		return;
	again = reread(json);
	must(again);
	json_decref(json);
	json = again;
	if (schema_encode(type, json, &message) == 0) {
		again = schema_decode(type, message.raw.data, message.raw.size, flags);
		must(again);
		json_decref(again);
	} else {
		/* Files and objects are numbers in it, not real files and objects of this process.
		 * */
		must(*message.what);
	}
	schema_message_done(&message);
	json_decref(json);
}

static void try_json(const struct schema_type *type, const uint8_t *data, size_t size)
{
	FILE *file = fmemopen((void *)data, size, "r");
	struct schema_message message = { 0 };
	json_error_t error = { 0 };
	json_t *json;
	int r;

	must(file);
	json = value_read(file, false, &error);
	fclose(file);
	must(json || *error.text);
	if (!json)
		return;
	r = schema_encode(type, json, &message);
	must(r == 0 || (r == -EINVAL && *message.what));
	if (r == -EINVAL)
		text_clean(message.what);
	schema_message_done(&message);
	json_decref(json);
}

static void try_schema(const struct schema *schema, const uint8_t *data, size_t size)
{
	try_print(schema);
	for (size_t i = 0; i < schema_count(schema) && i < 4; i++) {
		const struct schema_method *method = schema_at(schema, i);

		check_text(method->name, strlen(method->name), "");
		must(schema_find(schema, method->name));
		must(schema_find_number(schema, method->number));
		try_payload(method->request, data, size, 0);
		try_payload(method->reply, data, size, SCHEMA_ALL_FIELDS);
		try_json(method->request, data, size);
	}
}

/* Returns the start of the description and sets *ret_rest to the bytes after it; NULL: none. */
static const uint8_t *split(const uint8_t *data, size_t size, const uint8_t **ret_rest)
{
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	size_t n;

	if (!end || size - (end - data) < 3)
		return NULL;
	n = end[1] | end[2] << 8;
	size -= end + 3 - data;
	*ret_rest = end + 3 + (n < size ? n : size);
	return end + 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *rest, *set = split(data, size, &rest);
	struct schema *schema;
	int r;

	if (!set)
		return 0;
	size -= rest - data;
	r = schema_new(set, rest - set, (const char *)data, &schema);
	must(r == 0 || r == -EBADMSG || r == -ENOENT);
	if (r == 0) {
		try_schema(schema, rest, size);
		schema_free(schema);
	}
	try_text(rest, size);
	return 0;
}

/* Usually mutates only the rest: a mutated description is mostly invalid. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	const uint8_t *rest;
	size_t n;

	if (seed % 4 == 0 || !split(data, size, &rest))
		return LLVMFuzzerMutate(data, size, max_size);
	n = rest - data;
	if (n >= max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	return n + LLVMFuzzerMutate(data + n, size - n, max_size - n);
}
