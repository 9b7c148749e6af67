// SPDX-License-Identifier: MIT
/*
 * The kernel's own binder by raw ioctl, used as libbinder does at best. The server is the context
 * manager. A buffer is released in the same write that sends the next command. A batch of oneways
 * is a single write. No object travels in a round. (For oneways, the client's object is passed
 * before the first round.)
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define REGION_SIZE	(4 * BENCH_MAX_SIZE)
#define CLIENT_COOKIE	1

/**
 * struct binder_state - state of the client or of the server
 * @fd: /dev/binder
 * @peer: the other side's handle
 * @out: commands for the next write
 * @out_size: bytes of @out in use
 * @received: number of transactions and replies in the last read
 * @last: the latest of them; its buffer is not released yet
 * @reply: the bytes of a reply
 */
struct binder_state {
	int fd;
	uint32_t peer;
	unsigned char out[2048];
	size_t out_size;
	unsigned int received;
	struct binder_transaction_data last;
	char reply[BENCH_REPLY_SIZE];
};

static void put_command(struct binder_state *s, uint32_t command, const void *data, size_t size)
{
	memcpy(s->out + s->out_size, &command, sizeof(command));
	memcpy(s->out + s->out_size + sizeof(command), data, size);
	s->out_size += sizeof(command) + size;
}

static void put_free(struct binder_state *s)
{
	binder_uintptr_t buffer = s->last.data.ptr.buffer;

	if (buffer)
		put_command(s, BC_FREE_BUFFER, &buffer, sizeof(buffer));
	s->last.data.ptr.buffer = 0;
}

static void put_message(struct binder_state *s, uint32_t command, uint32_t flags,
			const void *data, size_t size)
{
	struct binder_transaction_data t = {
		.target.handle = s->peer,
		.flags = flags,
		.data_size = size,
		.data.ptr.buffer = (uintptr_t)data,
	};

	put_command(s, command, &t, sizeof(t));
}

/* Handles a command of a read. */
static int take_return(struct binder_state *s, uint32_t command, const void *data)
{
	switch (command) {
	case BR_NOOP:
	case BR_TRANSACTION_COMPLETE:
	case BR_RELEASE:
	case BR_DECREFS:
		return 0;
	case BR_INCREFS:
		put_command(s, BC_INCREFS_DONE, data, sizeof(struct binder_ptr_cookie));
		return 0;
	case BR_ACQUIRE:
		put_command(s, BC_ACQUIRE_DONE, data, sizeof(struct binder_ptr_cookie));
		return 0;
	case BR_TRANSACTION:
	case BR_REPLY:
		memcpy(&s->last, data, sizeof(s->last));
		s->received++;
		return 0;
	case BR_DEAD_REPLY:
		return -EOWNERDEAD;
	default:
		return -EPROTO;
	}
}

/* Writes the pending commands, then sleeps until a read returns commands. */
static int write_read(struct binder_state *s)
{
	unsigned char in[512];
	struct binder_write_read wr = {
		.write_size = s->out_size,
		.write_buffer = (uintptr_t)s->out,
		.read_size = sizeof(in),
		.read_buffer = (uintptr_t)in,
	};
	uint32_t command;
	int r = 0;

	if (ioctl(s->fd, BINDER_WRITE_READ, &wr) < 0)
		return -errno;
	s->out_size = 0;
	for (size_t at = 0; at < wr.read_consumed && r == 0; at += _IOC_SIZE(command)) {
		memcpy(&command, in + at, sizeof(command));
		at += sizeof(command);
		r = take_return(s, command, in + at);
	}
	return r;
}

/* Writes the pending commands and waits for a transaction or a reply. */
static int exchange(struct binder_state *s)
{
	int r = 0;

	for (s->received = 0; s->received == 0 && r == 0;)
		r = write_read(s);
	return r;
}

static void put_batch(struct bench_case *c)
{
	struct binder_state *s = c->state;

	for (unsigned int i = 0; i < c->batch; i++)
		put_message(s, BC_TRANSACTION, TF_ONE_WAY, c->request, c->size);
}

/* The next message of a batch arrives after the previous message was released. */
static int receive_batch(struct bench_case *c)
{
	struct binder_state *s = c->state;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++) {
		r = exchange(s);
		put_free(s);
	}
	return r;
}

static int open_device(struct binder_state *s)
{
	s->fd = open("/dev/binder", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return bench_fail("open /dev/binder (modprobe binder_linux devices=binder)", -errno);
	if (mmap(NULL, REGION_SIZE, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, s->fd, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

/* The context manager of the previous case may still be exiting. */
static int become_manager(struct binder_state *s)
{
	const struct timespec nap = { .tv_nsec = 10000000 };

	for (int tries = 0; ioctl(s->fd, BINDER_SET_CONTEXT_MGR, 0) < 0; tries++) {
		if (errno != EBUSY || tries == 100)
			return -errno;
		nanosleep(&nap, NULL);
	}
	put_command(s, BC_ENTER_LOOPER, NULL, 0);
	return 0;
}

/* Takes the client's object out of its first call. */
static int meet_client(struct bench_case *c)
{
	struct binder_state *s = c->state;
	struct flat_binder_object object;
	int r;

	r = exchange(s);
	if (r < 0)
		return r;
	memcpy(&object, (const void *)(uintptr_t)s->last.data.ptr.buffer, sizeof(object));
	s->peer = object.handle;
	put_command(s, BC_ACQUIRE, &s->peer, sizeof(s->peer));
	put_free(s);
	put_message(s, BC_REPLY, 0, s->reply, sizeof(s->reply));
	return 0;
}

static int serve_batches(struct bench_case *c)
{
	int r;

	r = meet_client(c);
	while (r == 0) {
		r = receive_batch(c);
		put_batch(c);
	}
	return r;
}

static int serve_calls(struct bench_case *c)
{
	struct binder_state *s = c->state;
	int r;

	for (;;) {
		r = exchange(s);
		if (r < 0)
			return r;
		put_free(s);
		put_message(s, BC_REPLY, 0, s->reply, sizeof(s->reply));
	}
}

static int binder_serve(struct bench_case *c)
{
	struct binder_state *s = c->state;
	int r;

	r = open_device(s);
	if (r == 0)
		r = become_manager(s);
	if (r == 0)
		r = bench_ready(c);
	if (r < 0)
		return r;
	return c->batch ? serve_batches(c) : serve_calls(c);
}

static int binder_connect(struct bench_case *c)
{
	struct binder_state *s = c->state;
	static const struct flat_binder_object object = {
		.hdr.type = BINDER_TYPE_BINDER,
		.binder = CLIENT_COOKIE,
		.cookie = CLIENT_COOKIE,
	};
	static const binder_size_t offset;
	struct binder_transaction_data t = {
		.data_size = sizeof(object),
		.offsets_size = sizeof(offset),
		.data.ptr.buffer = (uintptr_t)&object,
		.data.ptr.offsets = (uintptr_t)&offset,
	};
	int r;

	r = open_device(s);
	if (r < 0 || c->batch == 0)
		return r;
	put_command(s, BC_ENTER_LOOPER, NULL, 0);
	put_command(s, BC_TRANSACTION, &t, sizeof(t));
	r = exchange(s);
	put_free(s);
	return r;
}

static int binder_round(struct bench_case *c)
{
	struct binder_state *s = c->state;
	int r;

	if (c->batch) {
		put_batch(c);
		return receive_batch(c);
	}
	put_message(s, BC_TRANSACTION, 0, c->request, c->size);
	r = exchange(s);
	put_free(s);
	return r;
}

const struct bench_transport bench_binder = {
	.name = "binder",
	.call = "call",
	.state_size = sizeof(struct binder_state),
	.has_oneway = true,
	.serve = binder_serve,
	.connect = binder_connect,
	.round = binder_round,
};
