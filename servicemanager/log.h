/* SPDX-License-Identifier: MIT */
/*
 * The log: each event is one line on standard error that begins with "servicemanager: ". Names and
 * interfaces in it were validated, so no control characters reach a terminal. Only the thread of
 * main.c may use it.
 */
#ifndef SERVICEMANAGER_LOG_H
#define SERVICEMANAGER_LOG_H

#include <stddef.h>

/* Adds the prefix and the newline. Blocks while standard error has no space. May change errno. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Receives the lines of the log, without prefix, between log_begin_copy() and log_end_copy().
 * main.c copies the problems of a reload. Lines that do not fit are only logged. */
struct log_copy {
	char text[4096]; /* each line ends with a 0 */
	size_t size; /* bytes used */
};

/* Appends to copy, which the caller initializes. Copies do not nest. */
void log_begin_copy(struct log_copy *copy);
void log_end_copy(void);

#endif /* SERVICEMANAGER_LOG_H */
