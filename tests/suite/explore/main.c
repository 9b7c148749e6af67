// SPDX-License-Identifier: MIT
/*
 * explore: run the driver's races under the deterministic scheduler; see usage. The first failure
 * ends the program and prints the command that repeats it.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "asan.h"
#include "policy.h"
#include "world.h"

static const char usage[] =
	"usage: explore [--scenario NAME] [--seed N | --schedule S] [--trace]\n"
	"       explore [--scenario NAME] [--count N | --seconds N] [--from SEED]\n"
	"               [--preemptions N]\n"
	"       explore --list\n"
	"\n"
	"Without --seed or --schedule: for each scenario first all schedules with at\n"
	"most N preemptions (2), then random ones from SEED (1) on: N together (600), or\n"
	"in equal parts of the seconds. A failure is printed with the command that\n"
	"repeats it.\n";

static struct {
	const char *scenario;
	const char *schedule;
	u64 seed, from;
	bool one;
	unsigned long count;
	int seconds, preemptions;
} options = { .from = 1, .count = 600, .preemptions = 2 };

/* The current run, for the message about how to repeat it. */
static const struct scenario *current_scenario;
static u64 current_seed;

static unsigned long total;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void say_how(void)
{
	char schedule[4096];

	if (!current_scenario || options.one)
		return;
	if (current_seed)
		shim_say("repeat it: explore --scenario %s --seed %llu --trace\n",
			 current_scenario->name, (unsigned long long)current_seed);
	else {
		policy_search_text(schedule, sizeof(schedule));
		shim_say("repeat it: explore --scenario %s --schedule %s --trace\n",
			 current_scenario->name, schedule);
	}
}

/* The undefined behavior sanitizer has no callback for failures. */
static void aborted(int sig)
{
	(void)sig;
	say_how();
	_exit(1);
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void panicked(const char *text)
{
	(void)text;
	say_how();
	_exit(1);
}

/* --- A scenario ----------------------------------------------------------- */

/* Returns whether @n runs of a kind, or its time, are enough. A limit of 0 does not apply. */
static bool is_enough(unsigned long n, unsigned long most, double until)
{
	return options.seconds ? n % 64 == 0 && now() >= until : n >= most;
}

/* Returns the number of schedules, or 0 if the limits were reached before all had run. */
static unsigned long search(const struct scenario *scenario, double until)
{
	unsigned long n = 0;
	bool more;

	current_seed = 0;
	policy_search_begin(options.preemptions);
	do {
		world_run(scenario, policy_search());
		total++;
		n++;
		more = policy_search_next();
	} while (more && !is_enough(n, options.count / 2, until));
	return more ? 0 : n;
}

/* Returns the approximate length of a run. Must be deterministic, so that seeds repeat. */
static unsigned long measure(const struct scenario *scenario)
{
	world_run(scenario, policy_random(4, 1));
	return shim_steps();
}

static void try_randomly(const struct scenario *scenario, unsigned long most, double until)
{
	unsigned long n = 0, length = measure(scenario);

	for (current_seed = options.from; !is_enough(n, most, until); current_seed++) {
		world_run(scenario, policy_random(current_seed, length));
		total++;
		n++;
	}
}

static void explore(const struct scenario *scenario, double seconds)
{
	unsigned long before = total, n, random;
	double start = now();

	current_scenario = scenario;
	n = search(scenario, start + seconds / 2);
	random = total;
	try_randomly(scenario, options.count - (total - before), start + seconds);
	random = total - random;
	printf("%-16s %8lu schedules %s, %8lu random, %6.0f a second\n", scenario->name,
	       total - random - before, n ? "(all)" : "     ", random,
	       (total - before) / (now() - start));
	fflush(stdout);
}

static void run_one(const struct scenario *scenario)
{
	bool trace = policy_trace;

	current_scenario = scenario;
	if (options.schedule) {
		world_run(scenario, policy_replay(options.schedule));
	} else {
		unsigned long length;

		policy_trace = false;
		length = measure(scenario);
		policy_trace = trace;
		world_run(scenario, policy_random(options.seed, length));
	}
	printf("%s: %lu steps, no failure\n", scenario->name, shim_steps());
}

/* --- The program ---------------------------------------------------------- */

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "scenario", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'n' },
		{ "schedule", required_argument, NULL, 'c' },
		{ "from", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 't' },
		{ "preemptions", required_argument, NULL, 'p' },
		{ "trace", no_argument, NULL, 'v' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (c) {
		case 's': options.scenario = optarg; break;
		case 'n': options.seed = strtoull(optarg, NULL, 0); options.one = true; break;
		case 'c': options.schedule = optarg; options.one = true; break;
		case 'f': options.from = strtoull(optarg, NULL, 0); break;
		case 'm': options.count = strtoul(optarg, NULL, 0); break;
		case 't': options.seconds = atoi(optarg); break;
		case 'p': options.preemptions = atoi(optarg); break;
		case 'v': policy_trace = true; break;
		case 'l':
			for (size_t i = 0; scenario_nth(i); i++)
				printf("%-18s %s\n", scenario_nth(i)->name, scenario_nth(i)->what);
			exit(0);
		case 'h': fputs(usage, stdout); exit(0);
		default: fputs(usage, stderr); exit(2);
		}
	}
}

static bool selected(const struct scenario *scenario)
{
	return !options.scenario || !strcmp(options.scenario, scenario->name);
}

int main(int argc, char **argv)
{
	size_t n = 0;
	double start = now();

	parse(argc, argv);
	for (size_t i = 0; scenario_nth(i); i++)
		n += selected(scenario_nth(i));
	if (!n) {
		fprintf(stderr, "explore: no scenario %s; see --list\n", options.scenario);
		return 2;
	}
	shim_panic_hook = panicked;
	signal(SIGABRT, aborted);
#ifdef SHIM_ASAN
	__sanitizer_set_death_callback(say_how);
#endif
	shim_deterministic();
	shim_boot();
	for (size_t i = 0; scenario_nth(i); i++) {
		if (!selected(scenario_nth(i)))
			continue;
		if (options.one)
			run_one(scenario_nth(i));
		else
			explore(scenario_nth(i), (double)options.seconds / n);
	}
	shim_unload();
	if (!options.one)
		printf("%lu interleavings in %.0f s\n", total, now() - start);
	return 0;
}
