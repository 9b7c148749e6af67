/* SPDX-License-Identifier: MIT */
/* Ticks of 4 ms, as in Debian's kernels. */
#pragma once

#include "ktime.h"

#define HZ			250
#define NSEC_PER_TICK		4000000ULL
#define MAX_JIFFY_OFFSET	((unsigned long)(LONG_MAX / 2))

#define jiffies ((unsigned long)(ktime_get_ns() / NSEC_PER_TICK))

#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)

static inline unsigned int jiffies_to_msecs(unsigned long ticks)
{
	return ticks * 4;
}

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return (ms + 3) / 4;
}

static inline u64 nsecs_to_jiffies64(u64 ns)
{
	return ns / NSEC_PER_TICK;
}
