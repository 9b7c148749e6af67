// SPDX-License-Identifier: MIT
/*
 * Each call is timed. CPU time and context switches come from the accounting of the processes, read
 * before and after, so that other programs on the machine do not count.
 */
#include "spread.h"

#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_CALLS 100000
/* Calls of each further client before the measurement. */
#define SETTLED	  32
/* Repetitions of the client's other work alone. Its cost is subtracted. */
#define MAX_TURNS 64

struct usage {
	double cpu;
	double switches;
};

static double cpu_of(pid_t pid)
{
	struct timespec t = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return 0;
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double switches_of(pid_t pid)
{
	char pattern[64];

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/status", (int)pid);
	return (double)bench_read_counters(pattern, "voluntary_ctxt_switches:") +
	       (double)bench_read_counters(pattern, "nonvoluntary_ctxt_switches:");
}

static double sum(const struct bench_case *c, double (*of)(pid_t pid))
{
	double all = of(getpid()) + of(c->server);

	if (c->daemon)
		all += of(c->daemon);
	for (unsigned int i = 0; i < c->beside->clients; i++)
		all += of(c->pids_beside[c->beside->hog + i]);
	return all;
}

static void work(const struct bench_beside *beside)
{
	struct timespec nap = { .tv_nsec = beside->nap };

	if (beside->nap)
		nanosleep(&nap, NULL);
	bench_spin(beside->think);
}

/* Takes at most a sixteenth of the time until end. */
static struct usage usage_of_work(const struct bench_case *c, uint64_t end)
{
	uint64_t now = bench_now(), stop = now < end ? now + (end - now) / 16 : now;
	double cpu, switches;
	unsigned int n = 0;

	if (!c->beside->nap && !c->beside->think)
		return (struct usage){ 0 };
	switches = switches_of(getpid());
	cpu = cpu_of(getpid());
	do {
		work(c->beside);
	} while (++n < MAX_TURNS && bench_now() < stop);
	cpu = cpu_of(getpid()) - cpu;
	switches = switches_of(getpid()) - switches;
	return (struct usage){ cpu / n, switches / n };
}

/* Runs until memory, connection and scheduler have settled, for at most a quarter of the time until
 * end. */
static int warm_up(struct bench_case *c, uint64_t end)
{
	uint64_t now = bench_now(), stop = now < end ? now + (end - now) / 4 : now;
	int r = 0;

	for (unsigned int i = 0; i < 64 && r == 0 && (i == 0 || bench_now() < stop); i++)
		r = c->transport->round(c);
	return r;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* For p99 and p99.9, at least one call must have taken longer. */
static uint64_t percentile(const uint32_t *times, unsigned int n, unsigned int of_1000)
{
	unsigned int longer = n * (1000 - of_1000) / 1000;

	return of_1000 > 500 && longer == 0 ? 0 : times[n - 1 - longer];
}

static int time_calls(struct bench_case *c, uint64_t end, uint32_t *times, unsigned int *ret_n)
{
	uint64_t cost = bench_clock_cost(), start, time, now;
	unsigned int n = 0;
	int r;

	do {
		work(c->beside);
		start = bench_now();
		r = c->transport->round(c);
		now = bench_now();
		if (r < 0)
			return r;
		time = now - start > cost ? now - start - cost : 0;
		times[n++] = time < UINT32_MAX ? (uint32_t)time : UINT32_MAX;
	} while (now < end && n < MAX_CALLS);
	*ret_n = n;
	return 0;
}

/* Waits until all clients have settled. */
static void reset_beside(struct bench_case *c)
{
	for (unsigned int i = 0; c->calls_beside && i < c->beside->clients; i++)
		while (__atomic_load_n(&c->calls_beside[i], __ATOMIC_RELAXED) < SETTLED)
			usleep(1000);
	for (unsigned int i = 0; c->calls_beside && i < c->beside->clients; i++)
		__atomic_store_n(&c->calls_beside[i], 0, __ATOMIC_RELAXED);
}

/* Returns the calls of all clients. own: those of this client */
static double count_all(const struct bench_case *c, double own, double *ret_most,
			double *ret_least)
{
	double all = own, calls;

	*ret_most = *ret_least = own;
	for (unsigned int i = 0; c->calls_beside && i < c->beside->clients; i++) {
		calls = (double)__atomic_load_n(&c->calls_beside[i], __ATOMIC_RELAXED);
		all += calls;
		*ret_most = calls > *ret_most ? calls : *ret_most;
		*ret_least = calls < *ret_least ? calls : *ret_least;
	}
	return all;
}

int bench_measure_spread(struct bench_case *c, uint64_t end, struct bench_spread *ret_spread)
{
	static uint32_t times[MAX_CALLS];
	double cpu, switches, all, most, least;
	unsigned int n = 0;
	struct usage own;
	uint64_t time;
	int r;

	/* Allocates the pages before the first call. */
	for (unsigned int i = 0; i < MAX_CALLS; i++)
		times[i] = UINT32_MAX;
	r = warm_up(c, end);
	if (r < 0)
		return r;
	own = usage_of_work(c, end);
	reset_beside(c);
	/* Read the switches first, because that takes CPU time. */
	switches = sum(c, switches_of);
	cpu = sum(c, cpu_of);
	time = bench_now();
	r = time_calls(c, end, times, &n);
	if (r < 0)
		return r;
	cpu = sum(c, cpu_of) - cpu;
	switches = sum(c, switches_of) - switches;
	time = bench_now() - time;
	all = count_all(c, n, &most, &least);
	qsort(times, n, sizeof(times[0]), compare);
	*ret_spread = (struct bench_spread){
		.calls = n,
		.p50 = percentile(times, n, 500),
		.p99 = percentile(times, n, 990),
		.p999 = percentile(times, n, 999),
		.cpu = cpu / all - own.cpu,
		.switches = switches / all - own.switches,
		.fastest = most / (least > 0 ? least : 1),
		.per_second = all * 1e9 / (double)time,
	};
	return 0;
}

unsigned long bench_turns(uint64_t nsec)
{
	const unsigned long turns = 10000;
	uint64_t best = UINT64_MAX, start, time;

	for (int i = 0; i < 64; i++) {
		start = bench_now();
		bench_spin(turns);
		time = bench_now() - start;
		if (time < best)
			best = time;
	}
	return best ? turns * nsec / best : turns;
}
