// SPDX-License-Identifier: MIT
/*
 * Lines and words of texts: see words.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

int text_problem_set(struct text_problem *problem, unsigned int line, const char *format, ...)
{
	va_list args;

	problem->line = line;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

static const char *line_copy(struct line *line, const char *text, size_t size)
{
	if (size > WORDS_LINE_MAX)
		return "the line is longer than 1024 characters";
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\t')
			return "there is a control character in the line";

	memcpy(line->text, text, size);
	line->text[size] = '\0';
	return NULL;
}

bool line_next(struct line *line, const char **text, size_t *size, const char **ret_problem)
{
	const char *end = *size ? memchr(*text, '\n', *size) : NULL;
	size_t length = end ? (size_t)(end - *text) : *size;

	if (!*size)
		return false;

	line->number++;
	*ret_problem = line_copy(line, *text, length);
	length += end ? 1 : 0;
	*text += length;
	*size -= length;
	return true;
}

bool line_has_words(const struct line *line)
{
	char first = line->text[strspn(line->text, " \t")];

	return first && first != '#';
}

/* Ends a word at *p. NULL: the line ends there as well. */
static char *end_word(char *p)
{
	char end = *p;

	*p = '\0';
	return end && end != '#' ? p + 1 : NULL;
}

static const char *take_quoted(struct words *words, char **p)
{
	char *word = *p + 1, *end = strchr(word, '"');

	if (!end)
		return "a quote is not closed";
	if (end[1] && !strchr(" \t#", end[1]))
		return "a closing quote must be followed by a blank";

	words->list[words->count++] = word;
	*end = '\0';
	*p = end_word(end + 1);
	return NULL;
}

static const char *take_plain(struct words *words, char **p)
{
	words->list[words->count++] = *p;
	*p += strcspn(*p, " \t#\"");
	if (**p == '"')
		return "a quote must be at the beginning of a word";

	*p = end_word(*p);
	return NULL;
}

const char *words_split(struct words *words, struct line *line)
{
	const char *problem = NULL;
	char *p = line->text;

	words->count = 0;
	while (p && !problem) {
		p += strspn(p, " \t");
		if (!*p || *p == '#')
			return NULL;
		if (words->count == WORDS_MAX)
			return "more than 128 words";
		problem = *p == '"' ? take_quoted(words, &p) : take_plain(words, &p);
	}

	return problem;
}
