// SPDX-License-Identifier: MIT
/*
 * See ops.h.
 */
#define _GNU_SOURCE
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Results of a step for the next step. */
static struct ipcbus_event event;
static uint64_t id;
static int file;
static pid_t child;

static void nop(struct world *w)
{
	(void)w;
}

static void call(struct world *w)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 77,
	};

	send_message(w->cli, &send);
}

/* Realtime, so that the server takes this call next. */
static void call_first(struct world *w)
{
	run_as(INT_MIN);
	call(w);
	run_as(0);
}

static void take_call(struct world *w)
{
	take_event(w->srv, IPCBUS_EVENT_CALL, &event);
}

static void reply(struct world *w)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_REPLY, .call = event.call };

	send_message(w->srv, &send);
}

static void take_reply(struct world *w)
{
	take_event(w->cli, IPCBUS_EVENT_REPLY, &event);
}

static void take_and_reply(struct world *w)
{
	take_call(w);
	reply(w);
	take_reply(w);
}

static void call_and_take(struct world *w)
{
	call_first(w);
	take_call(w);
}

static void reply_and_take(struct world *w)
{
	reply(w);
	take_reply(w);
}

static void call_take_reply(struct world *w)
{
	call_first(w);
	take_call(w);
	reply(w);
}

static void set_realtime(struct world *w)
{
	(void)w;
	run_as(INT_MIN);
}

static void end_realtime(struct world *w)
{
	run_as(0);
	take_and_reply(w);
}

static void cancel(struct world *w)
{
	struct ipcbus_cancel c = { .size = sizeof(c), .cookie = 77 };

	xioctl(w->cli, IPCBUS_IOC_CANCEL, &c, "CANCEL");
}

static void take_failure(struct world *w)
{
	take_event(w->cli, IPCBUS_EVENT_FAILED, &event);
}

static void cancel_and_take(struct world *w)
{
	cancel(w);
	take_failure(w);
}

static void call_info(struct world *w)
{
	struct ipcbus_call_info c = { .size = sizeof(c), .call = event.call };

	xioctl(w->srv, IPCBUS_IOC_CALL_INFO, &c, "CALL_INFO");
}

static void sender_info(struct world *w)
{
	struct ipcbus_sender_info s = { .size = sizeof(s), .call = event.call };

	xioctl(w->srv, IPCBUS_IOC_SENDER_INFO, &s, "SENDER_INFO");
}

/* Handle and node for messages to the client. Its queue has no messages of other users. */
static uint32_t back_handle;
static uint64_t back_node;

static void have_handle(struct world *w)
{
	if (back_handle)
		return;
	back_node = create_node(w->cli);
	back_handle = hand(w, w->oth, w->cli, back_node);
}

static void send_oneway(struct world *w)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY, .handle = back_handle };

	send_message(w->oth, &send);
}

static void have_oneway(struct world *w)
{
	have_handle(w);
	send_oneway(w);
}

static void take_oneway(struct world *w)
{
	take_event(w->cli, IPCBUS_EVENT_ONEWAY, &event);
}

static void have_taken_oneway(struct world *w)
{
	have_oneway(w);
	take_oneway(w);
}

static void release(struct world *w)
{
	release_buffer(w->cli, event.buffer);
}

static void take_and_release(struct world *w)
{
	take_oneway(w);
	release(w);
}

/* --- Oneways with little or no space ------------------------------------------------- */

static char large[64 << 10];
static uint32_t full_handle;

static int try_to_send(int fd, uint32_t handle, size_t size)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .send = {
			.kind = IPCBUS_SEND_ONEWAY, .handle = handle, .data = (uintptr_t)large,
			.data_size = size,
		},
	};

	return ioctl(fd, IPCBUS_IOC_EXCHANGE, &x) < 0 ? -errno : 0;
}

static void have_full(struct world *w)
{
	int fd;

	if (full_handle)
		return;
	fd = open_proc(4096);
	full_handle = hand(w, w->cli, fd, create_node(fd));
	if (try_to_send(w->cli, full_handle, 2048))
		fail("a oneway", errno);
}

static void send_in_vain(struct world *w)
{
	if (try_to_send(w->cli, full_handle, 2048) != -EAGAIN)
		fail("a oneway found space", errno);
}

static void take_of_flood(struct world *w)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};

	xioctl(w->srv, IPCBUS_IOC_EXCHANGE, &x, "a wait");
	event = x.event;
}

static void release_of_flood(struct world *w)
{
	if (event.buffer)
		release_buffer(w->srv, event.buffer);
}

static void do_nothing(struct world *w)
{
	(void)w;
	sleep(1);
}

static void node_create(struct world *w)
{
	id = create_node(w->cli);
}

static void node_destroy(struct world *w)
{
	destroy_node(w->cli, id);
}

static void node_of_flooded(struct world *w)
{
	id = create_node(w->srv);
}

static void destroy_of_flooded(struct world *w)
{
	destroy_node(w->srv, id);
}

static void node_info(struct world *w)
{
	struct ipcbus_node_info n = { .size = sizeof(n), .node = w->node };

	xioctl(w->srv, IPCBUS_IOC_NODE_INFO, &n, "NODE_INFO");
}

static void watch(struct world *w)
{
	struct ipcbus_handle h = { .size = sizeof(h), .cookie = 5 };

	xioctl(w->cli, IPCBUS_IOC_WATCH, &h, "WATCH");
}

static void unwatch(struct world *w)
{
	struct ipcbus_handle h = { .size = sizeof(h) };

	xioctl(w->cli, IPCBUS_IOC_UNWATCH, &h, "UNWATCH");
}

static void new_handle(struct world *w)
{
	id = hand(w, w->cli, w->oth, create_node(w->oth));
}

static void handle_put(struct world *w)
{
	struct ipcbus_handle h = { .size = sizeof(h), .handle = id, .count = 1 };

	xioctl(w->cli, IPCBUS_IOC_HANDLE_PUT, &h, "HANDLE_PUT");
}

static void info(struct world *w)
{
	struct ipcbus_info i = { .size = sizeof(i) };

	xioctl(w->cli, IPCBUS_IOC_INFO, &i, "INFO");
}

static void thread_exit(struct world *w)
{
	if (ioctl(w->cli, IPCBUS_IOC_THREAD_EXIT, NULL) < 0)
		fail("THREAD_EXIT", errno);
}

static void be_thread(struct world *w)
{
	take_event(w->cli, IPCBUS_EVENT_NONE, &event);
}

static void poll_client(struct world *w)
{
	struct pollfd p = { .fd = w->cli, .events = POLLIN };

	poll(&p, 1, 0);
}

static void monitor_on(struct world *w)
{
	struct ipcbus_monitor m = { .size = sizeof(m), .flags = IPCBUS_MONITOR_FAILURES };

	if (ioctl(w->cli, IPCBUS_IOC_MONITOR, &m) < 0 && errno != EDQUOT)
		fail("MONITOR", errno);
}

static void monitor_off(struct world *w)
{
	struct ipcbus_monitor m = { .size = sizeof(m) };

	xioctl(w->cli, IPCBUS_IOC_MONITOR, &m, "MONITOR");
}

static void open_file(struct world *w)
{
	(void)w;
	file = open_proc(1 << 16);
}

static void close_file(struct world *w)
{
	(void)w;
	close(file);
}

/* Starts a process with a file on the bus, which will be frozen. */
static void start_child(struct world *w)
{
	int up[2];
	char c;

	(void)w;
	if (pipe(up) < 0)
		fail("a pipe", errno);
	child = fork();
	if (!child) {
		open_proc(1 << 16);
		if (write(up[1], "", 1) == 1)
			for (;;)
				pause();
	}
	if (child < 0 || read(up[0], &c, 1) != 1)
		fail("a child", errno);
	close(up[0]);
	close(up[1]);
}

static void end_child(struct world *w)
{
	(void)w;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void freeze(struct world *w)
{
	struct ipcbus_freeze f = { .size = sizeof(f), .pid = child };

	xioctl(w->cli, IPCBUS_IOC_FREEZE, &f, "FREEZE");
}

static void thaw(struct world *w)
{
	struct ipcbus_freeze f = { .size = sizeof(f), .pid = child, .flags = IPCBUS_FREEZE_THAW };

	xioctl(w->cli, IPCBUS_IOC_FREEZE, &f, "FREEZE");
}

static void frozen_child(struct world *w)
{
	start_child(w);
	freeze(w);
}

/* Freezes this process, which has most of the procs. */
static void freeze_all(struct world *w)
{
	struct ipcbus_freeze f = { .size = sizeof(f), .pid = getpid() };

	if (ioctl(w->cli, IPCBUS_IOC_FREEZE, &f) < 0 && errno != EAGAIN)
		fail("FREEZE", errno);
}

static void thaw_all(struct world *w)
{
	struct ipcbus_freeze f = {
		.size = sizeof(f), .pid = getpid(), .flags = IPCBUS_FREEZE_THAW,
	};

	xioctl(w->cli, IPCBUS_IOC_FREEZE, &f, "FREEZE");
}

static void read_file(const char *path)
{
	static char text[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		fail(path, errno);
	do {
		n = read(fd, text, sizeof(text));
	} while (n > 0);
	close(fd);
}

static void read_state(struct world *w)
{
	(void)w;
	read_file("/sys/kernel/debug/ipcbus/state");
}

static void read_transactions(struct world *w)
{
	(void)w;
	read_file("/sys/kernel/debug/ipcbus/transactions");
}

static void read_fdinfo(struct world *w)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", w->cli);
	read_file(path);
}

static void reclaim(struct world *w)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	(void)w;
	if (write(fd, "2\n", 2) != 2)
		fail("drop_caches", errno);
	close(fd);
}

static void destroy_server_node(struct world *w)
{
	destroy_node(w->srv, w->node);
}

static void become_manager(struct world *w)
{
	struct ipcbus_node n = { .size = sizeof(n) };

	w->node = create_node(w->srv);
	n.node = w->node;
	xioctl(w->srv, IPCBUS_IOC_SET_MANAGER, &n, "SET_MANAGER");
}

static void close_flooded(struct world *w)
{
	close(w->oth);
}

static void close_server(struct world *w)
{
	close(w->srv);
}

static void close_procs(struct world *w)
{
	for (unsigned int i = 0; i < w->proc_count; i++)
		close(w->procs[i]);
}

const struct op ops[] = {
	{ "call", NULL, call, cancel_and_take, NULL, 0 },
	{ "call, realtime", set_realtime, call, end_realtime, NULL, 0 },
	{ "wait that takes a call", call_first, take_call, reply_and_take, NULL, 0 },
	{ "reply", call_and_take, reply, take_reply, NULL, 0 },
	{ "wait that takes a reply", call_take_reply, take_reply, NULL, NULL, 0 },
	{ "cancel", call, cancel, take_failure, "looks at each thread of the proc", 0 },
	{ "call info", call_and_take, call_info, reply_and_take, NULL, 0 },
	{ "sender info", call_and_take, sender_info, reply_and_take, NULL, 0 },
	{ "oneway", have_handle, send_oneway, take_and_release, NULL, 0 },
	{ "oneway without space", have_full, send_in_vain, NULL, NULL, 0 },
	{ "wait that takes a oneway", have_oneway, take_oneway, release, NULL, 0 },
	{ "release", have_taken_oneway, release, NULL, "wakes all polling senders", 0 },
	{ "node create", NULL, node_create, node_destroy, NULL, 0 },
	{ "node destroy", node_create, node_destroy, NULL, NULL, 0 },
	{ "node destroy, flooded proc", node_of_flooded, destroy_of_flooded, NULL,
	  "wakes all polling senders", 0 },
	{ "node info", NULL, node_info, NULL, NULL, 0 },
	{ "watch", NULL, watch, unwatch, NULL, 0 },
	{ "unwatch", watch, unwatch, NULL, NULL, 0 },
	{ "handle put", new_handle, handle_put, NULL, NULL, 0 },
	{ "info", NULL, info, NULL, NULL, 0 },
	{ "thread exit", be_thread, thread_exit, NULL, NULL, 0 },
	{ "poll", NULL, poll_client, NULL, NULL, 0 },
	{ "monitor on", NULL, monitor_on, monitor_off, NULL, 0 },
	{ "monitor off", monitor_on, monitor_off, NULL, NULL, 0 },
	{ "open", NULL, open_file, close_file, NULL, 0 },
	{ "close", open_file, close_file, NULL, NULL, 0 },
	{ "freeze", start_child, freeze, end_child, "looks at each proc of the bus", 0 },
	{ "thaw", frozen_child, thaw, end_child, "looks at each proc of the bus", 0 },
	{ "read fdinfo", NULL, read_fdinfo, NULL, NULL, 0 },
	{ "read state", NULL, read_state, NULL, "shows all", ONCE },
	{ "read transactions", NULL, read_transactions, NULL, "shows all", ONCE },
	{ "reclaim", NULL, reclaim, NULL, "looks at each region", ONCE },
	{ "release, flooded region", take_of_flood, release_of_flood, NULL,
	  "wakes all polling senders", 0 },
	{ "kernel threads, in a second without operations", NULL, do_nothing, NULL,
	  "they look at threads that keep events", ONCE | KERNEL },
	{ "freeze all", NULL, freeze_all, thaw_all, "all procs of a process", ONCE },
	{ "node destroy, of the flood", NULL, destroy_server_node, NULL, "ends all for the node",
	  ONCE },
	{ "become manager", NULL, become_manager, NULL, "notifies all watchers", ONCE },
	{ "close of a flooded proc, or of objects with remote references", NULL, close_flooded, NULL, "ends all", ONCE },
	{ "close of the server", NULL, close_server, NULL, "ends all", ONCE },
	{ "close of the procs", NULL, close_procs, NULL, "ends all", ONCE | CLOSE },
	{ "exit", NULL, nop, NULL, "ends all", ONCE | CLOSE },
};

const size_t op_count = sizeof(ops) / sizeof(ops[0]);
_Static_assert(sizeof(ops) / sizeof(ops[0]) <= MAX_OPS, "figures");
