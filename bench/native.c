// SPDX-License-Identifier: MIT
/*
 * The benchmark in time: runs each condition with each transport in several rounds, and prints a
 * line for each, tab-separated:
 *
 *   round  cpus  bytes  clients  work  transport  case  calls  p50  p99  p99.9  cpu  switches
 *     fastest  calls/s
 *
 * cpus is `one`, `two`, `any`, or `busy`, which is one CPU with a process that computes, or `any4`
 * if the server has four threads. With `mix` and `mix4`, half of the clients have no direct
 * channels, and the server works for 20 us before each reply, so that its turns decide. work is the
 * microseconds of other work before each call. The fastest client has `fastest` times as many calls
 * as the slowest; `calls/s` are those of all clients. bench/native starts this and prints the
 * table.
 *
 * The time of the whole run is fixed, and each line gets a part of the time that is left. If
 * set-ups are slow, measurements get shorter. If set-ups take all of the time, there are fewer
 * rounds. Transports follow each other within a condition, so a ratio compares times that were
 * measured within a few seconds.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "pair.h"
#include "spread.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_TRANSPORTS 32
#define FAIR	       "fair"
#define WORK_NSEC      20000
#define NAP_NSEC       1000000

enum placement { ONE, TWO, ANY };

/**
 * struct condition - a column of figures
 * @name: of its table, for option -c
 * @placement: the CPUs of client, server and daemon
 * @size: bytes of a request
 * @work: nanoseconds that the client computes before each call
 * @beside: other work
 * @weight: its part of the time
 */
struct condition {
	const char *name;
	enum placement placement;
	size_t size;
	unsigned long work;
	struct bench_beside beside;
	unsigned int weight;
};

static const struct condition conditions[] = {
	{ "one", ONE, 4, .weight = 2 },
	{ "two", TWO, 4, .weight = 2 },
	{ "any", ANY, 4, .weight = 2 },
	{ "busy", ONE, 4, .beside.hog = true, .weight = 2 },
	{ "sizes", ONE, 4096, .weight = 1 },
	{ "sizes", ONE, 65536, .weight = 1 },
	{ "sizes", ONE, 1048576, .weight = 1 },
	{ "sizes", TWO, 4096, .weight = 1 },
	{ "sizes", TWO, 65536, .weight = 1 },
	{ "sizes", TWO, 1048576, .weight = 1 },
	{ "work", ONE, 4, .work = WORK_NSEC, .weight = 1 },
	{ "work", ONE, 4, .beside.nap = NAP_NSEC, .weight = 2 },
	{ "work", TWO, 4, .work = WORK_NSEC, .weight = 1 },
	{ "work", TWO, 4, .beside.nap = NAP_NSEC, .weight = 2 },
	{ "clients", ANY, 4, .beside.clients = 3, .weight = 1 },
	{ "clients", ANY, 4, .beside.clients = 15, .weight = 2 },
	/* Only on request, because a figure takes seconds. */
	{ FAIR, ANY, 4, .beside.clients = 23, .weight = 1 },
	{ FAIR, ANY, 4, .beside.clients = 79, .weight = 1 },
	{ FAIR, ANY, 4, .beside.clients = 23, .beside.threads = 4, .weight = 1 },
	{ FAIR, ANY, 4, .beside.clients = 79, .beside.threads = 4, .weight = 1 },
	{ FAIR, ANY, 4, .beside = { .clients = 23, .bus = 12 }, .weight = 1 },
	{ FAIR, ANY, 4, .beside = { .clients = 23, .bus = 12, .threads = 4 }, .weight = 1 },
};

/**
 * struct plan - the whole run
 * @transports: the names of option -t, or NULL
 * @conditions: the names of option -c, or NULL
 * @seconds: duration of all rounds together
 * @rounds: number of rounds
 * @all: the CPUs that this process may use
 * @cpus: the CPU of placement ONE, and the second one of placement TWO; -1: there is no second CPU
 * @out: [condition][transport]: not measured
 * @calls_beside: the calls of further clients, shared with all processes
 * @work_turns: of bench_spin() in WORK_NSEC
 * @failed: a transport failed
 */
struct plan {
	const char *transports;
	const char *conditions;
	unsigned int seconds;
	unsigned int rounds;
	cpu_set_t all;
	int cpus[2];
	bool out[ARRAY_SIZE(conditions)][MAX_TRANSPORTS];
	unsigned long *calls_beside;
	unsigned long work_turns;
	bool failed;
};

/**
 * struct line - a measurement of a transport under a condition
 * @condition: the condition
 * @round: the number of the round, from 1
 * @part: nanoseconds for set-up and calls
 * @end: the time at which these have passed, of bench_now()
 */
struct line {
	const struct condition *condition;
	unsigned int round;
	uint64_t part;
	uint64_t end;
};

static char request[BENCH_MAX_SIZE];

static int print_line(struct bench_case *c, const void *userdata)
{
	static const char *const cpus[] = { "one", "two", "any" };
	const char *name;
	const struct line *line = userdata;
	const struct condition *condition = line->condition;
	struct bench_spread s;
	uint64_t end;
	int r;

	/* After a slow set-up, at least a quarter of the time remains. */
	end = bench_now() + line->part / 4;
	r = bench_measure_spread(c, end > line->end ? end : line->end, &s);
	if (r < 0)
		return r;
	name = condition->beside.bus	 ? condition->beside.threads ? "mix4" : "mix" :
	       condition->beside.threads ? "any4" :
	       condition->beside.hog	 ? "busy" :
					   cpus[condition->placement];
	printf("%u\t%s\t%zu\t%u\t%lu\t%s\t%s\t%u\t%llu\t%llu\t%llu\t%.0f\t%.2f\t%.2f\t%.0f\n",
	       line->round, name, c->size,
	       1 + condition->beside.clients, (condition->work + condition->beside.nap) / 1000,
	       c->transport->name, c->transport->call, s.calls, (unsigned long long)s.p50,
	       (unsigned long long)s.p99, (unsigned long long)s.p999, s.cpu, s.switches,
	       s.fastest, s.per_second);
	return fflush(stdout) == 0 ? 0 : -errno;
}

/* --- CPUs -------------------------------------------------------------------------------- */

static long topology(int cpu, const char *name)
{
	char path[128];
	long n = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

static bool same_core(int a, int b)
{
	return topology(a, "core_id") == topology(b, "core_id") &&
	       topology(a, "physical_package_id") == topology(b, "physical_package_id");
}

/* Chooses the first CPU, and the first CPU of another core, if there is one. */
static void choose_cpus(struct plan *p)
{
	int *cpus = p->cpus;

	cpus[0] = cpus[1] = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &p->all))
			continue;
		if (cpus[0] < 0)
			cpus[0] = cpu;
		else if (cpus[1] < 0 || (same_core(cpus[0], cpus[1]) && !same_core(cpus[0], cpu)))
			cpus[1] = cpu;
	}
	if (cpus[1] < 0)
		fputs("bench: only one CPU is available: nothing is measured on two\n", stderr);
	else
		fprintf(stderr, "bench: one CPU is CPU %d, two are CPUs %d and %d%s\n", cpus[0],
			cpus[0], cpus[1], same_core(cpus[0], cpus[1]) ? ", of the same core" : "");
}

/* Sets the CPUs of this process, which its child processes inherit. */
static int place(const struct plan *p, const struct condition *condition, struct bench_case *c)
{
	cpu_set_t cpus;

	c->client_cpu = c->server_cpu = -1;
	CPU_ZERO(&cpus);
	CPU_SET(p->cpus[0], &cpus);
	if (condition->placement == ANY) {
		cpus = p->all;
	} else if (condition->placement == TWO) {
		CPU_SET(p->cpus[1], &cpus);
		c->client_cpu = p->cpus[0];
		c->server_cpu = p->cpus[1];
	}
	return sched_setaffinity(0, sizeof(cpus), &cpus) < 0 ? -errno : 0;
}

/* --- Selection -------------------------------------------------------------- */

static bool possible(const struct plan *p, const struct condition *condition,
		     const struct bench_transport *t)
{
	if (!bench_listed(p->conditions, condition->name) ||
	    (!p->conditions && !strcmp(condition->name, FAIR)) ||
	    (condition->beside.threads && !t->threads))
		return false;
	if (condition->beside.bus && t != &bench_channels)
		return false;
	if (condition->placement == TWO && p->cpus[1] < 0)
		return false;
	if (t->spins && (condition->placement == ONE || p->cpus[1] < 0))
		return false;
	return !condition->beside.clients || t->many;
}

static void leave_out(struct plan *p)
{
	for (size_t t = 0; bench_transports[t]; t++) {
		const struct bench_transport *transport = bench_transports[t];
		bool chosen = bench_listed(p->transports, transport->name);
		bool exists = !chosen || !transport->exists || transport->exists();

		if (!exists)
			fprintf(stderr, "bench: %s (%s) is not here and is left out\n",
				transport->name, transport->call);
		for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
			p->out[i][t] =
				!chosen || !exists || !possible(p, &conditions[i], transport);
	}
	for (const char *const *name = bench_not_built; *name; name++)
		fprintf(stderr, "bench: built without %s, which is left out\n", *name);
}

/* Returns the weight of the remaining lines of a round, from this condition and transport on. */
static unsigned int weight_from(const struct plan *p, size_t condition, size_t transport)
{
	unsigned int weight = 0;

	for (size_t i = condition; i < ARRAY_SIZE(conditions); i++)
		for (size_t t = i == condition ? transport : 0; bench_transports[t]; t++)
			weight += p->out[i][t] ? 0 : conditions[i].weight;
	return weight;
}

/* --- Measuring ----------------------------------------------------------------------------- */

static void fail(struct plan *p, size_t condition, size_t transport, int code)
{
	const struct bench_transport *t = bench_transports[transport];
	const struct condition *at = &conditions[condition];
	char what[128];

	p->out[condition][transport] = true;
	if (code == -EMSGSIZE) {
		fprintf(stderr, "bench: %s (%s): %zu bytes are more than an ordinary user may send\n",
			t->name, t->call, at->size);
		return;
	}
	p->failed = true;
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		p->out[i][transport] = true;
	snprintf(what, sizeof(what), "%s (%s), condition %s, %zu bytes; it is left out from here on",
		 t->name, t->call, at->name, at->size);
	bench_fail(what, code);
}

static void run_line(struct plan *p, size_t condition, size_t transport, const struct line *line)
{
	struct bench_beside beside = conditions[condition].beside;
	struct bench_case c = {
		.transport = bench_transports[transport],
		.size = conditions[condition].size,
		.beside = &beside,
		.request = request,
		.calls_beside = p->calls_beside,
	};
	int r;

	if (conditions[condition].work)
		beside.think = p->work_turns;
	if (beside.bus)
		c.work = p->work_turns;
	memset(p->calls_beside, 0, BENCH_MAX_BESIDE * sizeof(*p->calls_beside));
	r = place(p, line->condition, &c);
	if (r == 0)
		r = bench_pair_run(&c, print_line, line);
	if (r < 0)
		fail(p, condition, transport, r);
}

/* Measures all transports under a condition. */
static void run_condition(struct plan *p, unsigned int round, size_t condition, uint64_t end)
{
	struct line line = { .round = round, .condition = &conditions[condition] };
	uint64_t now, left;

	for (size_t t = 0; bench_transports[t]; t++) {
		if (p->out[condition][t])
			continue;
		now = bench_now();
		left = weight_from(p, condition, t) +
		       (uint64_t)(p->rounds - round) * weight_from(p, 0, 0);
		line.part = now < end ? (end - now) * line.condition->weight / left : 0;
		line.end = now + line.part;
		run_line(p, condition, t, &line);
	}
}

static void run_rounds(struct plan *p)
{
	uint64_t start = bench_now(), end = start + (uint64_t)p->seconds * 1000000000, now = start;
	bool terminal = isatty(STDERR_FILENO);

	for (unsigned int round = 1; round <= p->rounds; round++) {
		/* Set-ups may take longer than their parts of the time, so rounds may too. */
		if (round > 1 && now + (now - start) / (round - 1) > end + (end - start) / 10) {
			fprintf(stderr, "bench: this machine has no time for round %u\n", round);
			break;
		}
		for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
			run_condition(p, round, i, end);
			now = bench_now();
			if (terminal)
				fprintf(stderr, "\rbench: round %u of %u, %3.0f seconds left", round,
					p->rounds, now < end ? (double)(end - now) / 1e9 : 0);
		}
		if (!terminal)
			fprintf(stderr, "bench: round %u of %u is done\n", round, p->rounds);
	}
	if (terminal)
		fputc('\n', stderr);
}

static bool is_first_of_name(size_t transport)
{
	for (size_t t = 0; t < transport; t++)
		if (!strcmp(bench_transports[t]->name, bench_transports[transport]->name))
			return false;
	return true;
}

static int usage(FILE *to)
{
	fputs("usage: bench-native [-h] [-t TRANSPORT,...] [-c CONDITION,...] [-r ROUNDS]\n"
	      "                    [-s SECONDS]\n"
	      "  -t  only these transports:",
	      to);
	for (size_t t = 0; bench_transports[t]; t++)
		if (is_first_of_name(t))
			fprintf(to, " %s", bench_transports[t]->name);
	fputs("\n"
	      "  -c  only these: one, two, any, busy, sizes, work, clients; or fair\n"
	      "  -r  so many rounds (5)\n"
	      "  -s  so many seconds for all of them (105)\n",
	      to);
	return 2;
}

static int parse_number(const char *text, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > 1000)
		return -EINVAL;
	*ret = (unsigned int)n;
	return 0;
}

static int parse(int argc, char **argv, struct plan *p)
{
	int c, r = 0;

	while (r == 0 && (c = getopt(argc, argv, "hc:r:s:t:")) >= 0) {
		switch (c) {
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		case 'c':
			p->conditions = optarg;
			break;
		case 'r':
			r = parse_number(optarg, &p->rounds);
			break;
		case 's':
			r = parse_number(optarg, &p->seconds);
			break;
		case 't':
			p->transports = optarg;
			break;
		default:
			return -EINVAL;
		}
	}
	return optind == argc ? r : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct plan p = { .rounds = 5, .seconds = 105 };

	if (parse(argc, argv, &p) < 0)
		return usage(stderr);
	if (sched_getaffinity(0, sizeof(p.all), &p.all) < 0)
		return bench_fail("find the CPUs", -errno) != 0;
	p.calls_beside = mmap(NULL, BENCH_MAX_BESIDE * sizeof(*p.calls_beside),
			      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p.calls_beside == MAP_FAILED)
		return bench_fail("map a counter", -errno) != 0;
	memset(request, 'x', sizeof(request));
	choose_cpus(&p);
	leave_out(&p);
	if (weight_from(&p, 0, 0) == 0) {
		fputs("bench: no transport that is here has such a condition\n", stderr);
		return usage(stderr);
	}
	p.work_turns = bench_turns(WORK_NSEC);
	run_rounds(&p);
	return p.failed;
}
