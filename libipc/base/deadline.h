/* SPDX-License-Identifier: MIT */
/*
 * Times as users give them, microseconds from now, and as the driver wants
 * them: nanoseconds of the monotonic clock, 0 for never.
 */
#ifndef IPC_DEADLINE_H
#define IPC_DEADLINE_H

#include <stdint.h>
#include <time.h>

static inline uint64_t time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What is later than the clock can say is never. */
static inline uint64_t deadline_after(uint64_t usec)
{
	uint64_t now = time_now();

	return usec > (INT64_MAX - now) / 1000 ? 0 : now + usec * 1000;
}

static inline uint64_t deadline_earlier(uint64_t a, uint64_t b)
{
	return b && (!a || b < a) ? b : a;
}

static inline uint64_t time_until(uint64_t deadline)
{
	uint64_t now = time_now();

	return deadline > now ? (deadline - now) / 1000 : 0;
}

#endif /* IPC_DEADLINE_H */
