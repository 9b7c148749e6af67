// SPDX-License-Identifier: MIT
/*
 * Processes of the whole-program tests. See fixture.h; the server's handlers
 * are in server.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

/* --- The server ---------------------------------------------------------------- */

/* As a program with its own loop would do it. */
static int serve_epoll(struct ipc *ipc)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll, r;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ipc_get_fd(ipc), &event) < 0)
		return -errno;
	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) < 0)
			return -errno;
		while ((r = ipc_process(ipc)) > 0)
			;
		if (r < 0)
			return r;
	}
}

static int open_usual_server(const struct server_options *options, struct ipc **ret_ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	if (options->uid && setresuid(options->uid, options->uid, options->uid) < 0)
		return -errno;
	r = ipc_open_sized(ret_ipc, NULL,
			   options->region_size ? options->region_size : IPC_REGION_DEFAULT);
	if (r < 0)
		return r;
	r = server_object_new(*ret_ipc, &server_handlers, NULL, NULL, &object);
	if (r < 0)
		return r;
	if (options->threads > 1) {
		r = ipc_set_threads(*ret_ipc, options->threads);
		if (r < 0)
			return r;
	}
	return ipc_set_manager(*ret_ipc, object);
}

static int open_server(const struct server_options *options, struct ipc **ret_ipc)
{
	if (options->prepare) {
		size_t size = options->region_size ? options->region_size : IPC_REGION_DEFAULT;
		int r = ipc_open_sized(ret_ipc, NULL, size);

		return r < 0 ? r : options->prepare(*ret_ipc);
	}
	return open_usual_server(options, ret_ipc);
}

/* Says on the pipe how it began; the exit status says how it ended. */
static void run_server(const struct server_options *options, int ready)
{
	struct ipc *ipc = NULL;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = open_server(options, &ipc);
	if (write(ready, &r, sizeof(r)) != sizeof(r) || r < 0)
		_exit(2);
	close(ready);

	if (options->loop)
		r = options->loop(ipc);
	else
		r = options->threads ? ipc_run(ipc) : serve_epoll(ipc);
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

pid_t start_serving(int (*prepare)(struct ipc *ipc))
{
	struct server_options options = { .threads = 1, .prepare = prepare };

	return start_server(&options);
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

/* --- The client ---------------------------------------------------------------- */

void client_open(struct client *client)
{
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_open(&client->ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(client->ipc, &proxy), 0);
	client->server = server_from_proxy(proxy);
}

void client_close(struct client *client)
{
	client->server = server_unref(client->server);
	client->ipc = ipc_unref(client->ipc);
}

/* --- Others --------------------------------------------------------------------- */

void run_child(int (*fn)(void *data), void *data)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(fn(data));
	ck_assert_int_eq(wait_server(pid), 0);
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

int run_tests(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
