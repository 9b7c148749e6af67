/* SPDX-License-Identifier: MIT */
/*
 * The log: one line on standard error for each event, after "ipc-gateway: ". What is not printable
 * is replaced, as by ipc_printable(), so any text of a peer may be logged. A longer line is cut.
 */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

#define LOG_LINE_MAX	1023 /* bytes, without "ipc-gateway: " and the newline */

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what others can cause as often as they like: of each limit, which begins as zeros,
 * so many lines in a second. The first line of a later second says how many were left out. */
#define LOG_OTHERS_MAX	20

struct log_limit {
	long second;
	unsigned int lines;
	unsigned int left_out;
};

void log_others(struct log_limit *limit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* GATEWAY_LOG_H */
