// SPDX-License-Identifier: MIT
/*
 * The cost of each operation while other users have n of an object, for each kind of object and
 * growing n. In the guest a nanosecond is an instruction, so time is cost. There are two rules:
 *
 *   cost     If n grows tenfold, an operation may cost a quarter more plus 1,500 instructions.
 *            Operations that end or list all objects of a user are exempt: they yield.
 *   section  During every operation, a realtime thread that wakes up often is delayed by at most
 *            100 us. Closing files and ending threads has longer sections in the kernel itself,
 *            such as batches of RCU callbacks. There the limit is twice the delay by a process
 *            without ipcbus that has as many files and threads.
 *
 * The cost of an operation is the run time of its own thread. The work of kernel threads for an
 * operation, and in an idle second, is shown as well, but not charged to any user.
 *
 *   cost [--most N] [--sample] [THING]...
 *                              prints a line per operation, thing and n, and the result;
 *                              with --sample only for a few things
 */
#define _GNU_SOURCE
#include "clock.h"
#include "ops.h"
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTION_LIMIT	100000 /* ns */
#define SLACK		1500
#define SIZES		4

static const unsigned int sizes[SIZES] = { 100, 1000, 10000, 100000 };

/* Shared with the measuring child. */
static struct shared {
	struct figure {
		uint64_t cost;
		uint64_t section;
		char where[400];
	} figure[MAX_OPS][SIZES];
} *shared;

static uint64_t clock_cost(void)
{
	uint64_t best = UINT64_MAX, start, cost;

	for (int i = 0; i < 32; i++) {
		start = own_time();
		cost = own_time() - start;
		best = cost < best ? cost : best;
	}
	return best;
}

static void measure_kernel(const struct op *op, struct world *w, struct figure *ret)
{
	uint64_t start;

	if (op->before)
		op->before(w);
	start = kernel_time();
	op->run(w);
	*ret = (struct figure){ .cost = kernel_time() - start };
	if (op->after)
		op->after(w);
}

static void measure_own(const struct op *op, struct world *w, struct figure *ret)
{
	unsigned int rounds = op->how & ONCE ? 1 : 5;
	uint64_t start, cost;

	*ret = (struct figure){ .cost = UINT64_MAX };
	for (unsigned int i = 0; i < rounds; i++) {
		bool watched = i == rounds - 1;

		if (op->before)
			op->before(w);
		if (watched)
			begin_watching();
		start = own_time();
		op->run(w);
		cost = own_time() - start - clock_cost();
		if (watched) {
			ret->section = end_watching();
			snprintf(ret->where, sizeof(ret->where), "%s", where());
		}
		if ((!watched || rounds == 1) && cost < ret->cost)
			ret->cost = cost;
		if (op->after)
			op->after(w);
	}
}

static void measure(const struct op *op, struct world *w, struct figure *ret)
{
	if (op->how & KERNEL)
		measure_kernel(op, w, ret);
	else
		measure_own(op, w, ret);
}

/* Runs in a separate process. Its end is the last operation. */
static void measure_all(const struct thing *thing, unsigned int size)
{
	unsigned int count = sizes[size] < thing->most ? sizes[size] : thing->most;
	static struct world w;

	watch_process(getpid());
	if (thing != &control)
		world_make(&w);
	thing->make(&w, count);
	for (size_t i = 0; i + 1 < op_count; i++)
		if (thing != &control || ops[i].how & CLOSE)
			measure(&ops[i], &w, &shared->figure[i][size]);
	fflush(stdout);
	begin_watching();
	shared->figure[op_count - 1][size].cost = now();
	_exit(0);
}

static void run_child(const struct thing *thing, unsigned int size)
{
	struct figure *end = &shared->figure[op_count - 1][size];
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		measure_all(thing, size);
	if (waitpid(pid, &status, 0) < 0 || status)
		fail(thing->name, 0);
	end->cost = now() - end->cost;
	end->section = end_watching();
	snprintf(end->where, sizeof(end->where), "%s", where());
}

/* --- Judging ------------------------------------------------------------------------ */

static unsigned int judged, above;
/*
 * The longest section of the kernel itself when a process ends as many files and threads. It occurs
 * in a batch, at any of the sizes.
 */
static uint64_t kernels;

static bool is_long(const struct op *op, const struct figure *figure)
{
	uint64_t own = op->how & CLOSE ? 2 * kernels : 0;

	/* The kernel prunes the dentries of closed files. */
	if (strstr(figure->where, " prune_dcache_sb"))
		return false;
	return figure->section > (own > SECTION_LIMIT ? own : SECTION_LIMIT);
}

static void judge(const struct thing *thing, const struct op *op, const struct figure *figure,
		  unsigned int count)
{
	bool bad = false;

	judged++;
	for (unsigned int i = 0; i < count; i++) {
		bool steep = !op->yields && i &&
			     figure[i].cost > figure[i - 1].cost * 5 / 4 + SLACK;
		bool long_one = is_long(op, &figure[i]);

		bad |= steep || long_one;
		printf("%s\t%s\t%u\t%llu\t%llu\t%s\n", thing->name, op->name,
		       sizes[i] < thing->most ? sizes[i] : thing->most,
		       (unsigned long long)figure[i].cost,
		       (unsigned long long)figure[i].section,
		       steep ? "STEEP" : long_one ? "LONG" : op->yields ? "yields" : "");
		if (long_one)
			printf("# the longest section ended in:%s\n", figure[i].where);
	}
	above += bad;
}

/* Returns the number of measured sizes. */
static unsigned int run_children(const struct thing *thing, unsigned int most)
{
	unsigned int count = 0;

	memset(shared->figure, 0, sizeof(shared->figure));
	while (count < SIZES && sizes[count] <= most &&
	       (!count || sizes[count - 1] < thing->most)) {
		run_child(thing, count);
		count++;
	}
	return count;
}

static void run_control(unsigned int most)
{
	unsigned int count = run_children(&control, most);

	for (unsigned int size = 0; size < count; size++) {
		uint64_t longest = 0;

		for (size_t i = 0; i < op_count; i++)
			if (shared->figure[i][size].section > longest)
				longest = shared->figure[i][size].section;
		if (longest > kernels)
			kernels = longest;
		printf("%s\tlongest section\t%u\t\t%llu\t\n", control.name, sizes[size],
		       (unsigned long long)longest);
	}
}

/* Some sections are too long, and all of them end in a batch of the kernel. */
static bool only_ends_are_long(unsigned int count)
{
	bool any = false;

	for (size_t i = 0; i < op_count; i++)
		for (unsigned int size = 0; size < count; size++) {
			if (!is_long(&ops[i], &shared->figure[i][size]))
				continue;
			if (!(ops[i].how & CLOSE))
				return false;
			any = true;
		}
	return any;
}

/* The kernel's batch is sometimes longer. A fault of the driver occurs again. */
static void run_thing(const struct thing *thing, unsigned int most)
{
	unsigned int count = run_children(thing, most);

	if (only_ends_are_long(count))
		count = run_children(thing, most);
	for (size_t i = 0; i < op_count; i++)
		judge(thing, &ops[i], shared->figure[i], count);
	fflush(stdout);
}

/* Soon after boot the kernel has no timers except its ticks. */
static void wait_for_timers(void)
{
	uint64_t start;

	do {
		start = now();
		usleep(100);
	} while (now() - start > 1000000);
	usleep(500000);
}

static void prepare(void)
{
	struct rlimit files = { 20000, 20000 };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap", errno);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		fail("RLIMIT_NOFILE", errno);
}

static bool is_wanted(const struct thing *thing, char **names, bool sample)
{
	bool wanted = !names[0];

	for (; names[0] && !wanted; names++)
		wanted = strstr(thing->name, names[0]);
	return wanted && (!sample || thing->in_sample);
}

int main(int argc, char **argv)
{
	unsigned int most = 1000;
	bool sample = false;
	pid_t watcher;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--most") && i + 1 < argc)
			most = strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--sample"))
			sample = true;
		else
			fail(argv[i], EINVAL);
	}
	argv += i;
	prepare();
	wait_for_timers();
	watcher = start_watcher();
	run_control(most);
	for (unsigned int n = 0; n < thing_count; n++)
		if (is_wanted(&things[n], argv, sample))
			run_thing(&things[n], most);
	kill(watcher, SIGKILL);
	printf("cost: %u operations, %u above the rule\n", judged, above);
	return above ? 1 : 0;
}
