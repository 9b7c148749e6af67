/* SPDX-License-Identifier: MIT */
/*
 * What those that attack ipcbusd do by chance: the same for the same state at the start. Each file
 * that includes this has a state of its own.
 */
#ifndef TESTS_DAEMON_CHANCE_H
#define TESTS_DAEMON_CHANCE_H

#include <stdint.h>

static uint64_t state;

static inline uint32_t any(void)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(state >> 33);
}

static inline uint32_t below(uint32_t n)
{
	return any() % n;
}

#endif
