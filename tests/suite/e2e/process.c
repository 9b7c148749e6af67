// SPDX-License-Identifier: MIT
/*
 * Processes of the whole-program tests, and their runner; see fixture.h. The host build replaces
 * this file by tests/env/host/posix/e2e.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../run-cases.h"
#include "fixture.h"

/* Reports the start on the pipe; the exit status reports the end. */
static void run_server(const struct server_options *options, int ready)
{
	struct ipc *ipc = NULL;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = open_server(options, &ipc);
	if (write(ready, &r, sizeof(r)) != sizeof(r) || r < 0)
		_exit(2);
	close(ready);

	r = serve_until_stop(options, ipc);
	ipc_unref(ipc);
	_exit(r < 0);
}

pid_t start_server(const struct server_options *options)
{
	int ready[2], r = -EPIPE;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		run_server(options, ready[1]);

	close(ready[1]);
	if (read(ready[0], &r, sizeof(r)) != sizeof(r))
		r = -EPIPE;
	close(ready[0]);
	ck_assert_msg(r == 0, "the server does not start: %s", ipc_strerror(r));
	return pid;
}

int wait_server(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

void kill_server(pid_t pid)
{
	kill(pid, SIGKILL);
	wait_server(pid);
}

void run_child(int (*fn)(void *data), void *data)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(fn(data));
	ck_assert_int_eq(wait_server(pid), 0);
}

/* Tests listed in $LEFT_OUT do not run. Blanks separate and surround the names. */
static bool is_left_out(const char *name)
{
	const char *left_out = getenv("LEFT_OUT");
	char word[256];

	snprintf(word, sizeof(word), " %s ", name);
	if (!left_out || !strstr(left_out, word))
		return false;
	fprintf(stderr, "left out:%s1\n", word);
	return true;
}

int run_tests(const char *name, const TTest *const *tests, size_t n)
{
	const TTest *run[n];
	size_t n_run = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_left_out(tests[i]->name))
			run[n_run++] = tests[i];
	return run_cases(name, NULL, client_end, run, n_run);
}
