/* SPDX-License-Identifier: MIT */
/*
 * The clock and the statistics: what one case costs, from the client's side.
 * Calls the transport's round and nothing else of it.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench.h"

#include <time.h>

static inline uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds between two readings of the clock in a row, at least. */
uint64_t bench_clock_cost(void);

/*
 * Sum over the files that match pattern: of each the second word of the line of that name, or the
 * sum of the numbers of that line. Files that cannot be read count as 0.
 */
uint64_t bench_read_counters(const char *pattern, const char *name);

/*
 * Nanoseconds of one call, or of one oneway message. In the deterministic
 * guest a nanosecond is an instruction.
 */
int bench_measure(struct bench_case *c, uint64_t *ret_nsec);

/*
 * The same as the mean of many calls in a row, ticks and all, without what the case's two
 * sides compute themselves; and of all CPUs in that time, for a call, the interrupts that
 * CPUs sent each other, the context switches, and how many of these were because a thread slept.
 */
struct bench_mean {
	uint64_t nsec;
	double interrupts;
	double switches;
	double sleeps;
};

int bench_measure_mean(struct bench_case *c, bool count_sleeps, struct bench_mean *ret_mean);

/*
 * For bench/profile: after warming up, marks where each of `rounds`
 * rounds begins and where the last one ends by calling addresses that the
 * tracer knows (trace.h).
 */
int bench_trace(struct bench_case *c, unsigned int rounds);

#endif /* BENCH_MEASURE_H */
