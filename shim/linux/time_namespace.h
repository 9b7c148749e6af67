/* SPDX-License-Identifier: MIT */
/* All tasks are in the initial time namespace. If the clock is stopped, the clock of user space
 * still runs, so absolute times of user space are converted, as between namespaces. */
#pragma once

#include "ktime.h"

u64 shim_clock_ahead(void);

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

static inline s64 timespec64_to_ns(const struct timespec64 *ts)
{
	return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static inline void timens_add_monotonic(struct timespec64 *ts)
{
	ts->tv_nsec += (long)shim_clock_ahead();
}
