// SPDX-License-Identifier: MIT
/*
 * A fuzzer for the slot protocol of ipcbusd (ipcbus-daemon.h), with a real daemon and real clients.
 * In each round, several hostile processes each play an input at the same time, while a
 * well-behaved server and caller run.
 *
 *   slots [--daemon PATH] [--count ROUNDS] [--seconds S] [--seed N] [--found PREFIX]
 *         [--limit SECONDS]
 *   slots [--daemon PATH] [--count ROUNDS] FILE...       these inputs together, in each round
 *   slots [--daemon PATH] [--seed N] --kills N           kills N well-behaved clients
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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../messages.h"
#include "slots.h"

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
static const char *found_path = "slots-found";
static char folder[] = "/tmp/ipcbusd.XXXXXX";
static char bus[64], log_path[64];
static pid_t daemon_pid, server_pid, caller_pid;
static struct report *report;
static struct stage stage;
static struct input inputs[HOSTILE];
static unsigned int n_inputs;
static unsigned long kills, killed;
static unsigned long rounds;
static uint64_t limit = 60;

/* --- Findings ---------------------------------------------------------------------------- */

static void end_all(void)
{
	const pid_t pids[] = { caller_pid, server_pid, daemon_pid };

	for (int i = 0; i < 3; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	unlink(bus);
	unlink(log_path);
	rmdir(folder);
}

static void show_log(void)
{
	char line[500];
	FILE *file = fopen(log_path, "re");

	for (int i = 0; file && i < 60 && fgets(line, sizeof(line), file); i++)
		fprintf(stderr, "# %s", line);
	if (file)
		fclose(file);
}

__attribute__((format(printf, 1, 2))) _Noreturn static void found(const char *format, ...)
{
	char path[4096];
	va_list args;

	va_start(args, format);
	fprintf(stderr, "slots: FOUND in round %lu: ", rounds);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	show_log();
	for (unsigned int i = 0; i < n_inputs; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s.%u", found_path, i);
		file = fopen(path, "we");
		if (!file) {
			fprintf(stderr, "slots: cannot write %s\n", path);
			continue;
		}
		input_write(&inputs[i], file);
		fclose(file);
		fprintf(stderr, "# %s\n", path);
	}
	end_all();
	exit(1);
}

_Noreturn static void cannot(const char *what)
{
	fprintf(stderr, "slots: cannot %s: %s\n", what, strerror(errno));
	end_all();
	exit(2);
}

/* --- The daemon and the programs on its bus -------------------------------------------------- */

static void start_daemon(void)
{
	int log;

	if (!mkdtemp(folder) || chmod(folder, 0755))
		cannot("make a folder");
	snprintf(bus, sizeof(bus), "%s/bus", folder);
	snprintf(log_path, sizeof(log_path), "%s/log", folder);
	log = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
	if (log < 0)
		cannot("make a file");
	daemon_pid = fork();
	if (!daemon_pid) {
		dup2(log, STDERR_FILENO);
		execl(daemon_path, daemon_path, "--bus", bus, "--mode", "666", NULL);
		_exit(127);
	}
	close(log);
	setenv("IPCBUS_DEVICE", bus, 1);
	/* The well-behaved client and server use only the daemon. */
	setenv("IPC_CHANNELS", "0", 1);
	for (int i = 0, fd; (fd = bus_connect(bus)) < 0 || close(fd); i++) {
		if (waitpid(daemon_pid, NULL, WNOHANG) == daemon_pid || i == 30000)
			cannot("start the daemon");
		usleep(TICK_USEC);
	}
}

static void start_honest(void)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (report == MAP_FAILED)
		cannot("share memory");
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

	if (waitpid(daemon_pid, &status, WNOHANG) == daemon_pid) {
		daemon_pid = 0;
		found("the daemon ended with status %#x", status);
	}
	if (waitpid(server_pid, &status, WNOHANG) == server_pid)
		found("the server ended with status %#x", status);
	if (__atomic_load_n(&report->failed, __ATOMIC_ACQUIRE))
		found("%s", report->text);
}

static unsigned int count_entries(const char *name)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)daemon_pid, name);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static unsigned int count_maps(void)
{
	char path[64], line[500];
	unsigned int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)daemon_pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		n += !!strstr(line, "memfd:ipcbus");
	if (file)
		fclose(file);
	return n;
}

/* Reads the text of the driver's stats. */
static void read_stats(char *text, size_t size)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_READ, .name = "stats" }, welcome;
	int socket = bus_connect(bus), fds[4] = { -1, -1, -1, -1 };
	ssize_t n = -1;

	if (socket >= 0 && !receive_message(socket, &welcome, fds)) {
		message.nonce = welcome.nonce;
		send_message(socket, &message, -1);
		if (!receive_message(socket, &message, fds))
			n = read(fds[0], text, size - 1);
		close(fds[0]);
	}
	close(socket);
	check_alive();
	if (n < 0)
		found("the daemon does not reply with its counts");
	text[n] = 0;
}

/* Prints the driver's totals, which show how deep the inputs reached. */
static void print_totals(void)
{
	char text[1000], *line, *rest = text, name[40];
	unsigned long total;

	read_stats(text, sizeof(text));
	fputs("slots: made", stdout);
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%39s %*u %lu", name, &total) == 2)
			printf(" %s %lu", name, total);
	putchar('\n');
}

/* Counts resources that can leak, but not pages of regions and libipc's threads. */
static void count(struct counts *counts)
{
	static const char *const names = " procs nodes handles watches transactions files users ";
	char text[1000], *line, *rest = text, name[40], word[42];
	unsigned long now;
	size_t n = 0;

	*counts = (struct counts){ 0 };
	read_stats(text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%39s %lu", name, &now) != 2)
			continue;
		snprintf(word, sizeof(word), " %s ", name);
		if (strstr(names, word))
			n += (size_t)snprintf(counts->text + n, sizeof(counts->text) - n,
					      "%s %lu ", name, now);
	}
	counts->maps = count_maps();
	counts->fds = count_entries("fd");
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool is_time_over(uint64_t begin)
{
	return now() - begin > report->limit * 1000000000;
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
	uint64_t begin = now();
	struct counts counts;

	for (;;) {
		count(&counts);
		keep_least(before, &counts);
		if (!strcmp(counts.text, before->text) && counts.fds == before->fds &&
		    counts.maps == before->maps)
			return;
		if (is_time_over(begin))
			found("something is left: %s, %u fds, %u maps; before: %s, %u fds, %u maps",
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
		cannot("fork");
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
			found("a client beside the caller failed");
	return kill(-group, SIGCONT) == 0;
}

static void play_round(void)
{
	pid_t pids[HOSTILE] = { 0 };
	uint64_t begin = now();
	bool any = true;

	for (unsigned int i = 0; i < n_inputs; i++)
		pids[i] = start_hostile(&inputs[i]);
	while (any) {
		any = false;
		for (unsigned int i = 0; i < n_inputs; i++) {
			if (now() - begin > PLAY_NSEC)
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

static void end_daemon(void)
{
	struct stat log;
	int status;

	kill(caller_pid, SIGKILL);
	kill(server_pid, SIGKILL);
	waitpid(caller_pid, NULL, 0);
	waitpid(server_pid, NULL, 0);
	caller_pid = server_pid = 0;
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, &status, 0);
	daemon_pid = 0;
	if (status)
		found("the daemon ended with status %#x", status);
	if (stat(log_path, &log) || log.st_size)
		found("the daemon said something");
	end_all();
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
 * Counts before there are hostile processes. A user has a bell from its first connection on, so one
 * of the hostile processes has connected already.
 */
static void count_first(struct counts *ret_counts)
{
	static const struct input nothing;
	uint64_t begin = now();
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

	if (!file)
		cannot(path);
	errno = EINVAL;
	if (!input_read(input, file))
		cannot(path);
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
	return count_rounds ? rounds < count_rounds : now() < end;
}

static void run(unsigned long count_rounds, uint64_t seconds, const uint64_t *seed)
{
	struct counts before;
	uint64_t end;

	stage = (struct stage){ .path = bus, .owns_bell = !getuid() };
	start_daemon();
	start_honest();
	wait_for_call();
	count_first(&before);
	end = now() + seconds * 1000000000;
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
	end_daemon();
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
	printf("slots: %lu rounds of seed %llu, %llu calls beside them, most within %lu us, "
	       "all within %llu us\n", rounds, (unsigned long long)seed, (unsigned long long)report->calls, median_us(),
	       (unsigned long long)report->longest / 1000);
	if (kills)
		printf("slots: %lu clients were killed\n", killed);
	return 0;
}
