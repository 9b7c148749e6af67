// SPDX-License-Identifier: MIT
/*
 * servicemanager and ipcctl with thousands of names, in the guest. The test compares the time with
 * ten times the names. A busy machine may stop the guest for seconds, but probably not in each of
 * several tries.
 */
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "live.h"

#define FEW  200
#define MANY 2000 /* of two users, each of which may have 1024 */

/* The number of the second user's first name. */
#define SECOND 5000

/* Limit for ten times the names. Quadratic work would take a hundred times as long. */
#define AT_MOST_TIMES 30
#define TRIES	      3

static const struct verb {
	const char *arguments;
	bool shows_all; /* prints a line or more for each name */
} verbs[] = {
	{ "list --timeout 100", true },
	{ "list --json --timeout 100", true },
	{ "tree --timeout 100", true },
	{ "top --timeout 100 --count 1 --interval 0.1", false },
	{ "stats --timeout 100", false },
	{ "ping --timeout 100 many.%d", false },
};

#define VERBS (sizeof(verbs) / sizeof(*verbs))

/* The duration of each verb, and of the registrations before. */
struct times {
	double registrations, verbs[VERBS];
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double time_of(const struct verb *verb, int n)
{
	char arguments[128], pattern[32];
	double began = seconds(), took;

	snprintf(arguments, sizeof(arguments), verb->arguments, SECOND + n / 2 - 1);
	snprintf(pattern, sizeof(pattern), "many.%d", SECOND + n / 2 - 1);
	ck_assert_int_eq(live_run("--version >/dev/null; (ipcctl %s >/tmp/many)", arguments)->status, 0);
	took = seconds() - began;
	if (verb->shows_all)
		ck_assert_int_eq(live_run("--version >/dev/null; grep -qF %s /tmp/many", pattern)->status,
				 0);
	printf("# ipcctl %s: %.3f s\n", arguments, took);
	return took;
}

static void start(pid_t *servers, int n)
{
	char half[16], line[96];

	snprintf(half, sizeof(half), "%d", n / 2);
	snprintf(line, sizeof(line), "exec su user -c 'exec /t/tools/tests/many %d %d'", n / 2, SECOND);
	servers[0] = live_start("/t/tools/tests/many", half, NULL);
	servers[1] = live_start("/bin/sh", "-c", line, NULL);
	ck_assert_int_eq(live_run("wait --timeout 50 many.%d", n / 2 - 1)->status, 0);
	ck_assert_int_eq(live_run("wait --timeout 50 many.%d", SECOND + n / 2 - 1)->status, 0);
}

static void stop(const pid_t *servers)
{
	for (size_t i = 0; i < 2; i++) {
		kill(servers[i], SIGKILL);
		ck_assert_int_eq(waitpid(servers[i], NULL, 0), servers[i]);
	}
	ck_assert_int_eq(live_run("--version >/dev/null; (for i in $(seq 300); do "
				  "ipcctl list --names 'many.*' >/tmp/many && [ ! -s /tmp/many ] && exit; "
				  "sleep 0.1; done; exit 1)")->status, 0);
}

static double time_of_registrations(pid_t *servers, int n)
{
	double began = seconds(), took;

	start(servers, n);
	took = seconds() - began;
	printf("# %d registrations: %.3f s\n", n, took);
	return took;
}

static void times_of(int n, struct times *times)
{
	pid_t servers[2];

	times->registrations = time_of_registrations(servers, n);
	for (size_t i = 0; i < VERBS; i++)
		times->verbs[i] = time_of(&verbs[i], n);
	stop(servers);
}

static void keep_fastest(struct times *times, const struct times *again)
{
	times->registrations = fmin(times->registrations, again->registrations);
	for (size_t i = 0; i < VERBS; i++)
		times->verbs[i] = fmin(times->verbs[i], again->verbs[i]);
}

static bool all_follow(const struct times *few, const struct times *many)
{
	bool follow = many->registrations <= AT_MOST_TIMES * few->registrations;

	for (size_t i = 0; i < VERBS; i++)
		follow = follow && many->verbs[i] <= AT_MOST_TIMES * few->verbs[i];
	return follow;
}

START_TEST(time_follows_the_number_of_names)
{
	struct times few, many, again;

	times_of(FEW, &few);
	times_of(MANY, &many);
	for (int tries = 1; tries < TRIES && !all_follow(&few, &many); tries++) {
		times_of(MANY, &again);
		keep_fastest(&many, &again);
	}
	ck_assert(all_follow(&few, &many));
}
END_TEST

int main(void)
{
	return LIVE_TESTS("ipcctl with many names", time_follows_the_number_of_names);
}
