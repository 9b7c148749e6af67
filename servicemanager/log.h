/* SPDX-License-Identifier: MIT */
/*
 * The log: each event is one line on standard error that begins with "servicemanager: ". Names and
 * interfaces in it were validated, so no control characters reach a terminal. Only the thread of
 * main.c may use it.
 */
#ifndef SERVICEMANAGER_LOG_H
#define SERVICEMANAGER_LOG_H

#include <stddef.h>

/* Adds the prefix and the newline. Blocks while standard error has no space. May change errno.
 * There are no levels: log_verbose() in manager.h logs only with --verbose. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* main.c keeps the problems of a reload here, without prefix. If a line does not fit, it is only
 * logged. */
struct log_copy {
	char text[4096]; /* each line ends with a 0 */
	size_t size; /* bytes used */
};

/* Appends to copy until log_end_copy(). At first, copy->size must be 0. Copies do not nest. */
void log_begin_copy(struct log_copy *copy);
void log_end_copy(void);

#endif /* SERVICEMANAGER_LOG_H */
