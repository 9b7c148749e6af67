// SPDX-License-Identifier: MIT
/*
 * Lines and words of texts: see words.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

int words_complain(struct words *words, const char *format, ...)
{
	va_list args;

	words->problem->line = words->number;
	va_start(args, format);
	vsnprintf(words->problem->text, sizeof(words->problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

bool words_take_number(const char **text, uint64_t max, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (**text < '0' || **text > '9')
		return false;

	errno = 0;
	value = strtoull(*text, &end, 10);
	if (errno || value > max)
		return false;

	*text = end;
	*ret = value;
	return true;
}

/* Copies the first line of the text, without its end. */
static int copy_line(struct words *words, const char *text, size_t size)
{
	if (size > WORDS_LINE_MAX)
		return words_complain(words, "the line is longer than %d characters",
				      WORDS_LINE_MAX);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\t')
			return words_complain(words, "there is a control character in the line");

	memcpy(words->line, text, size);
	words->line[size] = '\0';
	strcpy(words->cut, words->line);
	return 0;
}

/* Ends the word that begins at p. *ret_next is behind it. */
static int end_word(struct words *words, char *p, char **ret_next)
{
	char *end = *p == '"' ? strchr(p + 1, '"') : p + strcspn(p, " \t#\"");

	if (!end)
		return words_complain(words, "a quote is not closed");
	if (*p != '"' && *end == '"')
		return words_complain(words, "a quote must be at the beginning of a word");
	if (*p == '"' && end[1] && !strchr(" \t#", end[1]))
		return words_complain(words, "a closing quote must be followed by a blank");

	/* Then a comment begins, or the line ends. */
	*ret_next = end + (*p == '"');
	if (**ret_next == '#')
		**ret_next = '\0';
	else if (**ret_next)
		(*ret_next)++;
	*end = '\0';
	return 0;
}

static int split(struct words *words)
{
	char *p = words->cut;
	int r = 0;

	words->count = 0;
	while (r == 0) {
		p += strspn(p, " \t");
		if (!*p || *p == '#')
			return 0;
		if (words->count == WORDS_MAX)
			return words_complain(words, "more than %d words", WORDS_MAX);
		words->list[words->count++] = *p == '"' ? p + 1 : p;
		r = end_word(words, p, &p);
	}

	return r;
}

int words_parse(struct words *words, const char *text, size_t size, int (*parse)(void *userdata),
		void *userdata)
{
	int r = 0;

	while (r == 0 && size) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		words->number++;
		r = copy_line(words, text, length);
		if (r == 0)
			r = split(words);
		if (r == 0 && words->count)
			r = parse(userdata);
		length += end ? 1 : 0;
		text += length;
		size -= length;
	}

	return r;
}
