/* SPDX-License-Identifier: MIT */
/*
 * The log: one line on standard error for each event, after "servicemanager: ".
 * Names and interfaces in it were validated, so nothing odd gets onto a terminal.
 */
#ifndef SERVICEMANAGER_LOG_H
#define SERVICEMANAGER_LOG_H

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* SERVICEMANAGER_LOG_H */
