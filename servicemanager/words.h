/* SPDX-License-Identifier: MIT */
/*
 * Texts of configuration files, for policy-parse.c and activation-parse.c: their lines, the
 * words of a line, numbers, and what is wrong with them. Blanks and tabs separate words; a
 * word in double quotes may have some. A '#' at the beginning of a word begins a comment.
 */
#ifndef SERVICEMANAGER_WORDS_H
#define SERVICEMANAGER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX      128
#define WORDS_LINE_MAX 1024

/* What is wrong with a text. */
struct text_problem {
	unsigned int line; /* from 1 on; 0: the text has no line */
	char text[256];
};

/* One line on its way through a parser. */
struct words {
	struct text_problem *problem;
	unsigned int number; /* of the line */
	char line[WORDS_LINE_MAX + 1];
	char cut[WORDS_LINE_MAX + 1]; /* the words lie in it */
	char *list[WORDS_MAX];
	size_t count;
};

/* Passes each line with words to parse(), until that returns a negative errno, which is
 * returned. -EINVAL: there is a problem with the text. Control characters are one: nobody
 * sees them, and they could hide what a line says. */
int words_parse(struct words *words, const char *text, size_t size, int (*parse)(void *userdata),
		void *userdata);

/* Describes the problem with the line and returns -EINVAL. */
int words_complain(struct words *words, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Takes a decimal number up to max off the text. False: there is none. */
bool words_take_number(const char **text, uint64_t max, uint64_t *ret);

#endif /* SERVICEMANAGER_WORDS_H */
