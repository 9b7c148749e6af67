/* SPDX-License-Identifier: MIT */
/*
 * The log: one line on standard error for each event, after "ipc-gateway: ".
 */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* GATEWAY_LOG_H */
