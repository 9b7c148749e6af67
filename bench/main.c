// SPDX-License-Identifier: MIT
/*
 * The benchmark's program for the guest. Runs each case in two new processes and prints a line per
 * figure, tab-separated:
 *
 *   kernel  case  transport  bytes  instructions
 *
 * With option -e, interrupts, context switches and sleeps per call follow. With option -k, it only
 * prints the names of these figures:
 *
 *   plan  case  transport  bytes
 *
 * bench/run starts it in the deterministic guest, where a nanosecond is an instruction, and prints
 * the table. Elsewhere the last column is time.
 */
#include "bench.h"
#include "measure.h"
#include "pair.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const size_t sizes[] = { 4, 4096, 65536, 262144, 1048576 };
static const unsigned int batches[] = { 1, BENCH_MAX_BATCH };

/* About 100 microseconds in the deterministic guest, which is 10 calls or more. */
#define SPIN 30000

static const struct bench_beside besides[] = {
	{ .name = "mean" },
	{ .name = "think", .think = SPIN },
	{ .name = "work", .work = SPIN },
	{ .name = "nap", .nap = 1000000 },
	{ .name = "hog", .calls = 20000, .hog = true },
	{ .name = "clients2", .clients = 1 },
	{ .name = "clients4", .clients = 3 },
	{ .name = "clients16", .clients = 15 },
};

#define ONEWAY_SIZE    64
/* Seconds that the guest is idle before the first round, so that background work of booting is
 * done. */
#define SETTLE_SECONDS 3

/**
 * struct options - the command line
 * @transport: only the cases of this transport, or NULL
 * @name: only this case ("call", "typed", "raw", "oneway", "oneway16",
 *	 "mean" and the others of besides[], "alone" and the others of crowd.c), or NULL
 * @size: only this number of bytes, or 0
 * @trace: instead of measuring, mark this number of rounds for the tracer
 * @events: also print interrupts, context switches and sleeps
 * @now: do not wait until the guest is idle after booting
 * @any: succeed even if this program has none of these cases
 * @check: measure nothing; only print which figures there are
 */
struct options {
	const char *transport;
	const char *name;
	size_t size;
	unsigned int trace;
	bool events;
	bool now;
	bool any;
	bool check;
};

static char request[BENCH_MAX_SIZE];

static const char *case_name(const struct bench_case *c)
{
	if (c->beside)
		return c->beside->name;
	if (c->batch == 0)
		return c->transport->call;
	return c->batch == 1 ? "oneway" : "oneway16";
}

static void print_figure(const struct bench_case *c, uint64_t nsec, const char *events)
{
	struct utsname name;

	uname(&name);
	printf("%s\t%s\t%s\t%zu\t%llu%s\n", name.release, case_name(c), c->transport->name, c->size,
	       (unsigned long long)nsec, events);
	fflush(stdout);
}

/* Prints the mappings of a process's code, for the reader of the trace. */
static int print_maps(pid_t pid)
{
	char line[512];
	FILE *maps;

	snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
	maps = fopen(line, "re");
	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, "r-xp"))
			fputs(line, stdout);
	}
	fclose(maps);
	fflush(stdout);
	return 0;
}

static int measure_mean(struct bench_case *c, const struct options *o)
{
	struct bench_mean mean;
	char events[64] = "";
	int r;

	r = bench_measure_mean(c, o->events, &mean);
	if (r < 0)
		return r;
	if (o->events)
		snprintf(events, sizeof(events), "\t%.3f\t%.3f\t%.3f", mean.interrupts, mean.switches,
			 mean.sleeps);
	print_figure(c, mean.nsec, events);
	return 0;
}

static int run_client(struct bench_case *c, const void *userdata)
{
	const struct options *o = userdata;
	uint64_t nsec;
	int r;

	if (o->trace > 0) {
		/* The server is a fork of this process. */
		r = print_maps(getpid());
		if (r == 0 && c->daemon)
			r = print_maps(c->daemon);
		return r < 0 ? r : bench_trace(c, o->trace);
	}
	if (c->beside)
		return measure_mean(c, o);
	r = bench_measure(c, &nsec);
	if (r == 0)
		print_figure(c, nsec, "");
	return r;
}

static int run_case(struct bench_case *c, const struct options *o)
{
	char what[64];
	int r;

	if (o->check) {
		printf("plan\t%s\t%s\t%zu\n", case_name(c), c->transport->name, c->size);
		return 0;
	}
	r = bench_pair_run(c, run_client, o);
	if (r == 0)
		return 0;
	snprintf(what, sizeof(what), "%s of %zu bytes over %s", case_name(c), c->size,
		 c->transport->name);
	return bench_fail(what, r);
}

static bool wanted(const struct bench_case *c, const struct options *o)
{
	if (c->batch ? !c->transport->has_oneway : !c->transport->call)
		return false;
	if (c->beside && !c->transport->has_beside)
		return false;
	if (c->beside && c->beside->clients && !c->transport->many)
		return false;
	if (c->transport->max_size && c->size > c->transport->max_size)
		return false;
	if (o->size && o->size != c->size)
		return false;
	return bench_listed(o->transport, c->transport->name) &&
	       bench_listed(o->name, case_name(c));
}

/* Returns the number of cases of a transport that ran, or -errno. */
static int run_transport(const struct bench_transport *transport, const struct options *o)
{
	struct bench_case c = {
		.transport = transport,
		.request = request,
		.client_cpu = -1,
		.server_cpu = -1,
	};
	int n = 0, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) + ARRAY_SIZE(batches) && r == 0; i++) {
		bool is_call = i < ARRAY_SIZE(sizes);

		c.size = is_call ? sizes[i] : ONEWAY_SIZE;
		c.batch = is_call ? 0 : batches[i - ARRAY_SIZE(sizes)];
		if (!wanted(&c, o))
			continue;
		r = run_case(&c, o);
		n++;
	}
	c.size = sizes[0];
	c.batch = 0;
	for (size_t i = 0; i < ARRAY_SIZE(besides) && r == 0; i++) {
		c.beside = &besides[i];
		c.work = c.beside->work;
		if (!wanted(&c, o))
			continue;
		r = run_case(&c, o);
		n++;
	}
	return r < 0 ? r : n;
}

static int usage(FILE *to)
{
	const char *between = "";

	fputs("usage: bench [-ehikn] [-t TRANSPORT,...] [-c CASE,...] [-s BYTES] [-p ROUNDS]\n"
	      "  -e  also interrupts that CPUs sent each other, context switches, and how many of these\n"
	      "      were sleeps, a call\n"
	      "  -h  print this\n"
	      "  -i  if there is none of these cases, say nothing; the status is 3\n"
	      "  -k  only print the names of the figures: measure nothing\n"
	      "  -n  now, without the idle seconds that follow the boot of a guest\n"
	      "  -t  only these, of which there are: ",
	      to);
	for (const struct bench_transport *const *t = bench_transports; *t; t++) {
		if (t > bench_transports && !strcmp(t[0]->name, t[-1]->name))
			continue;
		fprintf(to, "%s%s", between, (*t)->name);
		between = ", ";
	}
	fputs("\n"
	      "  -c  only call, typed, raw, oneway, oneway16, mean, think,\n"
	      "      work, nap, hog, clients2, clients4, clients16, alone, handles, procs, queued or\n"
	      "      fragmented\n"
	      "  -s  only 4, 4096, 65536, 262144 or 1048576 (oneway: 64) bytes\n"
	      "  -p  mark ROUNDS rounds for bench/profile instead of measuring\n",
	      to);
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "ehiknt:c:s:p:")) >= 0) {
		switch (c) {
		case 'e':
			o->events = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		case 'i':
			o->any = true;
			break;
		case 'k':
			o->check = true;
			break;
		case 'n':
			o->now = true;
			break;
		case 't':
			o->transport = optarg;
			break;
		case 'c':
			o->name = optarg;
			break;
		case 's':
			o->size = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			o->trace = strtoul(optarg, NULL, 10);
			break;
		default:
			return -EINVAL;
		}
	}
	return optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int n = 0, r;

	if (parse(argc, argv, &o) < 0)
		return usage(stderr);
	memset(request, 'x', sizeof(request));
	if (!o.now && !o.check)
		sleep(SETTLE_SECONDS);
	for (const struct bench_transport *const *t = bench_transports; *t; t++) {
		if (!o.transport && (*t)->exists && !(*t)->exists())
			continue;
		r = run_transport(*t, &o);
		if (r < 0)
			return 1;
		n += r;
	}
	if (n == 0)
		return o.any ? 3 : usage(stderr);
	return 0;
}
