// SPDX-License-Identifier: MIT
/*
 * Each case has a process of its own, the client. Its children are the server, the daemon,
 * computing processes and further clients. The kernel kills the children when the client ends.
 */
#define _GNU_SOURCE
#include "pair.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A case is ended after this time, in case its two sides wait for each other. */
#define CASE_SECONDS 60

int bench_fail(const char *what, int code)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-code));
	return code;
}

const char *bench_program(const char *name)
{
	static char path[PATH_MAX];
	const size_t most = sizeof(path) - strlen(name);
	ssize_t n = readlink("/proc/self/exe", path, most);

	if (n < 0 || (size_t)n == most)
		return "";
	path[n] = 0;
	*strrchr(path, '/') = 0;
	strcpy(strrchr(path, '/') + 1, name);
	return path;
}

int bench_ready(struct bench_case *c)
{
	ssize_t n;

	n = write(c->ready_fd, "", 1);
	close(c->ready_fd);
	return n == 1 ? 0 : -EPIPE;
}

bool bench_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at && (at = strstr(at, name)); at += length)
		if ((at == list || at[-1] == ',') && (!at[length] || at[length] == ','))
			return true;
	return !list;
}

static int wait_ready(int fd)
{
	char byte;
	ssize_t n;

	n = read(fd, &byte, 1);
	close(fd);
	return n == 1 ? 0 : -ENOTCONN;
}

/* Computes until the case ends. Never returns. */
static void compute(void)
{
	for (;;)
		bench_spin(ULONG_MAX);
}

/* Calls until the case ends. Never returns. */
static void call(struct bench_case *c)
{
	int r;

	r = c->transport->connect ? c->transport->connect(c) : 0;
	while (r == 0) {
		r = c->transport->round(c);
		if (c->calls_beside)
			__atomic_fetch_add(&c->calls_beside[c->client - 1], 1, __ATOMIC_RELAXED);
	}
	bench_fail("a client beside", r);
	_exit(1);
}

static int fork_beside(struct bench_case *c)
{
	const struct bench_beside *beside = c->beside;

	if (!beside)
		return 0;
	for (unsigned int i = 0; i < beside->hog + beside->clients; i++) {
		c->pids_beside[i] = fork();
		if (c->pids_beside[i] < 0)
			return -errno;
		if (c->pids_beside[i] > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (i < beside->hog)
			compute();
		c->client = 1 + i - beside->hog;
		if (c->client <= beside->bus)
			setenv("IPC_CHANNELS", "0", 1);
		call(c);
	}
	return 0;
}

static void end_process(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int use_cpu(int cpu)
{
	cpu_set_t cpus;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) < 0 ? -errno : 0;
}

/* Returns only in the client. */
static int fork_server(struct bench_case *c, int *ret_ready)
{
	int ready[2], r;

	if (pipe(ready) < 0)
		return -errno;
	c->server = fork();
	if (c->server < 0)
		return -errno;
	if (c->server > 0) {
		close(ready[1]);
		*ret_ready = ready[0];
		return 0;
	}
	close(ready[0]);
	c->ready_fd = ready[1];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = use_cpu(c->server_cpu);
	if (r == 0)
		r = c->transport->serve(c);
	bench_fail("the server", r);
	_exit(1);
}

static int run_client(struct bench_case *c, bench_client *client, const void *userdata)
{
	int ready = -1, r;

	alarm(CASE_SECONDS);
	c->state = calloc(1, c->transport->state_size);
	if (!c->state)
		return -ENOMEM;
	r = c->transport->create ? c->transport->create(c) : 0;
	if (r == 0)
		r = fork_server(c, &ready);
	if (r < 0)
		return r;
	r = wait_ready(ready);
	if (r == 0)
		r = fork_beside(c);
	if (r == 0)
		r = use_cpu(c->client_cpu);
	if (r == 0 && c->transport->connect)
		r = c->transport->connect(c);
	if (r == 0)
		r = client(c, userdata);
	/* End the clients first, because they would report the end of the server. */
	for (size_t i = 0; i < BENCH_MAX_BESIDE; i++)
		end_process(c->pids_beside[i]);
	/* The server and daemon of the next case must not meet these. */
	end_process(c->server);
	end_process(c->daemon);
	return r;
}

int bench_pair_run(struct bench_case *c, bench_client *client, const void *userdata)
{
	int status, r;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		r = run_client(c, client, userdata);
		_exit(r < 0 ? -r : 0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : -EINTR;
	return -WEXITSTATUS(status);
}
