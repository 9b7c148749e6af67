// SPDX-License-Identifier: MIT
/*
 * Texts of others: see text.h.
 */
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Bytes of the UTF-8 character at c; 0: there is none. */
static size_t length_of(const unsigned char *c)
{
	/* The second byte of 0xe0, 0xed, 0xf0 and 0xf4 has limits of its own. */
	unsigned char min = *c == 0xe0 ? 0xa0 : *c == 0xf0 ? 0x90 : 0x80;
	unsigned char max = *c == 0xed ? 0x9f : *c == 0xf4 ? 0x8f : 0xbf;
	size_t size = *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : 4;

	if (*c < 0x80)
		return 1;
	if (*c < 0xc2 || *c > 0xf4 || c[1] < min || c[1] > max)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

static uint32_t code_of(const unsigned char *c, size_t size)
{
	uint32_t code = size == 1 ? *c : *c & 0x7f >> size;

	for (size_t i = 1; i < size; i++)
		code = code << 6 | (c[i] & 0x3f);
	return code;
}

/* Control characters; those that change the direction of text; those without width. */
static bool is_hidden(uint32_t code)
{
	static const uint32_t ranges[][2] = {
		{ 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c }, { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	return false;
}

size_t text_character(const char *text, uint32_t *ret_code, bool *ret_printable)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t size = length_of(c);

	*ret_code = size ? code_of(c, size) : *c;
	*ret_printable = size && !is_hidden(*ret_code);
	return size ? size : 1;
}

void text_clean(char *text)
{
	while (*text) {
		bool printable;
		uint32_t code;
		size_t size = text_character(text, &code, &printable);

		if (!printable)
			memset(text, '?', size);
		text += size;
	}
}

void text_clean_line(char *line)
{
	for (char *tab = line; (tab = strchr(tab, '\t'));)
		*tab = ' ';
	text_clean(line);
}

json_t *text_json(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	if (!copy)
		return NULL;
	text_clean(copy);
	json = json_string(copy);
	free(copy);
	return json;
}
