// SPDX-License-Identifier: MIT
/*
 * ipcbus by raw ioctl: each side makes a single IPCBUS_IOC_EXCHANGE in a round, which releases the
 * last buffer, sends and waits. The server's node is handle 0 of the bus, so no servicemanager may
 * run. The last message of a batch of oneways is sent by the exchange that waits. All messages that
 * have arrived are received together (IPCBUS_MORE).
 *
 * The same through ipcbusd uses the part of libipc that passes ioctls to a daemon.
 */
#include "ipcbus-raw.h"

#include "device/device-daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define REGION_SIZE	(4 * BENCH_MAX_SIZE)

static int do_ioctl(struct ipcbus_state *s, unsigned long request, void *arg)
{
	if (s->link)
		return daemon_ioctl_of(s->link, 0, request, arg);
	return ioctl(s->fd, request, arg) < 0 ? -errno : 0;
}

static void clear_send(struct ipcbus_state *s)
{
	s->x.send = (struct ipcbus_send){ .kind = IPCBUS_SEND_NONE };
}

/* Releases all buffers of the last exchange. */
static void release_all(struct ipcbus_state *s)
{
	struct ipcbus_exchange *x = &s->x;

	x->release = x->event.buffer;
	x->release_count = x->event.buffer != 0;
	if (!x->event.more)
		return;
	s->release[0] = x->event.buffer;
	for (uint32_t i = 0; i < x->event.more; i++)
		s->release[i + 1] = s->more[i].buffer;
	x->release = (uintptr_t)s->release;
	x->release_count = 1 + x->event.more;
}

int ipcbus_exchange(struct ipcbus_state *s, uint32_t expected)
{
	struct ipcbus_exchange *x = &s->x;
	int r;

	release_all(s);
	x->thread = x->event.thread;
	for (;;) {
		r = do_ioctl(s, IPCBUS_IOC_EXCHANGE, x);
		if (r < 0)
			return r;
		if (x->event.kind != IPCBUS_EVENT_INTERRUPTED)
			break;
		x->release = x->release_count = 0;
		clear_send(s);
	}
	if (x->event.kind == IPCBUS_EVENT_FAILED)
		return x->event.error;
	return x->event.kind == expected ? 0 : -EPROTO;
}

void ipcbus_put_reply(struct ipcbus_state *s)
{
	s->x.send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_REPLY,
		.call = s->x.event.call,
		.data = (uintptr_t)s->reply,
		.data_size = sizeof(s->reply),
	};
}

/* The last message of the batch is sent by the next exchange. */
static int send_batch(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	uint32_t flags = s->x.flags;
	int r = 0;

	s->x.flags = 0;
	for (unsigned int i = 0; i + 1 < c->batch && r == 0; i++) {
		s->x.send = s->sends[i];
		r = ipcbus_exchange(s, IPCBUS_EVENT_NONE);
	}
	s->x.flags = flags;
	s->x.send = s->sends[c->batch - 1];
	return r;
}

/* Examines each event, as a server must. */
static int check_more(const struct ipcbus_state *s)
{
	for (uint32_t i = 0; i < s->x.event.more; i++)
		if (s->more[i].kind != IPCBUS_EVENT_ONEWAY)
			return -EPROTO;
	return 0;
}

static int receive_batch(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i += 1 + s->x.event.more) {
		s->x.more_count = c->batch - 1 - i;
		r = ipcbus_exchange(s, IPCBUS_EVENT_ONEWAY);
		if (r == 0)
			r = check_more(s);
		clear_send(s);
	}
	return r;
}

static void fill_batch(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;

	for (unsigned int i = 0; i < c->batch; i++)
		s->sends[i] = (struct ipcbus_send){
			.kind = IPCBUS_SEND_ONEWAY,
			.handle = s->peer,
			.data = (uintptr_t)c->request,
			.data_size = c->size,
		};
}

static int open_daemon(struct ipcbus_state *s)
{
	const void *region;
	int r;

	r = daemon_open(getenv("IPCBUS_BUS"), &s->link);
	if (r == 0)
		r = daemon_map(s->link, REGION_SIZE, &region);
	if (r < 0)
		return bench_fail("connect to ipcbusd", r);
	s->region = region;
	return 0;
}

static int open_device(struct ipcbus_state *s)
{
	const char *path = getenv("IPCBUS_BUS");
	void *region;

	s->fd = open(path ? path : "/dev/ipcbus", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return bench_fail("open the device (is ipcbus.ko loaded?)", -errno);
	region = mmap(NULL, REGION_SIZE, PROT_READ, MAP_SHARED, s->fd, 0);
	if (region == MAP_FAILED)
		return -errno;
	s->region = region;
	return 0;
}

static int open_bus(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;

	s->x.size = sizeof(s->x);
	s->x.flags = IPCBUS_WAIT | IPCBUS_SERVE;
	if (c->batch > 1) {
		s->x.flags |= IPCBUS_MORE;
		s->x.more = (uintptr_t)s->more;
	}
	return c->daemon ? open_daemon(s) : open_device(s);
}

int ipcbus_create_node(struct ipcbus_state *s, uint64_t *ret_node)
{
	struct ipcbus_node node = { .size = sizeof(node) };
	int r;

	r = do_ioctl(s, IPCBUS_IOC_NODE_CREATE, &node);
	if (r == 0)
		*ret_node = node.node;
	return r;
}

static int become_manager(struct ipcbus_state *s)
{
	struct ipcbus_node node = { .size = sizeof(node) };
	uint64_t id = 0;
	int r;

	r = ipcbus_create_node(s, &id);
	if (r < 0)
		return r;
	node.node = id;
	r = do_ioctl(s, IPCBUS_IOC_SET_MANAGER, &node);
	return r < 0 ? bench_fail("become handle 0 (does a service manager run?)", r) : 0;
}

/* Takes the client's node out of its first call. */
static int meet_client(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	const struct ipcbus_object *object;
	int r;

	r = ipcbus_exchange(s, IPCBUS_EVENT_CALL);
	if (r < 0)
		return r;
	if (s->x.event.object_count != 1)
		return -EPROTO;
	object = (const void *)(s->region + s->x.event.objects);
	s->peer = object->value;
	ipcbus_put_reply(s);
	fill_batch(c);
	return 0;
}

static int serve_batches(struct bench_case *c)
{
	int r;

	r = meet_client(c);
	while (r == 0) {
		r = receive_batch(c);
		if (r == 0)
			r = send_batch(c);
	}
	return r;
}

int ipcbus_serve_calls(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	int r;

	for (;;) {
		r = ipcbus_exchange(s, IPCBUS_EVENT_CALL);
		if (r < 0)
			return r;
		bench_spin(c->work);
		ipcbus_put_reply(s);
	}
}

int ipcbus_start(struct bench_case *c)
{
	int r;

	r = open_bus(c);
	return r < 0 ? r : become_manager(c->state);
}

static int ipcbus_serve(struct bench_case *c)
{
	int r;

	r = ipcbus_start(c);
	if (r == 0)
		r = bench_ready(c);
	if (r < 0)
		return r;
	return c->batch ? serve_batches(c) : ipcbus_serve_calls(c);
}

/* Passes a node to the server, which sends oneways back to it. */
static int meet_server(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_NODE };
	uint64_t node = 0;
	int r;

	r = ipcbus_create_node(s, &node);
	if (r < 0)
		return r;
	object.value = node;
	s->x.send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL,
		.object_count = 1,
		.objects = (uintptr_t)&object,
	};
	r = ipcbus_exchange(s, IPCBUS_EVENT_REPLY);
	clear_send(s);
	return r;
}

int ipcbus_connect(struct bench_case *c)
{
	int r;

	r = open_bus(c);
	if (r < 0 || c->batch == 0)
		return r;
	fill_batch(c);
	return meet_server(c);
}

int ipcbus_round(struct bench_case *c)
{
	struct ipcbus_state *s = c->state;
	int r;

	if (c->batch) {
		r = send_batch(c);
		return r < 0 ? r : receive_batch(c);
	}
	s->x.send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL,
		.handle = s->peer,
		.data = (uintptr_t)c->request,
		.data_size = c->size,
	};
	return ipcbus_exchange(s, IPCBUS_EVENT_REPLY);
}

const struct bench_transport bench_ipcbus = {
	.name = "ipcbus",
	.call = "call",
	.state_size = sizeof(struct ipcbus_state),
	.has_oneway = true,
	.has_beside = true,
	.many = true,
	.exists = bench_driver_exists,
	.serve = ipcbus_serve,
	.connect = ipcbus_connect,
	.round = ipcbus_round,
};

const struct bench_transport bench_daemon_raw = {
	.name = "ipcbusd",
	.call = "raw",
	.state_size = sizeof(struct ipcbus_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = bench_daemon_start,
	.serve = ipcbus_serve,
	.connect = ipcbus_connect,
	.round = ipcbus_round,
};
