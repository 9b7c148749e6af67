/* SPDX-License-Identifier: MIT */
/*
 * How long things take in a guest in which a nanosecond is an instruction: an operation, the
 * longest section during it, and the kernel's own threads.
 */
#ifndef TESTS_COST_CLOCK_H
#define TESTS_COST_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

uint64_t now(void);
/* For how long the calling thread has run. */
uint64_t own_time(void);

/* A realtime process that wakes up often. Once, before the others. */
pid_t start_watcher(void);
void begin_watching(void);
/* For how long it was kept from running at most, since the beginning. */
uint64_t end_watching(void);
/* From here on where() shows what threads of this process did at the end of long sections. */
void watch_process(pid_t pid);
/* Where the longest section since begin_watching() ended, as functions, the innermost first;
 * "" if it was not long enough to look. Valid until the next begin_watching(). */
const char *where(void);

/* For how long all of the kernel's own threads have run. */
uint64_t kernel_time(void);

#endif
