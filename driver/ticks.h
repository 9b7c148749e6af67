/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deadlines in ticks, for those who sleep until one or have a timer do it. Used by
 * expiry.c, space.c and freeze.c.
 */
#ifndef IPCBUS_TICKS_H
#define IPCBUS_TICKS_H

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched.h>

/* Until deadline, in nanoseconds of CLOCK_MONOTONIC, and one more, for nobody may
 * give up too early; 0 when it has passed. At most MAX_JIFFY_OFFSET. */
static inline unsigned long ipcbus_ticks_until(u64 deadline)
{
	u64 now = ktime_get_ns();

	if (now >= deadline)
		return 0;
	return min_t(u64, nsecs_to_jiffies64(deadline - now) + 1, MAX_JIFFY_OFFSET);
}

#endif
