/* SPDX-License-Identifier: MIT */
/*
 * Time on the running machine: durations of calls, as percentiles, and their cost for all processes
 * of the case. Called by the client.
 */
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

#include "bench.h"

/**
 * struct bench_spread - many calls of a client
 * @calls: of this client
 * @p50: in nanoseconds; at most half of the calls took longer
 * @p99: likewise, a hundredth; 0: too few calls
 * @p999: likewise, a thousandth; 0: too few calls
 * @cpu: nanoseconds of CPU time of client, server and daemon, per call
 * @switches: context switches of these processes, per call
 * @fastest: calls of the fastest client, divided by those of the slowest
 * @per_second: calls of all clients
 */
struct bench_spread {
	unsigned int calls;
	uint64_t p50;
	uint64_t p99;
	uint64_t p999;
	double cpu;
	double switches;
	double fastest;
	double per_second;
};

/*
 * Calls until bench_now() is end, at least once. The client's other work in c->beside is not part
 * of the figures. Returns 0, or -errno of a call.
 */
int bench_measure_spread(struct bench_case *c, uint64_t end, struct bench_spread *ret_spread);

/* Returns how many turns of bench_spin() take nsec on an idle CPU. */
unsigned long bench_turns(uint64_t nsec);

#endif /* BENCH_SPREAD_H */
