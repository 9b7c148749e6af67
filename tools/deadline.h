/* SPDX-License-Identifier: MIT */
/*
 * The end of a run: the deadline of --timeout, --count, SIGINT, SIGTERM and SIGHUP. Also the clock.
 */
#ifndef IPCCTL_DEADLINE_H
#define IPCCTL_DEADLINE_H

#include <ipc/ipc.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC, the clock of the driver's records. */
static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Timeout of a call to a service or the service manager: --timeout, by default 5 seconds. */
uint64_t deadline_question_usec(void);

/* After ms milliseconds, prints a message and ends the process with STATUS_TIMEOUT. */
void deadline_set(unsigned int ms);

/* Limits the opening of the bus, or of a file of the bus, to deadline_question_usec(), unless there
 * is a deadline or the verb has no timeout. Returns whether it does, for deadline_end(). */
bool deadline_begin(void);
void deadline_end(bool begun);

/* For a bus that does not end a call. */
#define DEADLINE_DELAY_USEC UINT64_C(1000000)

/* Delays the deadline by a second, and returns the microseconds until it was due, at least 1, or
 * UINT64_MAX if there is none: the timeout of a call. The bus then ends the call, and reports the
 * failure. */
uint64_t deadline_delay(void);

/* Ends the delay. */
void deadline_resume(void);

/* Sets the message of the deadline, such as "service demo.echo did not reply", and a hint, or NULL.
 * The default message names --timeout. Has no effect without a timeout. */
void deadline_message(const char *hint, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Prints on a terminal that the verb has printed as many lines as --count permits. */
void count_ended(void);

/* From now on SIGINT and SIGTERM end ipc_run() instead of the process. With NULL they end the
 * process again: must be called before the last reference of ipc is dropped. */
void signals_stop(struct ipc *ipc);

/* From now on SIGINT, SIGTERM and SIGHUP do not end the process. They only set the result of
 * signal_arrived(), so that a verb can finish its work. */
void signals_catch(void);
bool signal_arrived(void);

#endif
