// SPDX-License-Identifier: MIT
/*
 * The fixture of tests/suite/kernel with threads instead of processes: peers, and the list of cases
 * that need a real kernel. tests.syms renames the symbols of the tests, so that they call these
 * functions instead of the fixture's.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef ARRAY_SIZE
#include "posix.h"
#undef ARRAY_SIZE

#include "../../../suite/kernel/fixture.h"

int fcntl(int fd, int cmd, ...);
int pipe2(int fds[2], int flags);
struct raw *host_raw(struct raw *global);
void host_peer_start(struct peer *p, int (*fn)(struct peer *, void *), void *arg);
void host_peer_kill(struct peer *p);
void host_peer_end(struct peer *p);
int host_count_fds(void);
void host_exit(int status) __attribute__((noreturn));
pid_t host_fork(void);
void host_tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
			 int end);

#define MAX_PEERS 64

static struct running {
	pid_t pid;
	struct shim_process *process;
	pthread_t thread;
	struct peer self;
	int (*fn)(struct peer *, void *);
	void *arg;
	struct raw srv, cli, oth;
} peers[MAX_PEERS];

static struct running *peer_of(pid_t pid)
{
	for (int i = 0; i < MAX_PEERS; i++)
		if (peers[i].pid == pid)
			return &peers[i];
	shim_panic("peer: there is none with pid %d", pid);
}

struct raw *host_raw(struct raw *global)
{
	for (int i = 0; i < MAX_PEERS; i++)
		if (peers[i].pid && peers[i].process == current->process)
			return global == &srv ? &peers[i].srv : global == &cli ? &peers[i].cli :
								 &peers[i].oth;
	return global;
}

static void *peer_main(void *arg)
{
	struct running *running = arg;

	refcount_inc(&current->process->ref);
	running->process = current->process;
	__atomic_store_n(&running->pid, current->process->pid->nr[0], __ATOMIC_RELEASE);
	return (void *)(intptr_t)running->fn(&running->self, running->arg);
}

void host_peer_start(struct peer *p, int (*fn)(struct peer *, void *), void *arg)
{
	struct running *running = peer_of(0);
	int there[2], back[2];

	ck_assert_int_eq(pipe2(there, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(back, O_CLOEXEC), 0);
	*running = (struct running){
		.self = { .notify = back[1], .hear = there[0] }, .fn = fn, .arg = arg,
		.srv.fd = -1, .cli.fd = -1, .oth.fd = -1,
	};
	ck_assert_int_eq(posix_thread(&running->thread, NULL, NULL, peer_main, running), 0);
	while (!__atomic_load_n(&running->pid, __ATOMIC_ACQUIRE))
		usleep(100);
	*p = (struct peer){ .pid = running->pid, .notify = there[1], .hear = back[0] };
}

static int peer_status(struct peer *p)
{
	struct running *running = peer_of(p->pid);
	void *status;

	ck_assert_int_eq(pthread_join(running->thread, &status), 0);
	close(p->notify);
	close(p->hear);
	close(running->self.notify);
	close(running->self.hear);
	shim_process_put(running->process);
	running->pid = 0;
	return (int)(intptr_t)status;
}

void host_peer_kill(struct peer *p)
{
	posix_kill(peer_of(p->pid)->process);
	peer_status(p);
}

void host_peer_end(struct peer *p)
{
	int status = peer_status(p);

	ck_assert_msg(!status, "the peer ended with %d", status);
}

/* Ends a peer. */
void host_exit(int status)
{
	pthread_exit((void *)(intptr_t)status);
}

pid_t host_fork(void)
{
	ck_abort_msg("this case forks: put it into posix/skip.inc");
}

/* Counts the descriptors directly. Subtracting descriptors in flight from a total would race with
 * a worker that closes a descriptor between the two counts. */
int host_count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < IN_FLIGHT; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- Cases that need a real kernel ---------------------------------------- */

static const char *const skipped[] = {
#include "skip.inc"
};

void host_tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
			 int end)
{
	for (size_t i = 0; i < ARRAY_SIZE(skipped); i++)
		if (!strcmp(skipped[i], test->name)) {
			printf("needs a real kernel: %s\n", test->name);
			return;
		}
	_tcase_add_test(tc, test, signal, exit_value, start, end);
}
