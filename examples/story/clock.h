/* SPDX-License-Identifier: MIT */
/*
 * The clock of client and server.
 */
#ifndef STORY_CLOCK_H
#define STORY_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif /* STORY_CLOCK_H */
