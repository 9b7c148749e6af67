// SPDX-License-Identifier: MIT
/*
 * Texts of services, processes and files: see text.h.
 */
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.h>

#include "../libipc/core/text.h"
#include "text.h"

/* Returns the number of bytes of the UTF-8 character at c, or 0 if it is not valid. */
static size_t length_of(const unsigned char *c)
{
	/* After 0xe0, 0xed, 0xf0 and 0xf4, the second byte has special limits. */
	unsigned char min = *c == 0xe0 ? 0xa0 : *c == 0xf0 ? 0x90 : 0x80;
	unsigned char max = *c == 0xed ? 0x9f : *c == 0xf4 ? 0x8f : 0xbf;
	size_t size = text_size(*c);

	if (size == 1)
		return 1;
	if (*c < 0xc2 || *c > 0xf4 || c[1] < min || c[1] > max)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

size_t text_character(const char *text, uint32_t *ret_code, bool *ret_printable)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t size = length_of(c);

	*ret_code = size ? text_code(c, size) : *c;
	*ret_printable = size && !text_is_hidden(*ret_code);
	return size ? size : 1;
}

void text_clean(char *text)
{
	ipc_printable(text, strlen(text) + 1, text);
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
