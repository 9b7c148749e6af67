// SPDX-License-Identifier: MIT
/*
 * Traffic with very little memory: the actors run in a memory cgroup that another process fills and
 * resizes, while idle pages are reclaimed all the time, and `kill -9`, by the test or the kernel,
 * strikes at random moments. Messages must arrive unchanged. After each round no process and no
 * page is left, and the driver's counters have their former values. Needs root and cgroup v2.
 *
 * IPCBUS_CRASH_SECONDS sets the time (default 40; a third of it is used), IPCBUS_CRASH_SEED the
 * order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"

#define ROOT "/tmp/ipcbus-memory"
#define GROUP ROOT "/few"
#define KIB 1024

enum { PRESSERS = 3 };

/* --- The group --------------------------------------------------------------------- */

static int write_number(const char *path, unsigned int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return write_file(path, text);
}

/* Reads the number after @word in the file. */
static long read_number(const char *path, const char *word)
{
	char text[1024] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	const char *at;

	close(fd);
	ck_assert_int_gt(n, 0);
	at = strstr(text, word);
	ck_assert_ptr_nonnull(at);
	return strtol(at + strlen(word), NULL, 10);
}

static bool have_groups(void)
{
	if (mkdir(ROOT, 0755) && errno != EEXIST)
		return false;
	if (mount("none", ROOT, "cgroup2", 0, NULL))
		return false;
	return !write_file(ROOT "/cgroup.subtree_control", "+memory") &&
	       (!mkdir(GROUP, 0755) || errno == EEXIST);
}

/* The group's last process may still be exiting. */
static void groups_done(void)
{
	for (uint64_t end = now_ms() + 2000; rmdir(GROUP) && errno == EBUSY && now_ms() < end;)
		usleep(1000);
	umount(ROOT);
	rmdir(ROOT);
}

/* --- Memory pressure ------------------------------------------------------------------ */

/* Touches memory until the OOM killer ends it, again and again. */
static int fill(struct peer *self, void *arg)
{
	uint32_t seed = *(uint32_t *)arg;

	(void)self;
	for (;;) {
		size_t size = (1 + below(&seed, 64)) * 64 * KIB;
		char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);

		if (at == MAP_FAILED)
			return 0;
		memset(at, 1, size);
		usleep(below(&seed, 2000));
		if (below(&seed, 8))
			munmap(at, size);
	}
}

/* Runs the shrinker, for all or for the group alone. */
static int take_back(struct peer *self, void *arg)
{
	uint32_t seed = *(uint32_t *)arg;

	(void)self;
	while (!board->wrong) {
		dev_reclaim();
		/* Linux 6.1 and later have it. Reclaiming too little is not a failure. */
		write_number(GROUP "/memory.reclaim", below(&seed, 256) * KIB);
		usleep(below(&seed, 500));
	}
	return 0;
}

/* Changes the limit, between very little and plenty. */
static int squeeze(struct peer *self, void *arg)
{
	uint32_t seed = *(uint32_t *)arg;

	(void)self;
	while (!board->wrong) {
		write_number(GROUP "/memory.max", (2048 + below(&seed, 4096)) * KIB);
		usleep(below(&seed, 5000));
	}
	return 0;
}

static int actor_in_group(struct peer *self, void *arg)
{
	if (write_file(GROUP "/cgroup.procs", "0"))
		complain("cannot enter the group", errno);
	return actor_main(self, arg);
}

static int fill_in_group(struct peer *self, void *arg)
{
	if (write_file(GROUP "/cgroup.procs", "0"))
		complain("cannot enter the group", errno);
	/* Usually the OOM killer selects this process. */
	write_file("/proc/self/oom_score_adj", "500");
	return fill(self, arg);
}

/* --- Rounds ------------------------------------------------------------------------ */

static uint32_t seed_given;

/* Waits for all actors. A process that died for lack of memory is not a failure. */
static void bury(struct peer *p, int n)
{
	int status;

	for (int i = 0; i < n; i++)
		kill(p[i].pid, SIGKILL);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(waitpid(p[i].pid, &status, 0), p[i].pid);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			complain("a process found something wrong", WEXITSTATUS(status));
		close(p[i].notify);
		close(p[i].hear);
	}
}

static void round_of(uint32_t *seed)
{
	static int (*const pressers[PRESSERS])(struct peer *, void *) = {
		fill_in_group, take_back, squeeze,
	};
	struct peer p[ACTORS + PRESSERS];
	struct life lives[ACTORS];
	uint32_t seeds[PRESSERS];

	board->begun = board->calls;
	write_file(GROUP "/memory.max", "max");
	for (int i = 0; i < ACTORS; i++) {
		lives[i] = (struct life){ .index = i, .seed = next_random(seed) };
		peer_start(&p[i], actor_in_group, &lives[i]);
	}
	wait_for_traffic();
	for (int i = 0; i < PRESSERS; i++) {
		seeds[i] = next_random(seed) | 1;
		peer_start(&p[ACTORS + i], pressers[i], &seeds[i]);
	}
	usleep(10000 + below(seed, 60000));
	/* An actor is killed first, and the other actors must notice. */
	kill(p[below(seed, ACTORS)].pid, SIGKILL);
	usleep(below(seed, 20000));
	bury(p, ACTORS + PRESSERS);
	expect_nothing_left();
}

START_TEST(short_of_memory)
{
	uint64_t end = now_ms() + from_environment("IPCBUS_CRASH_SECONDS", 40) * 1000ULL / 3;
	uint32_t seed = seed_given | 1;
	unsigned int rounds = 0;

	board = shared_memory(sizeof(*board));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	do {
		round_of(&seed);
		rounds++;
		ck_assert_msg(!board->wrong, "round %u, IPCBUS_CRASH_SEED=%u: %s", rounds,
			      seed_given, board->what);
	} while (now_ms() < end || (!board->replied && now_ms() < end + 20000));
	ck_assert_msg(board->replied, "%u rounds without traffic", rounds);
	printf("%u rounds, %llu calls, %llu replied to, %ld killed for memory\n", rounds,
	       (unsigned long long)board->calls, (unsigned long long)board->replied,
	       read_number(GROUP "/memory.events", "oom_kill "));
}
END_TEST

int main(void)
{
	unsigned int seconds = from_environment("IPCBUS_CRASH_SECONDS", 40);
	Suite *s = suite_create("memory");
	TCase *tc;
	int failed;

	if (geteuid() || !have_groups()) {
		fprintf(stderr, "no memory cgroups, no tests run\n");
		return 77;
	}
	if (getentropy(&seed_given, sizeof(seed_given)) < 0)
		return EXIT_FAILURE;
	seed_given = from_environment("IPCBUS_CRASH_SEED", seed_given);
	printf("IPCBUS_CRASH_SEED=%u\n", seed_given);
	tc = add_case(s, "little", setup_bare);
	tcase_set_timeout(tc, 60 + 2 * seconds);
	tcase_add_test(tc, short_of_memory);
	failed = suite_main(s);
	groups_done();
	return failed;
}
