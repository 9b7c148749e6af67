// SPDX-License-Identifier: MIT
/*
 * JSON values: see json.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.h>

#include "json.h"

const char *value_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *value_string(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

json_int_t value_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

json_t *value_append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) == 0)
		return array;
	json_decref(array);
	return NULL;
}

json_t *value_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static const char *key_of(char key[32], json_int_t number)
{
	snprintf(key, 32, "%lld", (long long)number);
	return key;
}

json_t *value_index(const json_t *array, const char *key)
{
	json_t *index = json_object(), *object;
	char text[32];
	size_t i;

	json_array_foreach(array, i, object)
		index = value_set(index, key_of(text, value_number(object, key)),
				  json_incref(object));
	return index;
}

json_t *value_indexed(const json_t *index, json_int_t number)
{
	char key[32];

	return json_object_get(index, key_of(key, number));
}

/* --- Base64 --------------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *base64_encode(const void *data, size_t size)
{
	const unsigned char *in = data;
	char *text = malloc(size / 3 * 4 + 8), *out = text;
	json_t *json;

	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		unsigned int bits = in[i] << 16;

		bits |= (left > 1 ? in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
	json = json_string(text);
	free(text);
	return json;
}

json_t *base64_text(const void *text, size_t size)
{
	return json_stringn(size ? text : "", size) ?: base64_encode(text, size);
}

/* Returns the value of a digit, also of the alphabet for URLs, or -1. */
static int digit_of(char c)
{
	const char *digit = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

void *base64_decode(const json_t *text, size_t *ret_size)
{
	const char *in = json_string_value(text);
	size_t size = json_string_length(text), n = size;
	unsigned char *data, *out;
	unsigned int bits = 0;

	if (!in)
		return NULL;
	while (n && in[n - 1] == '=')
		n--;
	if (n % 4 == 1 || (size > n && size - n != (4 - n % 4) % 4))
		return NULL;
	data = out = malloc(size / 4 * 3 + 4);
	for (size_t i = 0; data && i < n; i++) {
		int digit = digit_of(in[i]);

		if (digit < 0) {
			free(data);
			return NULL;
		}
		bits = bits << 6 | (unsigned int)digit;
		if (i % 4)
			*out++ = bits >> (2 * (3 - i % 4));
	}
	if (!data)
		return NULL;
	*out = '\0';
	*ret_size = out - data;
	return data;
}

/* --- Errors ----------------------------------------------------------------------- */

static json_t *text_of(const char *text)
{
	return text ? base64_text(text, strlen(text)) : NULL;
}

static json_t *number_of(int number)
{
	return number ? json_integer(number) : NULL;
}

json_t *error_json(const struct ipc_error *error)
{
	return json_pack("{s:o*, s:o*, s:o*, s:o*, s:o*, s:o*}", "error", number_of(error->code),
			 "cause", number_of(error->cause), "error_name", text_of(error->name),
			 "error_text", text_of(error->text), "error_number",
			 number_of(error->number), "error_details",
			 error->details_size ? base64_encode(error->details, error->details_size) :
					       NULL);
}
