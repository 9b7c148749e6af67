/* SPDX-License-Identifier: MIT */
/*
 * Lines of configuration files as words: apart by blanks and tabs, in double quotes
 * where a word has some; '#' at the beginning of a word begins a comment. For
 * policy-parse.c and demand-parse.c. Functions that may fail return what is wrong, in
 * English, or NULL.
 */
#ifndef SERVICEMANAGER_WORDS_H
#define SERVICEMANAGER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 128

struct words {
	char *list[WORDS_MAX];
	size_t count;
};

/* Copies one line, without its end, and adds a 0. Bytes that nobody sees could hide
 * what it says: control characters are refused. */
const char *words_take_line(char *buffer, size_t buffer_size, const char *text, size_t size);

/* Is there more on the line than a comment? */
bool words_are_there(const char *line);

/* The words point into the line, which is cut up. */
const char *words_split(struct words *words, char *line);

#endif /* SERVICEMANAGER_WORDS_H */
