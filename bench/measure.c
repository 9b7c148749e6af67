// SPDX-License-Identifier: MIT
/*
 * A figure is measured in three steps. Rounds are timed in groups, so that reading the clock costs
 * little, and the cost of reading it is subtracted. The median of many groups excludes groups with
 * a timer tick or a turn of a background thread. This is repeated several times, and the smallest
 * median is the figure.
 */
#include "measure.h"

#include "trace.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GROUPS	31
#define REPEATS	3

uint64_t bench_clock_cost(void)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 32; i++) {
		uint64_t start = bench_now();
		uint64_t cost = bench_now() - start;

		if (cost < best)
			best = cost;
	}
	return best;
}

/* Groups of long rounds are short, because otherwise each group would contain a tick. */
static unsigned int rounds_of(const struct bench_case *c)
{
	if (c->batch > 1 || c->size > 4096)
		return c->size > 65536 ? 1 : 4;
	return 16;
}

static int run(struct bench_case *c, unsigned int rounds)
{
	int r = 0;

	for (unsigned int i = 0; i < rounds && r == 0; i++)
		r = c->transport->round(c);
	return r;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int median_of_groups(struct bench_case *c, unsigned int rounds, uint64_t *ret_nsec)
{
	uint64_t times[GROUPS];
	int r;

	for (unsigned int i = 0; i < GROUPS; i++) {
		uint64_t start = bench_now();

		r = run(c, rounds);
		if (r < 0)
			return r;
		times[i] = bench_now() - start;
	}
	qsort(times, GROUPS, sizeof(times[0]), compare);
	*ret_nsec = times[GROUPS / 2];
	return 0;
}

int bench_measure(struct bench_case *c, uint64_t *ret_nsec)
{
	unsigned int rounds = rounds_of(c);
	/* Oneways go in both directions, and each has its own figure. */
	unsigned int messages = rounds * (c->batch ? 2 * c->batch : 1);
	uint64_t best = UINT64_MAX, nsec;
	int r;

	r = run(c, 4 * rounds + 4);
	if (r < 0)
		return r;
	for (int i = 0; i < REPEATS; i++) {
		r = median_of_groups(c, rounds, &nsec);
		if (r < 0)
			return r;
		if (nsec < best)
			best = nsec;
	}
	*ret_nsec = (best - bench_clock_cost() + messages / 2) / messages;
	return 0;
}

/* --- The mean of calls in a row -------------------------------------------------- */

/* Enough calls to include timer ticks and, with a hog, time slices. */
static unsigned int count_calls(const struct bench_case *c)
{
	return c->beside->calls ? c->beside->calls : 2000;
}

/* Returns the second word of the line with that name, or the sum of all numbers in the line. */
static uint64_t read_counter(const char *path, const char *name)
{
	char line[4096], *word, *end;
	uint64_t sum = 0, n;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		word = strtok(line, " \t\n");
		if (!word || strcmp(word, name) != 0)
			continue;
		while ((word = strtok(NULL, " \t\n"))) {
			n = strtoull(word, &end, 10);
			if (*end)
				break;
			sum += n;
		}
	}
	fclose(file);
	return sum;
}

static uint64_t interrupts(void)
{
	return read_counter("/proc/interrupts", "RES:") + read_counter("/proc/interrupts", "CAL:");
}

uint64_t bench_read_counters(const char *pattern, const char *name)
{
	uint64_t sum = 0;
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++)
		sum += read_counter(found.gl_pathv[i], name);
	globfree(&found);
	return sum;
}

/* Counts how often tasks slept. Each process has a single thread. */
static uint64_t sleeps(void)
{
	return bench_read_counters("/proc/[0-9]*/status", "voluntary_ctxt_switches:");
}

static int call_again_and_again(struct bench_case *c, bool call, uint64_t *ret_nsec)
{
	const struct bench_beside *beside = c->beside;
	struct timespec nap = { .tv_nsec = beside->nap };
	uint64_t start = bench_now();
	int r = 0;

	for (unsigned int i = 0; i < count_calls(c) && r == 0; i++) {
		if (beside->nap)
			nanosleep(&nap, NULL);
		bench_spin(beside->think);
		if (call)
			r = c->transport->round(c);
		else
			bench_spin(beside->work);
	}
	*ret_nsec = bench_now() - start;
	return r;
}

int bench_measure_mean(struct bench_case *c, bool count_sleeps, struct bench_mean *ret_mean)
{
	unsigned int calls = count_calls(c);
	uint64_t sent, switched, slept, own = 0, nsec;
	int r;

	r = run(c, 64);
	/* Without a hog or further clients, measures the own work of client and server, to subtract
	 * it. */
	if (r == 0 && !c->beside->hog && !c->beside->clients)
		r = call_again_and_again(c, false, &own);
	if (r < 0)
		return r;
	/* Counting changes how the scheduler begins, and therefore the figure. */
	slept = count_sleeps ? sleeps() : 0;
	sent = interrupts();
	switched = read_counter("/proc/stat", "ctxt");
	r = call_again_and_again(c, true, &nsec);
	if (r < 0)
		return r;
	ret_mean->nsec = nsec > own ? (nsec - own + calls / 2) / calls : 0;
	ret_mean->switches = (double)(read_counter("/proc/stat", "ctxt") - switched) / calls;
	ret_mean->interrupts = (double)(interrupts() - sent) / calls;
	ret_mean->sleeps = count_sleeps ? (double)(sleeps() - slept) / calls : 0;
	return 0;
}

/* Fills the page with return instructions: a call into it only makes its address visible. */
static int map_marks(void)
{
	void *page;

	page = mmap((void *)TRACE_PAGE, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	memset(page, 0xc3, 4096);
	return mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 ? -errno : 0;
}

static void mark(unsigned long place)
{
	((void (*)(void))place)();
}

int bench_trace(struct bench_case *c, unsigned int rounds)
{
	int r;

	r = map_marks();
	/* As many rounds as bench_measure() has before its middle, so that the scheduler has
	 * settled. */
	if (r == 0)
		r = run(c, rounds_of(c) * GROUPS);
	if (r < 0)
		return r;
	mark(TRACE_ARM);
	r = run(c, 16);
	for (unsigned int i = 0; i < rounds && r == 0; i++) {
		mark(TRACE_ROUND);
		r = c->transport->round(c);
	}
	mark(TRACE_STOP);
	return r;
}
