// SPDX-License-Identifier: MIT
/*
 * JSON text: see json.h. jansson reads and writes strings and most numbers. The rest is here,
 * because jansson refuses integers above 63 bits and NUL in keys, reads past the end of a value,
 * and writes every double with the same number of digits.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "wire.h"

/* Maximum nesting of a text. */
#define MAX_DEPTH 1000

/* Begins the text of an integer that jansson cannot represent. It is not UTF-8, so no other
 * string begins with it. */
#define INTEGER_MARK '\xff'

/* --- Numbers ---------------------------------------------------------------------- */

const char *value_integer_text(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && *text == INTEGER_MARK ? text + 1 : NULL;
}

bool value_is_string(const json_t *value)
{
	return json_is_string(value) && !value_integer_text(value);
}

static json_t *large_integer(const char *text, size_t size)
{
	struct wire_buffer buffer = { 0 };
	json_t *value = NULL;

	wire_put(&buffer, (const char[]){ INTEGER_MARK }, 1);
	wire_put(&buffer, text, size);
	if (!buffer.failed)
		value = json_stringn_nocheck((const char *)buffer.data, buffer.size);
	free(buffer.data);
	return value;
}

static json_t *number(const char *text, size_t size, json_error_t *error)
{
	json_t *value;

	/* An integer has no negative zero. */
	if (size == 2 && !memcmp(text, "-0", 2))
		return json_real(-0.0);
	value = json_loadb(text, size, JSON_DECODE_ANY, error);
	if (value || json_error_code(error) != json_error_numeric_overflow ||
	    memchr(text, '.', size) || memchr(text, 'e', size) || memchr(text, 'E', size))
		return value;
	return large_integer(text, size);
}

json_t *value_of_number(const json_t *string)
{
	const char *text = json_string_value(string);
	size_t size = json_string_length(string);
	json_error_t error;

	if (!size || strspn(text, "-+.0123456789eE") != size)
		return NULL;
	return number(text, size, &error);
}

/* --- Reading ---------------------------------------------------------------------- */

/**
 * struct reader - state of reading a text
 * @file: the text
 * @error: the first error, or an empty text
 * @line: line of the last character
 * @column: its column
 * @depth: number of open arrays and objects
 * @token: characters of a string, number or word
 */
struct reader {
	FILE *file;
	json_error_t *error;
	int line;
	int column;
	unsigned int depth;
	struct wire_buffer token;
};

static json_t *read_value(struct reader *reader, int c);

static int take(struct reader *reader)
{
	int c = getc_unlocked(reader->file);

	reader->column = c == '\n' ? 0 : reader->column + 1;
	reader->line += c == '\n';
	return c;
}

/* Takes the next character that is no blank. */
static int take_visible(struct reader *reader)
{
	int c;

	do
		c = take(reader);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
	return c;
}

static json_t *bad(struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static json_t *bad(struct reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->error->text, sizeof(reader->error->text), format, args);
	va_end(args);
	reader->error->line = reader->line;
	reader->error->column = reader->column;
	return NULL;
}

static json_t *unexpected(struct reader *reader, int c, const char *expected)
{
	if (c == EOF)
		return bad(reader, "%s expected at the end", expected);
	return bad(reader, c > ' ' && c < 0x7f ? "%s expected near '%c'" : "%s expected", expected,
		   c);
}

static void put(struct reader *reader, int c)
{
	wire_put(&reader->token, &(char){ (char)c }, 1);
}

/* Takes characters of the set, after the first character. */
static void take_token(struct reader *reader, int c, const char *set)
{
	reader->token.size = 0;
	for (; c != EOF && c && strchr(set, c); c = take(reader))
		put(reader, c);
	if (c == EOF)
		return;
	ungetc(c, reader->file);
	reader->column--;
	reader->line -= c == '\n';
}

static json_t *read_number(struct reader *reader, int c)
{
	json_error_t error;
	json_t *value;

	take_token(reader, c, "-+.0123456789eE");
	value = number((const char *)reader->token.data, reader->token.size, &error);
	return value ? value : bad(reader, "%s", error.text);
}

static json_t *read_word(struct reader *reader, int c)
{
	take_token(reader, c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	put(reader, '\0');
	if (reader->token.failed)
		return NULL;
	if (!strcmp((char *)reader->token.data, "true"))
		return json_true();
	if (!strcmp((char *)reader->token.data, "false"))
		return json_false();
	if (!strcmp((char *)reader->token.data, "null"))
		return json_null();
	return unexpected(reader, c, "a value");
}

/* Reads a string after its first quote. */
static json_t *read_string(struct reader *reader)
{
	json_error_t error;
	bool escaped = false;
	json_t *value;
	int c;

	reader->token.size = 0;
	put(reader, '"');
	do {
		c = take(reader);
		if (c == EOF)
			return unexpected(reader, c, "'\"'");
		put(reader, c);
		if (c == '"' && !escaped)
			break;
		escaped = c == '\\' && !escaped;
	} while (!reader->token.failed);
	if (reader->token.failed)
		return NULL;
	value = json_loadb((const char *)reader->token.data, reader->token.size,
			   JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	return value ? value : bad(reader, "%s", error.text);
}

/* Reads a key and its value, beginning with c, into the object. */
static bool read_member(struct reader *reader, int c, json_t *object)
{
	json_t *key = c == '"' ? read_string(reader) : unexpected(reader, c, "a string");
	const char *name = json_string_value(key);
	size_t size = json_string_length(key);
	json_t *value = NULL;

	if (key && json_object_getn(object, name, size))
		bad(reader, "duplicate key \"%s\"", name);
	else if (key && (c = take_visible(reader)) != ':')
		unexpected(reader, c, "':'");
	else if (key)
		value = read_value(reader, take_visible(reader));
	if (value && json_object_setn_new(object, name, size, value) < 0)
		value = NULL;
	json_decref(key);
	return value;
}

/* Reads the elements of an object or array until the end character. */
static json_t *read_elements(struct reader *reader, json_t *whole, int end)
{
	bool object = end == '}', good = whole;
	int c = take_visible(reader);

	if (c == end)
		return whole;
	while (good) {
		good = object ? read_member(reader, c, whole) :
				json_array_append_new(whole, read_value(reader, c)) == 0;
		if (!good)
			break;
		c = take_visible(reader);
		if (c == end)
			return whole;
		if (c != ',') {
			unexpected(reader, c, object ? "',' or '}'" : "',' or ']'");
			break;
		}
		c = take_visible(reader);
	}
	json_decref(whole);
	return NULL;
}

static json_t *read_value(struct reader *reader, int c)
{
	json_t *value;

	if (c == '"')
		return read_string(reader);
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(reader, c);
	if (c != '{' && c != '[')
		return read_word(reader, c);
	if (reader->depth == MAX_DEPTH)
		return bad(reader, "nested too deeply");
	reader->depth++;
	value = c == '{' ? read_elements(reader, json_object(), '}') :
			   read_elements(reader, json_array(), ']');
	reader->depth--;
	return value;
}

json_t *value_read(FILE *file, bool more, json_error_t *error)
{
	struct reader reader = { .file = file, .error = error, .line = 1 };
	json_t *value = NULL;
	int c = take_visible(&reader);

	*error->text = '\0';
	if (c != EOF || !more)
		value = read_value(&reader, c);
	if (value && !more && (c = take_visible(&reader)) != EOF) {
		unexpected(&reader, c, "the end");
		json_decref(value);
		value = NULL;
	}
	if (!value && !*error->text && (c != EOF || !more))
		bad(&reader, "out of memory");
	free(reader.token.data);
	return value;
}

json_t *value_read_text(const char *text, size_t size, json_error_t *error)
{
	FILE *file = fmemopen((char *)text, size, "r");
	json_t *value;

	if (!file) {
		*error = (json_error_t){ .line = 1 };
		snprintf(error->text, sizeof(error->text), "%s", strerror(errno));
		return NULL;
	}
	value = value_read(file, /* more= */ false, error);
	fclose(file);
	return value;
}

/* --- Writing ---------------------------------------------------------------------- */

/* Writes the fewest digits, at least 15, that read as the same double. */
static void write_real(FILE *file, double value)
{
	char text[64];
	int digits = 15;

	do
		snprintf(text, sizeof(text), "%.*g", digits, value);
	while (strtod(text, NULL) != value && ++digits <= 17);
	fprintf(file, strpbrk(text, ".e") ? "%s" : "%s.0", text);
}

static bool write_scalar(FILE *file, const json_t *value)
{
	if (json_is_integer(value))
		fprintf(file, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		write_real(file, json_real_value(value));
	else
		return json_dumpf(value, file, JSON_ENCODE_ANY) == 0;
	return true;
}

static void write_line(FILE *file, unsigned int depth, bool indent)
{
	if (indent)
		fprintf(file, "\n%*s", 2 * (int)depth, "");
}

static bool write_value(FILE *file, json_t *value, unsigned int depth, bool indent);

static bool write_array(FILE *file, json_t *array, unsigned int depth, bool indent)
{
	bool good = true;
	json_t *value;
	size_t i;

	putc('[', file);
	json_array_foreach(array, i, value) {
		if (i)
			putc(',', file);
		write_line(file, depth + 1, indent);
		good = good && write_value(file, value, depth + 1, indent);
	}
	if (json_array_size(array))
		write_line(file, depth, indent);
	putc(']', file);
	return good;
}

static bool write_object(FILE *file, json_t *object, unsigned int depth, bool indent)
{
	bool good = true, first = true;
	const char *key;
	json_t *value, *name;
	size_t size;

	putc('{', file);
	json_object_keylen_foreach(object, key, size, value) {
		if (!first)
			putc(',', file);
		first = false;
		write_line(file, depth + 1, indent);
		name = json_stringn(key, size);
		good = good && name && write_scalar(file, name);
		json_decref(name);
		fputs(indent ? ": " : ":", file);
		good = good && write_value(file, value, depth + 1, indent);
	}
	if (!first)
		write_line(file, depth, indent);
	putc('}', file);
	return good;
}

static bool write_value(FILE *file, json_t *value, unsigned int depth, bool indent)
{
	if (json_is_array(value))
		return write_array(file, value, depth, indent);
	if (json_is_object(value))
		return write_object(file, value, depth, indent);
	return write_scalar(file, value);
}

char *value_write(const json_t *value, bool indent)
{
	char *text = NULL;
	size_t size;
	FILE *file = value ? open_memstream(&text, &size) : NULL;
	bool good;

	if (!file)
		return NULL;
	good = write_value(file, (json_t *)value, 0, indent) && !ferror(file);
	if (fclose(file) == 0 && good)
		return text;
	free(text);
	return NULL;
}
