// SPDX-License-Identifier: MIT
/*
 * Calls of the raw transport on a bus with many objects. A call must cost the same as on an empty
 * bus; bench/test-flat compares. The calls have 4 and 1,024 bytes in turn, so that no call gets the
 * buffer of the previous call.
 *
 *   alone       no load
 *   handles     the client has 10,000 handles, the server their nodes; the last of them is called
 *   procs       1,000 more processes have the bus open
 *   queued      100,000 oneways are queued in other regions
 *   fragmented  the server's region has 2,000 holes between buffers in use
 */
#include "ipcbus-raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define HANDLES	  10000
#define PROCS	  1000
#define QUEUED	  100000
/* Several, because a proc has a limit of oneways. */
#define RECEIVERS 13
#define HOLES	  2000
#define HOLE_SIZE 512
#define LARGE_SIZE 1024

static int open_proc(void)
{
	int fd = open("/dev/ipcbus", O_RDWR | O_CLOEXEC);

	if (fd < 0 || mmap(NULL, BENCH_MAX_SIZE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		return -errno;
	return fd;
}

/* Sends a call of size bytes without waiting for it, from a proc of the same process, with a node
 * unless node is 0. The manager receives the call, and replies in its next exchange. */
static int take_call(struct ipcbus_state *s, int fd, uint64_t node, size_t size)
{
	static const char data[HOLE_SIZE];
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_NODE, .value = node };
	struct ipcbus_exchange x = {
		.size = sizeof(x),
		.send = {
			.kind = IPCBUS_SEND_CALL,
			.flags = IPCBUS_SEND_ASYNC,
			.cookie = 1,
			.data = (uintptr_t)data,
			.data_size = size,
			.object_count = !!node,
			.objects = (uintptr_t)&object,
		},
	};
	int r;

	if (ioctl(fd, IPCBUS_IOC_EXCHANGE, &x) < 0)
		return bench_fail("a call", -errno);
	r = ipcbus_exchange(s, IPCBUS_EVENT_CALL);
	ipcbus_put_reply(s);
	return r;
}

/* --- Handles ----------------------------------------------------------------------------- */

/* Replies to the first calls contain as many new nodes as fit. */
static int hand_out(struct ipcbus_state *s, struct ipcbus_object *objects)
{
	uint64_t node = 0;
	int r;

	r = ipcbus_exchange(s, IPCBUS_EVENT_CALL);
	for (unsigned int i = 0; i < IPCBUS_MAX_OBJECTS && r == 0; i++) {
		r = ipcbus_create_node(s, &node);
		objects[i] = (struct ipcbus_object){ .type = IPCBUS_OBJECT_NODE, .value = node };
	}
	ipcbus_put_reply(s);
	s->x.send.object_count = IPCBUS_MAX_OBJECTS;
	s->x.send.objects = (uintptr_t)objects;
	return r;
}

static int serve_handles(struct bench_case *c)
{
	static struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
	struct ipcbus_state *s = c->state;
	int r;

	r = ipcbus_start(c);
	if (r == 0)
		r = bench_ready(c);
	for (unsigned int n = 0; n < HANDLES && r == 0; n += IPCBUS_MAX_OBJECTS)
		r = hand_out(s, objects);
	return r < 0 ? r : ipcbus_serve_calls(c);
}

static int take_handles(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	const struct ipcbus_object *objects;
	uint32_t last = 0;
	int r;

	r = ipcbus_connect(c);
	for (unsigned int n = 0; n < HANDLES && r == 0; n += IPCBUS_MAX_OBJECTS) {
		r = ipcbus_round(c);
		if (r == 0 && s->x.event.object_count != IPCBUS_MAX_OBJECTS)
			r = -EPROTO;
		if (r < 0)
			break;
		objects = (const void *)(s->region + s->x.event.objects);
		last = (uint32_t)objects[IPCBUS_MAX_OBJECTS - 1].value;
	}
	s->peer = last;
	return r;
}

/* --- Procs ------------------------------------------------------------------------------- */

static int create_procs(struct bench_case *c)
{
	struct rlimit files = { PROCS + 100, PROCS + 100 };
	int fd;

	(void)c;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	for (unsigned int n = 0; n < PROCS; n++) {
		fd = open_proc();
		if (fd < 0)
			return fd;
	}
	return 0;
}

static int serve_plainly(struct bench_case *c)
{
	int r;

	r = ipcbus_start(c);
	if (r == 0)
		r = bench_ready(c);
	return r < 0 ? r : ipcbus_serve_calls(c);
}

/* --- Oneways ----------------------------------------------------------------------------- */

/* Raises the limit of calls and oneways that a user may have queued. */
static int raise_limit(void)
{
	FILE *limit = fopen("/sys/module/ipcbus/parameters/user_calls", "we");
	int r = 0;

	if (!limit)
		return -errno;
	if (fprintf(limit, "%d\n", 2 * QUEUED) < 0)
		r = -EIO;
	return fclose(limit) == 0 ? r : -errno;
}

static int send_oneways(int fd, uint32_t handle, unsigned int n)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x),
		.send = { .kind = IPCBUS_SEND_ONEWAY, .handle = handle },
	};

	for (unsigned int i = 0; i < n; i++)
		if (ioctl(fd, IPCBUS_IOC_EXCHANGE, &x) < 0)
			return bench_fail("a oneway", -errno);
	return 0;
}

/* Passes a handle of a new proc's node to the manager. */
static int meet_receiver(struct ipcbus_state *s, uint32_t *ret_handle)
{
	struct ipcbus_node node = { .size = sizeof(node) };
	const struct ipcbus_object *taken;
	int fd, r;

	fd = open_proc();
	if (fd < 0)
		return fd;
	if (ioctl(fd, IPCBUS_IOC_NODE_CREATE, &node) < 0)
		return -errno;
	r = take_call(s, fd, node.node, 0);
	if (r < 0)
		return r;
	taken = (const void *)(s->region + s->x.event.objects);
	*ret_handle = (uint32_t)taken->value;
	return 0;
}

static int serve_queued(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	uint32_t handle = 0;
	int r;

	r = raise_limit();
	if (r == 0)
		r = ipcbus_start(c);
	for (unsigned int i = 0; i < RECEIVERS && r == 0; i++) {
		r = meet_receiver(s, &handle);
		if (r == 0)
			r = send_oneways(s->fd, handle, QUEUED / RECEIVERS + 1);
	}
	if (r == 0)
		r = bench_ready(c);
	return r < 0 ? r : ipcbus_serve_calls(c);
}

/* --- A fragmented region ----------------------------------------------------------------- */

/* Releases every second buffer, with the next exchange. */
static int make_holes(struct ipcbus_state *s)
{
	int fd = open_proc(), r = fd < 0 ? fd : 0;

	for (unsigned int i = 0; i < 2 * HOLES && r == 0; i++) {
		r = take_call(s, fd, /* node= */ 0, HOLE_SIZE);
		if (i % 2)
			s->x.event.buffer = 0;
	}
	return r;
}

static int serve_fragmented(struct bench_case *c)
{
	int r;

	r = ipcbus_start(c);
	if (r == 0)
		r = make_holes(c->state);
	if (r == 0)
		r = bench_ready(c);
	return r < 0 ? r : ipcbus_serve_calls(c);
}

static int call_in_turn(struct bench_case *c)
{
	const size_t size = c->size;
	static bool large;
	int r;

	if (large)
		c->size = LARGE_SIZE;
	large = !large;
	r = ipcbus_round(c);
	c->size = size;
	return r;
}

#define CROWD(NAME)                                                                               \
	.name = "ipcbus", .call = NAME, .state_size = sizeof(struct ipcbus_state), .max_size = 4, \
	.round = call_in_turn

const struct bench_transport bench_alone = {
	CROWD("alone"),
	.serve = serve_plainly,
	.connect = ipcbus_connect,
};

const struct bench_transport bench_handles = {
	CROWD("handles"),
	.serve = serve_handles,
	.connect = take_handles,
};

const struct bench_transport bench_procs = {
	CROWD("procs"),
	.create = create_procs,
	.serve = serve_plainly,
	.connect = ipcbus_connect,
};

const struct bench_transport bench_queued = {
	CROWD("queued"),
	.serve = serve_queued,
	.connect = ipcbus_connect,
};

const struct bench_transport bench_fragmented = {
	CROWD("fragmented"),
	.serve = serve_fragmented,
	.connect = ipcbus_connect,
};
