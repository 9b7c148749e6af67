// SPDX-License-Identifier: MIT
/*
 * The server and the client of the whole-program tests; see fixture.h. Processes are in process.c,
 * the server's handlers in server.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

/* --- The server ---------------------------------------------------------------- */

/* As in a program with its own event loop. */
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

static int prepare_usual(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = server_object_new(ipc, &server_handlers, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

int open_server(const struct server_options *options, struct ipc **ret_ipc)
{
	size_t size = options->region_size ? options->region_size : IPC_REGION_DEFAULT;
	int r;

	if (options->uid && setresuid(options->uid, options->uid, options->uid) < 0)
		return -errno;
	r = ipc_open_sized(ret_ipc, NULL, size);
	if (r == 0 && options->threads > 1)
		r = ipc_set_threads(*ret_ipc, options->threads);
	if (r < 0)
		return r;
	return options->prepare ? options->prepare(*ret_ipc) : prepare_usual(*ret_ipc);
}

int serve_until_stop(const struct server_options *options, struct ipc *ipc)
{
	if (options->loop)
		return options->loop(ipc);
	return options->threads ? ipc_run(ipc) : serve_epoll(ipc);
}

pid_t start_serving(int (*prepare)(struct ipc *ipc))
{
	struct server_options options = { .threads = 1, .prepare = prepare };

	return start_server(&options);
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

const struct server_options one_thread = { .threads = 1 };
struct client client;

void client_start(const struct server_options *options)
{
	client.pid = start_server(options);
	client_open(&client);
}

void client_kill_server(void)
{
	kill_server(client.pid);
	client.pid = 0;
}

void client_end(void)
{
	client_close(&client);
	if (client.pid)
		client_kill_server();
}

/* --- Time ---------------------------------------------------------------------- */

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
