/* SPDX-License-Identifier: MIT */
/*
 * Measurements in a guest in which a nanosecond is an instruction: the duration of an operation,
 * the longest nonpreemptible section during it, and the run time of kernel threads.
 */
#ifndef TESTS_COST_CLOCK_H
#define TESTS_COST_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

uint64_t now(void);
/* Returns the run time of the calling thread. */
uint64_t own_time(void);

/* Starts a realtime process that wakes up often. Call it once, before the other functions. */
pid_t start_watcher(void);
void begin_watching(void);
/* Returns its longest delay since begin_watching(). */
uint64_t end_watching(void);
/* From now on, where() reports the stacks of this process's threads at the end of long sections. */
void watch_process(pid_t pid);
/*
 * Returns the stack at the end of the longest section since begin_watching(), innermost function
 * first, or "" if the section was short. Valid until the next begin_watching().
 */
const char *where(void);

/* Returns the total run time of all kernel threads. */
uint64_t kernel_time(void);

#endif
