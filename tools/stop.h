/* SPDX-License-Identifier: MIT */
/*
 * What ends a run: the deadline of --timeout, SIGINT and SIGTERM. And the clock that
 * deadlines are measured by.
 */
#ifndef IPCCTL_STOP_H
#define IPCCTL_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* Ends the process with STATUS_TIMEOUT after that many milliseconds. */
void stop_after(unsigned int ms);

/* From now on SIGINT and SIGTERM do not end the process. They only set what
 * stop_requested() returns, so that a verb can finish what it does. */
void stop_on_signals(void);
bool stop_requested(void);

/* Nanoseconds of CLOCK_MONOTONIC, the clock of the driver's records. */
uint64_t clock_ns(void);

#endif
