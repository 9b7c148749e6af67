/* SPDX-License-Identifier: MIT */
/* Ticks of 4 ms, as of Debian's kernels. */
#pragma once

#include "ktime.h"

#define NSEC_PER_TICK		4000000ULL
#define MAX_JIFFY_OFFSET	((unsigned long)(LONG_MAX / 2))
#define MAX_SCHEDULE_TIMEOUT	LONG_MAX

#define jiffies ((unsigned long)(ktime_get_ns() / NSEC_PER_TICK))

static inline u64 nsecs_to_jiffies64(u64 ns)
{
	return ns / NSEC_PER_TICK;
}
