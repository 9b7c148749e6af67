/* SPDX-License-Identifier: MIT */
/*
 * Configuration files, for the policy and for the services to activate. The files are all
 * *.conf of some folders, in the order of their names, except for hidden files. Of files with
 * the same name, only the file in the first folder counts. A folder or file that other users can
 * change is read, with a warning in the log (trust.h).
 *
 * Blanks and tabs separate the words of a line. A word in double quotes may contain blanks. A
 * '#' outside quotes ends a word and begins a comment.
 */
#ifndef SERVICEMANAGER_CONFIG_H
#define SERVICEMANAGER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FILES_MAX 512	   /* in all folders together */
#define CONFIG_SIZE_MAX	 (1 << 20) /* bytes of a file */
#define CONFIG_LINE_MAX	 1024	   /* bytes of a line */
#define CONFIG_WORDS_MAX 128	   /* of a line */

/* Handles the text of a file, which is valid during the call and does not end with a 0. Returns 0
 * or -errno, and logs its failures itself. */
typedef int config_taker(void *userdata, const char *path, const char *text, size_t size);

/* Reads each file and passes its text to the taker. The folders end with NULL. A folder that
 * does not exist has no files. If a folder cannot be read, reads no file. If a file fails,
 * continues with the next, so that all failures are logged, unless memory is short. Returns the
 * number of files, or the last failure. */
int config_load(const char *const *folders, config_taker *taker, void *userdata);

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

/* Takes a decimal number off the text. Returns false if the text does not begin with a number, or
 * if the number is larger than max. */
bool config_take_number(const char **text, uint64_t max, uint64_t *ret);

#endif /* SERVICEMANAGER_CONFIG_H */
