/* SPDX-License-Identifier: MIT */
/* Tasks are all in the initial time namespace. Where the clock is stopped, theirs goes on: what
 * they say means so long from now. */
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
