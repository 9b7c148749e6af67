/* SPDX-License-Identifier: MIT */
/*
 * Configuration files, for the policy and for the services to activate. The files are all
 * *.conf of some directories, in the order of their names. Of files with the same name, only
 * the file in the first directory counts.
 *
 * Blanks and tabs separate the words of a line. A word in double quotes may contain blanks. A
 * '#' at the beginning of a word begins a comment.
 */
#ifndef SERVICEMANAGER_CONFIG_H
#define SERVICEMANAGER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FILES_MAX 512
#define CONFIG_SIZE_MAX	 (1 << 20)
#define CONFIG_LINE_MAX	 1024
#define CONFIG_WORDS_MAX 128

typedef int config_taker(void *userdata, const char *path, const char *text, size_t size);

/* Reads each file and passes its text to the taker. The directories end with NULL. A directory that
 * does not exist has no files. After a failure it continues, so that all failures are logged.
 * Returns the number of files, or the last failure. */
int config_load(const char *const *directories, config_taker *taker, void *userdata);

/* Like config_load(), for a single file. Returns 0 or the failure. */
int config_load_file(const char *path, config_taker *taker, void *userdata);

/* A problem in a text. */
struct text_problem {
	unsigned int line; /* from 1; 0: a line is missing */
	char text[256];
};

/* The current line of a text. */
struct config_line {
	struct text_problem *problem;
	unsigned int number;
	char text[CONFIG_LINE_MAX + 1];
	char cut[CONFIG_LINE_MAX + 1]; /* storage of the words */
	char *words[CONFIG_WORDS_MAX];
	size_t n_words;
};

/* Passes each line that has words to parse(), until parse() returns a negative errno, which
 * config_parse() returns. If the text is invalid, returns -EINVAL and sets *line->problem. Control
 * characters are invalid, because they are invisible and could hide the meaning of a line. */
int config_parse(struct config_line *line, const char *text, size_t size,
		 int (*parse)(void *userdata), void *userdata);

/* Describes the problem with the line and returns -EINVAL. */
int config_complain(struct config_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Takes a decimal number up to max off the text. If the text does not begin with a number, returns
 * false. */
bool config_take_number(const char **text, uint64_t max, uint64_t *ret);

#endif /* SERVICEMANAGER_CONFIG_H */
