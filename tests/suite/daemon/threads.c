// SPDX-License-Identifier: MIT
/*
 * The daemon must find each thread of a process in a PID namespace while other threads of it start
 * and end thousands of times a second (daemon/pidns.c). It is queried about a thread that has just
 * started, which the kernel's list may leave out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pidns.h"

#define ROUNDS	2000
#define SKIP	77
/* In addition to the thread that is searched. */
#define OTHERS	16

static int asks[2], found[2];

static void *end_soon(void *data)
{
	for (volatile uintptr_t n = (uintptr_t)data; n; n--)
		;
	return NULL;
}

static void *be_found(void *unused)
{
	int tid = gettid();
	char byte;

	if (write(asks[1], &tid, sizeof(tid)) != sizeof(tid) || read(found[0], &byte, 1) != 1)
		_exit(1);
	return unused;
}

static void begin_and_end(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || pthread_attr_init(&attr) ||
	    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED))
		_exit(1);
	for (int round = 0; round < ROUNDS; round++) {
		/* Their durations differ, so that some end while the list is read. */
		for (uintptr_t i = 0; i < OTHERS; i++)
			if (pthread_create(&thread, &attr, end_soon, (void *)(i * 1000)))
				sched_yield();
		if (pthread_create(&thread, NULL, be_found, NULL) || pthread_join(thread, NULL))
			_exit(1);
	}
	_exit(0);
}

int main(void)
{
	int tid, status, n = 0, missed = 0;
	struct pid_numbers numbers;
	pid_t pid;

	if (unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWPID)) {
		printf("SKIP: no PID namespace: %s\n", strerror(errno));
		return SKIP;
	}
	if (pipe(asks) || pipe(found) || (pid = fork()) < 0) {
		perror("threads");
		return 1;
	}
	if (!pid)
		begin_and_end();
	close(asks[1]);
	while (read(asks[0], &tid, sizeof(tid)) == sizeof(tid)) {
		n++;
		missed += pidns_find_thread(pid, tid, &numbers) || numbers.nr[1] != tid;
		if (write(found[1], "", 1) != 1)
			break;
	}
	if (waitpid(pid, &status, 0) != pid || status || n != ROUNDS) {
		printf("%d of %d threads asked\n", n, ROUNDS);
		return 1;
	}
	printf("%d threads, %d not found\n", n, missed);
	return missed != 0;
}
