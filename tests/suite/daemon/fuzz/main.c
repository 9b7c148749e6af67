// SPDX-License-Identifier: MIT
/*
 * A fuzzer for the cell protocol of ipcbusd (ipcbus-daemon.h), with a real daemon and real clients.
 * In each round, several hostile processes each play an input at the same time, while a
 * well-behaved server and caller run.
 *
 *   cells [--daemon PATH] [--count ROUNDS] [--seconds S] [--seed N] [--found PREFIX]
 *         [--limit SECONDS]
 *   cells [--daemon PATH] [--count ROUNDS] FILE...       these inputs together, in each round
 *   cells [--daemon PATH] [--seed N] --kills N           kills N well-behaved clients
 *
 * Requirements:
 *   - the daemon survives, and prints no messages
 *   - each call of the caller succeeds, in time
 *   - after a round, when the hostile processes have exited, the driver's counters, and the
 *     daemon's fds and maps, are as before
 *   - the daemon ends at SIGTERM, without leaks (LeakSanitizer)
 *
 * As root, the hostile processes run as another user with its own bell, into which they write.
 * Inputs that fail are written as text to PREFIX.0, PREFIX.1 and so on.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bus.h"
#include "cells.h"

#define HOSTILE	  4
#define NOBODY	  65534
#define PLAY_NSEC 2000000000ULL /* then they are killed */
#define TICK_USEC 1000
#define KILL_USEC 4000 /* average lifetime of a client */

/**
 * struct counts - values that must be equal before and after
 * @text: the driver's counters of live objects
 * @fds: of the daemon
 * @maps: memfds that the daemon maps
 */
struct counts {
	char text[600];
	unsigned int fds;
	unsigned int maps;
};

static const char *daemon_path = "build/tests/suite/daemon/asan/ipcbusd";
static const char *found_path = "cells-found";
static pid_t server_pid, caller_pid;
static struct report *report;
static struct stage stage;
static struct input inputs[HOSTILE];
static unsigned int n_inputs;
static unsigned long kills, killed;
static unsigned long rounds;
static uint64_t limit = 60;

/* --- Findings ---------------------------------------------------------------------------- */

static void print_inputs(void)
{
	char path[4096];

	fprintf(stderr, "# in round %lu\n", rounds);
	for (unsigned int i = 0; i < n_inputs; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s.%u", found_path, i);
		file = fopen(path, "we");
		if (!file) {
			fprintf(stderr, "cells: cannot write %s\n", path);
			continue;
		}
		input_write(&inputs[i], file);
		fclose(file);
		fprintf(stderr, "# %s\n", path);
	}
}

static void end_processes(void)
{
	const pid_t pids[] = { caller_pid, server_pid };

	for (int i = 0; i < 2; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
}

static const struct bus_program program = { print_inputs, end_processes };

/* --- The daemon and the programs on its bus -------------------------------------------------- */

static void start_daemon(void)
{
	bus_start(&program, daemon_path, "--mode=666");
	setenv("IPCBUS_BUS", bus_path, 1);
	/* The honest client and server use the daemon only. */
	setenv("IPC_CHANNELS", "0", 1);
}

static void start_honest(void)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (report == MAP_FAILED)
		bus_found("cannot share memory");
	report->limit = limit;
	server_pid = fork();
	if (!server_pid)
		honest_server();
	caller_pid = fork();
	if (!caller_pid)
		honest_caller(report);
}

/* Conditions that must hold at any time. */
static void check_alive(void)
{
	int status;

	bus_check_alive();
	if (waitpid(server_pid, &status, WNOHANG) == server_pid)
		bus_found("the server ended with status %#x", status);
	if (__atomic_load_n(&report->failed, __ATOMIC_ACQUIRE))
		bus_found("%s", report->text);
}

/* Prints the driver's totals, which show how deep the inputs reached. */
static void print_totals(void)
{
	char text[1000], *line, *rest = text, name[40];
	unsigned long total;

	bus_read_stats(text, sizeof(text));
	fputs("cells: made", stdout);
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%39s %*u %lu", name, &total) == 2)
			printf(" %s %lu", name, total);
	putchar('\n');
}

/* Counts resources that can leak, but not pages of regions and libipc's threads. */
static void count(struct counts *counts)
{
	*counts = (struct counts){ .fds = 0 };
	bus_read_numbers(" procs nodes handles watches transactions files users ", counts->text,
			 sizeof(counts->text));
	counts->maps = bus_count_maps(bus_daemon, "memfd:ipcbus");
	counts->fds = bus_count_fds(bus_daemon);
}

static bool is_time_over(uint64_t begin)
{
	return bus_now() - begin > report->limit * 1000000000;
}

/* Waits until the caller has finished a call that it began after this. */
static void wait_for_call(void)
{
	uint64_t calls = __atomic_load_n(&report->calls, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&report->calls, __ATOMIC_ACQUIRE) < calls + 2) {
		check_alive();
		usleep(TICK_USEC);
	}
}

/* A connection that is ending, such as that of this request, may be counted as well. */
static void keep_least(struct counts *least, const struct counts *counts)
{
	if (counts->fds < least->fds)
		least->fds = counts->fds;
	if (counts->maps < least->maps)
		least->maps = counts->maps;
}

static void wait_for_counts(struct counts *before)
{
	uint64_t begin = bus_now();
	struct counts counts;

	for (;;) {
		count(&counts);
		keep_least(before, &counts);
		if (!strcmp(counts.text, before->text) && counts.fds == before->fds &&
		    counts.maps == before->maps)
			return;
		if (is_time_over(begin))
			bus_found("something is left: %s, %u fds, %u maps; before: %s, %u fds, %u maps",
			      counts.text, counts.fds, counts.maps, before->text, before->fds,
			      before->maps);
		/* The server may keep another object, from a oneway of a dead process. */
		__atomic_store_n(&report->forget, 1, __ATOMIC_RELEASE);
		usleep(TICK_USEC);
	}
}

/* --- Rounds --------------------------------------------------------------------------------- */

static pid_t start_hostile(const struct input *input)
{
	pid_t pid = fork();

	if (pid < 0)
		bus_found("cannot fork");
	if (pid) {
		setpgid(pid, pid);
		return pid;
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (stage.owns_bell && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(3);
	if (kills && rounds)
		honest_victim((unsigned int)(rounds * HOSTILE + (unsigned long)(input - inputs)));
	play(&stage, input);
}

/* Returns whether a process of the group is left, apart from zombies. */
static bool reap(pid_t group)
{
	int status;

	while (waitpid(-group, &status, WNOHANG) > 0)
		if (WIFEXITED(status) && WEXITSTATUS(status))
			bus_found("a client beside the caller failed");
	return kill(-group, SIGCONT) == 0;
}

static void play_round(void)
{
	pid_t pids[HOSTILE] = { 0 };
	uint64_t begin = bus_now();
	bool any = true;

	for (unsigned int i = 0; i < n_inputs; i++)
		pids[i] = start_hostile(&inputs[i]);
	while (any) {
		any = false;
		for (unsigned int i = 0; i < n_inputs; i++) {
			if (bus_now() - begin > PLAY_NSEC)
				kill(-pids[i], SIGKILL);
			any = reap(pids[i]) || any;
		}
		check_alive();
		if (any)
			usleep(TICK_USEC);
	}
}

/* Kills each client at a different moment. */
static void kill_round(void)
{
	pid_t pids[HOSTILE] = { 0 };

	for (unsigned int i = 0; i < n_inputs; i++)
		pids[i] = start_hostile(&inputs[i]);
	for (unsigned int i = 0; i < n_inputs; i++, killed++) {
		usleep((useconds_t)random() % KILL_USEC);
		kill(-pids[i], SIGKILL);
		while (reap(pids[i]))
			usleep(TICK_USEC / 10);
		check_alive();
	}
}

static void check_round(struct counts *before)
{
	__atomic_store_n(&report->forget, 1, __ATOMIC_RELEASE);
	wait_for_call();
	wait_for_counts(before);
}

static void end_all(void)
{
	end_processes();
	waitpid(caller_pid, NULL, 0);
	waitpid(server_pid, NULL, 0);
	caller_pid = server_pid = 0;
	bus_end();
}

/* Returns the median duration of calls, from the powers of two. */
static unsigned long median_us(void)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < 31 && n * 2 < report->calls; i++)
		n += report->times[i];
	return 1UL << i;
}

/*
 * Counts before there are hostile processes. A user has a bell from its first connection on, so the
 * first hostile process has connected already.
 */
static void count_first(struct counts *ret_counts)
{
	static const struct input nothing;
	uint64_t begin = bus_now();
	struct counts counts;
	pid_t pid;

	pid = start_hostile(&nothing);
	while (reap(pid))
		usleep(TICK_USEC);
	do
		count(ret_counts);
	while (!strstr(ret_counts->text, "procs 2 ") && !is_time_over(begin));
	for (int i = 0; i < 20; i++) {
		count(&counts);
		keep_least(ret_counts, &counts);
	}
}

static void read_input(struct input *input, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file || !input_read(input, file)) {
		fprintf(stderr, "cells: cannot read an input from %s\n", path);
		exit(2);
	}
	fclose(file);
}

static void next_inputs(uint64_t seed)
{
	for (unsigned int i = 0; i < n_inputs; i++) {
		uint64_t each = seed * 1000003 + rounds * HOSTILE + i;

		if (each % 4)
			input_make(&inputs[i], each);
		else
			input_change(&inputs[i], each);
	}
}

/* Returns whether there is another round. */
static bool goes_on(unsigned long count_rounds, uint64_t end)
{
	if (kills)
		return killed < kills;
	return count_rounds ? rounds < count_rounds : bus_now() < end;
}

static void run(unsigned long count_rounds, uint64_t seconds, const uint64_t *seed)
{
	struct counts before;
	uint64_t end;

	stage = (struct stage){ .path = bus_path, .owns_bell = !getuid() };
	start_daemon();
	start_honest();
	wait_for_call();
	count_first(&before);
	end = bus_now() + seconds * 1000000000;
	while (goes_on(count_rounds, end)) {
		rounds++;
		if (seed)
			next_inputs(*seed);
		if (kills)
			kill_round();
		else
			play_round();
		check_round(&before);
	}
	print_totals();
	end_all();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "daemon", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "limit", required_argument, NULL, 'l' },
		{ "kills", required_argument, NULL, 'k' },
		{ "found", required_argument, NULL, 'f' },
		{ 0 },
	};
	uint64_t seed = 1, seconds = 20;
	unsigned long count_rounds = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'd')
			daemon_path = optarg;
		else if (option == 'c')
			count_rounds = strtoul(optarg, NULL, 0);
		else if (option == 't')
			seconds = strtoull(optarg, NULL, 0);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'k')
			kills = strtoul(optarg, NULL, 0);
		else if (option == 'l')
			limit = strtoull(optarg, NULL, 0);
		else if (option == 'f')
			found_path = optarg;
		else
			return 2;
	}
	for (; optind < argc && n_inputs < HOSTILE; optind++)
		read_input(&inputs[n_inputs++], argv[optind]);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	srandom((unsigned int)seed);
	if (n_inputs) {
		run(count_rounds, seconds, NULL);
	} else {
		n_inputs = HOSTILE;
		run(count_rounds, seconds, &seed);
	}
	printf("cells: %lu rounds of seed %llu, %llu calls beside them, most within %lu us, "
	       "all within %llu us\n", rounds, (unsigned long long)seed, (unsigned long long)report->calls, median_us(),
	       (unsigned long long)report->longest / 1000);
	if (kills)
		printf("cells: %lu clients were killed\n", killed);
	return 0;
}
