// SPDX-License-Identifier: MIT
/*
 * Processes that die, or lose their file or memory, during their work: in each round, a bus with
 * traffic is started and disturbed at a random moment. After each round no process is left, and
 * the driver's counters have their former values. Needs two CPUs.
 *
 * IPCBUS_CRASH_SECONDS sets the total time (default 40) of all disturbances, IPCBUS_CRASH_SEED the
 * order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"

/* Disturbances from inside a process */

static void close_file(struct raw *r, uint32_t *seed)
{
	(void)seed;
	close(r->fd);
}

/* The number is reused at once, and the new file must not be mistaken for the old. */
static void replace_file(struct raw *r, uint32_t *seed)
{
	int fd = below(seed, 2) ? open("/dev/null", O_RDWR) : dev_open(O_RDWR);

	if (fd >= 0)
		dup2(fd, r->fd);
}

static void unmap_region(struct raw *r, uint32_t *seed)
{
	size_t page = 4096 * below(seed, r->size / 4096);

	if (below(seed, 2))
		munmap((void *)(uintptr_t)r->map, r->size);
	else
		munmap((void *)(uintptr_t)(r->map + page), r->size - page);
}

/* The pages may be dropped at any time, and must return unchanged. */
static void drop_pages(struct raw *r, uint32_t *seed)
{
	for (unsigned int i = below(seed, 50); i; i--)
		madvise((void *)(uintptr_t)r->map, r->size,
			i % 2 ? MADV_DONTNEED : MADV_PAGEOUT);
}

static void fork_children(struct raw *r, uint32_t *seed)
{
	struct ipcbus_exchange x = { .size = sizeof(x), .flags = IPCBUS_WAIT | IPCBUS_SERVE };

	for (unsigned int i = 1 + below(seed, 3); i; i--) {
		pid_t pid = fork();

		if (pid == 0) {
			if (dev_ioctl(r->fd, IPCBUS_IOC_EXCHANGE, &x) != -ECHILD)
				complain("a forked child may use the file", 0);
			usleep(below(seed, 2000));
			_exit(0);
		}
	}
	if (below(seed, 2))
		_exit(0);
}

static void exec_another(struct raw *r, uint32_t *seed)
{
	if (below(seed, 2))
		fcntl(r->fd, F_SETFD, 0);
	execl("/proc/self/exe", "test-crash", "--nothing", NULL);
	_exit(1);
}

static void end_in_the_middle(struct raw *r, uint32_t *seed)
{
	(void)r;
	if (below(seed, 2))
		_exit(0);
	raise(SIGKILL);
}

static void send_signals(struct raw *r, uint32_t *seed)
{
	(void)r;
	for (unsigned int i = below(seed, 200); i; i--) {
		kill(getpid(), SIGUSR1);
		if (below(seed, 4) == 0)
			usleep(below(seed, 100));
	}
	_exit(0);
}

/* Threads that use the file briefly, serve a little and end, with or without announcing it. */
static void *short_life(void *arg)
{
	struct raw *r = arg;
	struct ipcbus_exchange x = { .size = sizeof(x),
				     .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK };

	dev_poll(r->fd, 1);
	if (!dev_ioctl(r->fd, IPCBUS_IOC_EXCHANGE, &x) && x.event.buffer)
		raw_free(r, x.event.buffer);
	if (x.event.kind % 2)
		dev_ioctl(r->fd, IPCBUS_IOC_THREAD_EXIT, NULL);
	return NULL;
}

static void end_threads(struct raw *r, uint32_t *seed)
{
	pthread_t thread[4];

	for (unsigned int i = 1 + below(seed, 5); i; i--) {
		unsigned int n = 0;

		while (n < 4 && !pthread_create(&thread[n], NULL, short_life, r))
			n++;
		while (n)
			pthread_join(thread[--n], NULL);
	}
	_exit(0);
}

/* The file is closed while a thread polls it. */
static void close_polled(struct raw *r, uint32_t *seed)
{
	struct epoll_event event = { .events = EPOLLIN | (below(seed, 2) ? EPOLLET : 0) };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, r->fd, &event);
	epoll_wait(epoll, &event, 1, 1);
	if (below(seed, 2))
		close(epoll);
	close(r->fd);
	usleep(below(seed, 1000));
	_exit(0);
}

/* Disturbances by the parent */

static void kill_an_actor(struct peer *p, uint32_t *seed)
{
	kill(p[below(seed, ACTORS)].pid, SIGKILL);
}

static void kill_manager(struct peer *p, uint32_t *seed)
{
	(void)seed;
	kill(p[0].pid, SIGKILL);
}

static void kill_all(struct peer *p, uint32_t *seed)
{
	unsigned int first = below(seed, ACTORS);

	for (unsigned int i = 0; i < ACTORS; i++)
		kill(p[(first + i) % ACTORS].pid, SIGKILL);
}

static void stop_and_kill(struct peer *p, uint32_t *seed)
{
	pid_t pid = p[below(seed, ACTORS)].pid;

	kill(pid, SIGSTOP);
	usleep(below(seed, 1000));
	kill(pid, below(seed, 2) ? SIGCONT : SIGKILL);
}

/* Unloading must fail while a process uses the module, even only by a mapping. */
static void unload(struct peer *p, uint32_t *seed)
{
	struct raw r;

	(void)p;
	raw_open(&r, REGION);
	if (below(seed, 2))
		close(r.fd);
	if (syscall(SYS_delete_module, "ipcbus", O_NONBLOCK) == 0)
		complain("the module was unloaded while in use", 0);
	else if (errno != EWOULDBLOCK && errno != EBUSY)
		complain("delete_module", errno);
	raw_close(&r);
}

static const struct disturbance {
	const char *name;
	sabotage_fn inside;
	void (*outside)(struct peer *p, uint32_t *seed);
} disturbances[] = {
	{ "kill_an_actor", NULL, kill_an_actor },
	{ "kill_manager", NULL, kill_manager },
	{ "kill_all", NULL, kill_all },
	{ "stop_and_kill", NULL, stop_and_kill },
	{ "unload", NULL, unload },
	{ "end_in_the_middle", end_in_the_middle, NULL },
	{ "close_file", close_file, NULL },
	{ "close_polled", close_polled, NULL },
	{ "replace_file", replace_file, NULL },
	{ "unmap_region", unmap_region, NULL },
	{ "drop_pages", drop_pages, NULL },
	{ "fork_children", fork_children, NULL },
	{ "exec_another", exec_another, NULL },
	{ "send_signals", send_signals, NULL },
	{ "end_threads", end_threads, NULL },
};

/* Every process must be killable, even if its parent died before it. */
static void bury_all(struct peer *p)
{
	uint64_t end = now_ms() + 10000;
	int status;
	pid_t pid;

	for (unsigned int i = 0; i < ACTORS; i++)
		kill(p[i].pid, SIGKILL);
	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0 || errno == EINTR) {
		if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status))
			complain("an actor found something wrong", WEXITSTATUS(status));
		ck_assert_msg(now_ms() < end, "a process does not die");
		if (pid == 0)
			usleep(200);
	}
	for (unsigned int i = 0; i < ACTORS; i++) {
		close(p[i].notify);
		close(p[i].hear);
	}
}

static void round_of(const struct disturbance *d, uint32_t *seed)
{
	static struct life lives[ACTORS];
	struct peer p[ACTORS];
	uint32_t victim = below(seed, ACTORS);

	board->begun = board->calls;
	for (unsigned int i = 0; i < ACTORS; i++) {
		lives[i] = (struct life){
			.index = i, .seed = next_random(seed),
			.sabotage = i == victim ? d->inside : NULL,
			.after_us = below(seed, 8000),
		};
		peer_start(&p[i], actor_main, &lives[i]);
	}
	wait_for_traffic();
	usleep(below(seed, 8000));
	if (d->outside)
		d->outside(p, seed);
	usleep(below(seed, 8000));
	bury_all(p);
	expect_nothing_left();
}

static uint32_t seed_given;

START_TEST(disturbed)
{
	const struct disturbance *d = &disturbances[_i];
	uint32_t seed = (seed_given + _i * 104729) | 1;
	unsigned int seconds = from_environment("IPCBUS_CRASH_SECONDS", 40);
	uint64_t end = now_ms() + seconds * 1000ULL / ARRAY_SIZE(disturbances);
	unsigned int rounds = 0;

	board = shared_memory(sizeof(*board));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	do {
		round_of(d, &seed);
		rounds++;
		ck_assert_msg(!board->wrong, "%s, round %u, IPCBUS_CRASH_SEED=%u: %s", d->name,
			      rounds, seed_given, board->what);
		/* On a slow machine, every round may have been disturbed before the first reply. */
	} while (now_ms() < end || (!board->replied && now_ms() < end + 20000));
	ck_assert_msg(board->replied, "%s: %u rounds without traffic", d->name, rounds);
	printf("%s: %u rounds, %llu calls, %llu replied to\n", d->name, rounds,
	       (unsigned long long)board->calls, (unsigned long long)board->replied);
}
END_TEST

int main(int argc, char **argv)
{
	unsigned int seconds = from_environment("IPCBUS_CRASH_SECONDS", 40);
	Suite *s = suite_create("crash");
	TCase *tc;

	if (argc == 2 && !strcmp(argv[1], "--nothing"))
		return 0;
	if (getentropy(&seed_given, sizeof(seed_given)) < 0)
		return EXIT_FAILURE;
	seed_given = from_environment("IPCBUS_CRASH_SEED", seed_given);
	printf("IPCBUS_CRASH_SEED=%u\n", seed_given);
	tc = add_case(s, "disturbed", setup_bare);
	tcase_set_timeout(tc, 60 + 2 * seconds);
	tcase_add_loop_test(tc, disturbed, 0, ARRAY_SIZE(disturbances));
	return suite_main(s);
}
