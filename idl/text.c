// SPDX-License-Identifier: MIT
/*
 * Text that grows, and the layout of comments and parameter lists.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "text.h"

#define TAB_WIDTH 8

void text_addn(struct text *text, const char *string, size_t length)
{
	size_t capacity = text->capacity ?: 1024;

	if (length >= SIZE_MAX / 2 - text->size)
		out_of_memory();
	while (capacity < text->size + length + 1)
		capacity *= 2;
	if (capacity != text->capacity) {
		char *data = realloc(text->data, capacity);

		if (!data)
			out_of_memory();
		text->data = data;
		text->capacity = capacity;
	}

	memcpy(text->data + text->size, string, length);
	text->size += length;
	text->data[text->size] = '\0';
}

void text_add(struct text *text, const char *string)
{
	text_addn(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args;
	char *string;
	int length;

	va_start(args, format);
	length = vasprintf(&string, format, args);
	va_end(args);
	if (length < 0)
		out_of_memory();

	text_addn(text, string, (size_t)length);
	free(string);
}

/* --- Comments ------------------------------------------------------------- */

static size_t text_width(const char *string, size_t length)
{
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += string[i] == '\t' ? TAB_WIDTH - width % TAB_WIDTH : 1;

	return width;
}

void text_fill(struct text *text, const char *lead, const char *string)
{
	size_t lead_width = text_width(lead, strlen(lead));
	size_t column = 0;

	for (string += strspn(string, " "); *string; string += strspn(string, " ")) {
		size_t word = strcspn(string, " ");

		if (column && column + 1 + word >= TEXT_MARGIN) {
			text_add(text, "\n");
			column = 0;
		}

		text_add(text, column ? " " : lead);
		text_addn(text, string, word);
		column = (column ? column + 1 : lead_width) + word;
		string += word;
	}

	text_add(text, "\n");
}

/* Returns true if the characters at p have a meaning for the compiler inside a comment. "??/" is
 * the trigraph of a backslash. */
static bool quote_splits(const char *p)
{
	return !strncmp(p, "*/", 2) || !strncmp(p, "/*", 2) || !strncmp(p, "?\?/", 3);
}

size_t text_bidi(const char *p)
{
	unsigned char last = !p[0] || !p[1] ? 0 : (unsigned char)p[2];
	bool embeds = !strncmp(p, "\xe2\x80", 2) && last >= 0xaa && last <= 0xae;
	bool isolates = !strncmp(p, "\xe2\x81", 2) && last >= 0xa6 && last <= 0xa9;

	/* U+202A to U+202E, and U+2066 to U+2069. */
	return embeds || isolates ? 3 : 0;
}

static void quote_line(struct text *text, const char *line, size_t length)
{
	while (length && ((unsigned char)line[length - 1] <= ' ' || line[length - 1] == '\\'))
		length--;

	for (size_t i = 0; i < length; i++) {
		bool control = (unsigned char)line[i] < ' ' && line[i] != '\t';

		if (text_bidi(&line[i])) {
			i += text_bidi(&line[i]) - 1;
			continue;
		}
		text_addn(text, control ? " " : &line[i], 1);
		if (i + 1 < length && quote_splits(&line[i]))
			text_add(text, " ");
	}
}

static bool line_is_blank(const char *line)
{
	return strspn(line, " \t\r\n") >= strcspn(line, "\n");
}

void text_quote(struct text *text, const char *lead, const char *comment)
{
	bool blank = false, any = false;

	while (*comment) {
		size_t length = strcspn(comment, "\n");

		if (line_is_blank(comment)) {
			blank = any;
		} else {
			size_t bare = strlen(lead);

			while (bare && lead[bare - 1] == ' ')
				bare--;
			if (blank)
				text_printf(text, "%.*s\n", (int)bare, lead);
			/* protoc keeps the blank after the slashes. */
			text_addn(text, lead, *comment == ' ' ? bare : strlen(lead));
			quote_line(text, comment, length);
			text_add(text, "\n");
			blank = false;
			any = true;
		}

		comment += length + (comment[length] == '\n');
	}
}

/* --- Parameter lists ------------------------------------------------------- */

static void text_indent(struct text *text, size_t width)
{
	for (; width >= TAB_WIDTH; width -= TAB_WIDTH)
		text_add(text, "\t");
	for (; width; width--)
		text_add(text, " ");
}

void text_params(struct text *text, unsigned int tabs, const char *lead,
		 const char *const *params, const char *tail)
{
	size_t start = tabs * TAB_WIDTH + strlen(lead) + 1;
	size_t column = start;

	text_indent(text, tabs * TAB_WIDTH);
	text_printf(text, "%s(", lead);
	for (size_t i = 0; params[i]; i++) {
		/* Reserve space for a comma or for the end of the line. */
		size_t width = strlen(params[i]) + 1 + (params[i + 1] ? 0 : strcspn(tail, "\n"));

		if (i && column + 1 + width >= TEXT_MARGIN) {
			text_add(text, "\n");
			text_indent(text, start);
			column = start;
		} else if (i) {
			text_add(text, " ");
			column++;
		}

		text_printf(text, "%s%s", params[i], params[i + 1] ? "," : "");
		column += width;
	}

	text_printf(text, ")%s", tail);
}

void text_done(struct text *text)
{
	free(text->data);
	*text = (struct text){ 0 };
}
