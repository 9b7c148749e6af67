/* SPDX-License-Identifier: MIT */
/*
 * The log: each event is one line on standard error that begins with "servicemanager: ". Names and
 * interfaces in it were validated, so no control characters reach a terminal.
 */
#ifndef SERVICEMANAGER_LOG_H
#define SERVICEMANAGER_LOG_H

#include <stddef.h>

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Receives the lines of the log between log_begin_copy() and log_end_copy(). Lines that do not fit
 * are dropped. */
struct log_copy {
	char text[4096]; /* each line ends with a 0 */
	size_t size;
};

void log_begin_copy(struct log_copy *copy);
void log_end_copy(void);

#endif /* SERVICEMANAGER_LOG_H */
