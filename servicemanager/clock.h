/* SPDX-License-Identifier: MIT */
/*
 * The clock of all times in servicemanager: microseconds, monotonic.
 */
#ifndef SERVICEMANAGER_CLOCK_H
#define SERVICEMANAGER_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * Timeouts are in milliseconds, as for poll(); -1 means no limit.
 */

/* The shorter one of two timeouts. */
static inline int timeout_min(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* The timeout until that time, rounded up; 0 if it has passed. */
static inline int timeout_until(uint64_t time)
{
	uint64_t now = now_usec();

	return time > now ? (int)((time - now) / 1000) + 1 : 0;
}

#endif /* SERVICEMANAGER_CLOCK_H */
