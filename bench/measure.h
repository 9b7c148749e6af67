/* SPDX-License-Identifier: MIT */
/*
 * The clock and the statistics: measures a case from the client's side. Calls only the transport's
 * round.
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

/* The minimum number of nanoseconds between two successive readings of the clock. */
uint64_t bench_clock_cost(void);

/*
 * Returns the sum over all files that match pattern. In each file, the line with that name counts:
 * its second word, or the sum of its numbers. Files that cannot be read count as 0.
 */
uint64_t bench_read_counters(const char *pattern, const char *name);

/*
 * Measures the nanoseconds of a call or of a oneway. In the deterministic guest a nanosecond is an
 * instruction. Returns 0, or -errno of the round.
 */
int bench_measure(struct bench_case *c, uint64_t *ret_nsec);

/*
 * The mean of many calls in a row, including ticks. Without a hog and further clients, the own work
 * of client and server is subtracted. Also, for all CPUs and per call: the interrupts between CPUs,
 * the context switches, and the context switches because a thread slept. The last is 0 unless
 * count_sleeps is true, because counting sleeps changes the other figures.
 */
struct bench_mean {
	uint64_t nsec;
	double interrupts;
	double switches;
	double sleeps;
};

int bench_measure_mean(struct bench_case *c, bool count_sleeps, struct bench_mean *ret_mean);

/*
 * For bench/profile: after warming up, marks the beginning of each of `rounds` rounds and the end
 * of the last round, by calling addresses that the tracer knows (trace.h).
 */
int bench_trace(struct bench_case *c, unsigned int rounds);

#endif /* BENCH_MEASURE_H */
