/* SPDX-License-Identifier: MIT */
/*
 * The log: a line on standard error for each event, with the prefix "ipc-gateway: ".
 * ipc_printable() replaces bytes that are not printable, so any text of a peer may be logged.
 * Longer lines are cut. The journal limits the rate of lines.
 */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

#define LOG_LINE_MAX	1023 /* bytes, without "ipc-gateway: " and the newline */

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* GATEWAY_LOG_H */
