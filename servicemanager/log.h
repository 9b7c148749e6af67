/* SPDX-License-Identifier: MIT */
/*
 * The log: one line on standard error for each event, after "servicemanager: ".
 * Names and interfaces in it were validated, so nothing odd gets onto a terminal.
 */
#ifndef SERVICEMANAGER_LOG_H
#define SERVICEMANAGER_LOG_H

#include <stddef.h>

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Gets the lines of the log between log_begin_copy() and log_end_copy(), but for those that do not
 * fit. */
struct log_copy {
	char text[4096]; /* each line ends with a 0 */
	size_t size;
};

void log_begin_copy(struct log_copy *copy);
void log_end_copy(void);

#endif /* SERVICEMANAGER_LOG_H */
