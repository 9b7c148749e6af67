/* SPDX-License-Identifier: MIT */
/*
 * Time on the running machine: how long calls took, as percentiles, and what they cost all
 * processes of the case. Called by the client.
 */
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

#include "bench.h"

/**
 * struct bench_spread - many calls of one client
 * @calls: of this client
 * @p50: the nanoseconds that at most half of the calls took longer than
 * @p99: likewise, a hundredth; 0: too few calls
 * @p999: likewise, a thousandth; 0: too few calls
 * @cpu: nanoseconds of CPU of client, server and daemon, for a call
 * @switches: context switches of these, for a call
 */
struct bench_spread {
	unsigned int calls;
	uint64_t p50;
	uint64_t p99;
	uint64_t p999;
	double cpu;
	double switches;
};

/*
 * Calls until bench_now() is end, at least once. What c->beside has the client do before each call
 * is in no figure. Returns 0, or -errno of a call.
 */
int bench_measure_spread(struct bench_case *c, uint64_t end, struct bench_spread *ret_spread);

/* How many turns of bench_spin() take so many nanoseconds on an idle CPU. */
unsigned long bench_turns(uint64_t nsec);

#endif /* BENCH_SPREAD_H */
