// SPDX-License-Identifier: MIT
/*
 * Lines as words: see words.h.
 */
#include <string.h>

#include "words.h"

const char *words_take_line(char *buffer, size_t buffer_size, const char *text, size_t size)
{
	if (size >= buffer_size)
		return "the line is longer than 1024 characters";
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\t')
			return "there is a control character in the line";

	memcpy(buffer, text, size);
	buffer[size] = '\0';
	return NULL;
}

bool words_are_there(const char *line)
{
	line += strspn(line, " \t");
	return *line && *line != '#';
}

/* The character at *p ends a word; NULL: and the line. */
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
		return "after a quote comes a blank";

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
		return "a quote is to come at the beginning of a word";

	*p = end_word(*p);
	return NULL;
}

const char *words_split(struct words *words, char *line)
{
	const char *problem = NULL;
	char *p = line;

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
