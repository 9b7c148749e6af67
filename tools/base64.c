// SPDX-License-Identifier: MIT
/*
 * Base64: see base64.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base64.h"

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

void *base64_decode(const json_t *text, size_t *ret_size)
{
	const char *in = json_string_value(text);
	unsigned char *data, *out;
	unsigned int bits = 0, n = 0;

	data = out = in ? malloc(strlen(in) / 4 * 3 + 4) : NULL;
	if (!data)
		return NULL;
	for (; *in && *in != '='; in++) {
		const char *digit = strchr(digits, *in);

		if (!digit) {
			free(data);
			return NULL;
		}
		bits = bits << 6 | (digit - digits);
		if (++n % 4 != 1)
			*out++ = bits >> (2 * (3 - (n - 1) % 4));
	}
	*out = '\0';
	*ret_size = out - data;
	return data;
}
