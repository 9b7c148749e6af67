/* SPDX-License-Identifier: MIT */
/*
 * What ends a run: the deadline of --timeout, SIGINT, SIGTERM and SIGHUP.
 */
#ifndef IPCCTL_STOP_H
#define IPCCTL_STOP_H

#include <stdbool.h>

/* Ends the process with STATUS_TIMEOUT and a message after that many milliseconds. */
void stop_after(unsigned int ms);

/* What the message says did not happen ("service demo.echo did not reply") and what to do
 * (hint, or NULL); by default that the run is not done. */
void stop_message(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* From now on SIGINT, SIGTERM and SIGHUP do not end the process. They only set what
 * stop_requested() returns, so that a verb can finish what it does. */
void stop_on_signals(void);
bool stop_requested(void);

#endif
