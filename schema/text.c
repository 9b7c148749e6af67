// SPDX-License-Identifier: MIT
/*
 * Texts of services, processes and files: see text.h.
 */
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.h>

#include "../libipc/base/text.h"
#include "../libipc/base/wire.h"
#include "text.h"

size_t text_character(const char *text, uint32_t *ret_code, bool *ret_printable)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t size = utf8_size(c, c + strnlen(text, 4));

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
