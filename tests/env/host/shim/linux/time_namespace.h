/* SPDX-License-Identifier: MIT */
/* Tasks of the host build are all in the initial time namespace. */
#pragma once

#include "ktime.h"

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
	(void)ts;
}
