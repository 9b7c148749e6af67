// SPDX-License-Identifier: MIT
/*
 * model: run the wait protocol of direct channels under the explorer's policies; see usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../explore/policy.h"
#include "model.h"
#include "scenarios.h"

static const char usage[] =
	"usage: model [--scenario NAME] [--count N | --seconds N] [--from SEED] [--preemptions N]\n"
	"       model --scenario NAME {--seed N | --schedule S} [--trace]\n"
	"       model --list\n"
	"\n"
	"Runs each scenario under all schedules with at most N preemptions or old values (2), but no\n"
	"more than half of the count, and then under random ones: --count schedules together\n"
	"(110000), or for equal shares of the seconds. On a fault, prints the command that repeats it\n"
	"and exits with status 1.\n";

static struct {
	const char *scenario, *schedule;
	unsigned long seed, from, count;
	double seconds;
	int preemptions;
} options = { .from = 1, .count = 110000, .preemptions = 2 };

static const struct scenario *tested;
static unsigned long tested_seed, total;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void explain(void)
{
	char schedule[4096];

	if (options.seed || options.schedule)
		return;
	policy_search_text(schedule, sizeof(schedule));
	if (tested_seed)
		fprintf(stderr, "repeat it: model --scenario %s --seed %lu --trace\n", tested->name,
			tested_seed);
	else
		fprintf(stderr, "repeat it: model --scenario %s --schedule %s --trace\n",
			tested->name, schedule);
}

/* The length of a run, on which the random policy depends. */
static unsigned long measure(void)
{
	bool trace = policy_trace;

	policy_trace = false;
	scenario_run(tested, policy_random(4, 1));
	policy_trace = trace;
	return model_steps();
}

static bool is_enough(unsigned long n, unsigned long most, double until)
{
	return options.seconds > 0 ? n % 256 == 0 && seconds() >= until : n >= most;
}

/* Returns whether all schedules were run. */
static bool search(unsigned long most, double until, unsigned long *n)
{
	tested_seed = 0;
	policy_search_begin(options.preemptions);
	do {
		scenario_run(tested, policy_search());
		++*n;
		if (!policy_search_next())
			return true;
	} while (!is_enough(*n, most, until));
	return false;
}

static void explore(unsigned long count, double time)
{
	unsigned long searched = 0, n = 0, length;
	double begin = seconds();
	bool all = search(count / 2, begin + time / 2, &searched);

	length = measure();
	for (tested_seed = options.from; !is_enough(n, count - searched, begin + time); n++)
		scenario_run(tested, policy_random(tested_seed++, length));
	printf("%-12s %8lu schedules %s, %8lu random, %6.0f a second\n", tested->name, searched,
	       all ? "(all)" : "     ", n, (double)(searched + n) / (seconds() - begin));
	fflush(stdout);
	total += searched + n;
}

static void run_one(void)
{
	if (options.schedule)
		scenario_run(tested, policy_replay(options.schedule));
	else
		scenario_run(tested, policy_random(options.seed, measure()));
	printf("%s: %lu steps, no fault\n", tested->name, model_steps());
}

static void list(void)
{
	for (unsigned int i = 0; scenario_nth(i); i++)
		printf("%-12s %s\n", scenario_nth(i)->name, scenario_nth(i)->what);
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = { { "scenario", required_argument, NULL, 's' },
					       { "seed", required_argument, NULL, 'n' },
					       { "schedule", required_argument, NULL, 'c' },
					       { "from", required_argument, NULL, 'f' },
					       { "count", required_argument, NULL, 'm' },
					       { "seconds", required_argument, NULL, 't' },
					       { "preemptions", required_argument, NULL, 'p' },
					       { "trace", no_argument, NULL, 'v' },
					       { "list", no_argument, NULL, 'l' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (c) {
		case 's':
			options.scenario = optarg;
			break;
		case 'n':
			options.seed = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			options.schedule = optarg;
			break;
		case 'f':
			options.from = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			options.count = strtoul(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = atof(optarg);
			break;
		case 'p':
			options.preemptions = atoi(optarg);
			break;
		case 'v':
			policy_trace = true;
			break;
		case 'l':
			list();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static bool is_selected(const struct scenario *scenario)
{
	return !options.scenario || !strcmp(options.scenario, scenario->name);
}

int main(int argc, char **argv)
{
	double begin = seconds();
	unsigned int n = 0;

	parse(argc, argv);
	for (unsigned int i = 0; scenario_nth(i); i++)
		n += is_selected(scenario_nth(i));
	if (!n) {
		fprintf(stderr, "model: no scenario %s; see --list\n", options.scenario);
		return 2;
	}
	model_fail_hook = explain;
	for (unsigned int i = 0; scenario_nth(i); i++) {
		tested = scenario_nth(i);
		if (!is_selected(tested))
			continue;
		if (options.seed || options.schedule)
			run_one();
		else
			explore((options.count + n - 1) / n, options.seconds / n);
	}
	if (!options.seed && !options.schedule)
		printf("%lu interleavings in %.0f s\n", total, seconds() - begin);
	return 0;
}
