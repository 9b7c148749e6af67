/* SPDX-License-Identifier: MIT */
/*
 * Texts of configuration files, for policy-parse.c and activation-parse.c: their lines, the
 * words of a line, and what is wrong with them. Blanks and tabs separate words; a word in
 * double quotes may have some. A '#' at the beginning of a word begins a comment.
 *
 * Functions that may fail return what is wrong, in English, or NULL.
 */
#ifndef SERVICEMANAGER_WORDS_H
#define SERVICEMANAGER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX      128
#define WORDS_LINE_MAX 1024

/* What is wrong with a text. */
struct text_problem {
	unsigned int line; /* from 1 on; 0: the text has no line */
	char text[256];
};

/* Describes the problem and returns -EINVAL. */
int text_problem_set(struct text_problem *problem, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One line on its way through a parser. */
struct line {
	unsigned int number;
	char text[WORDS_LINE_MAX + 1];
};

/* Copies the next line out of the text, without its end, and advances the text. False: there
 * is none. *ret_problem is NULL, or says why the line was refused: control characters, which
 * nobody sees, could hide what it says. */
bool line_next(struct line *line, const char **text, size_t *size, const char **ret_problem);

/* Is there more on the line than a comment? */
bool line_has_words(const struct line *line);

struct words {
	char *list[WORDS_MAX];
	size_t count;
};

/* The words point into the line, which is cut up. */
const char *words_split(struct words *words, struct line *line);

#endif /* SERVICEMANAGER_WORDS_H */
