// SPDX-License-Identifier: MIT
/*
 * The rounds of each transport that is a pair of fds: see stream.h.
 */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CLIENT, SERVER };

/* Sets up the messages of a batch, and their headers if they are packets. */
static int init_batch(struct bench_case *c)
{
	struct stream_state *s = c->state;
	socklen_t length = sizeof(int);
	int type = 0;

	s->batch = calloc(BENCH_MAX_BATCH, sizeof(*s->batch));
	if (!s->batch)
		return -ENOMEM;
	for (unsigned int i = 0; i < BENCH_MAX_BATCH; i++)
		s->batch[i] = (struct iovec){ (char *)s->buffer + i * c->size, c->size };
	if (getsockopt(s->out[CLIENT], SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
	    type != SOCK_SEQPACKET)
		return 0;
	s->packets = calloc(BENCH_MAX_BATCH, sizeof(*s->packets));
	if (!s->packets)
		return -ENOMEM;
	for (unsigned int i = 0; i < BENCH_MAX_BATCH; i++)
		s->packets[i].msg_hdr = (struct msghdr){ .msg_iov = &s->batch[i], .msg_iovlen = 1 };
	return 0;
}

int stream_init(struct bench_case *c)
{
	struct stream_state *s = c->state;

	s->buffer = malloc(STREAM_BUFFER_SIZE);
	if (!s->buffer)
		return -ENOMEM;
	/* Allocates the pages before the first round. */
	memset(s->buffer, 0, STREAM_BUFFER_SIZE);
	return c->batch ? init_batch(c) : 0;
}

static int write_all(int fd, const void *data, size_t size)
{
	ssize_t n;

	for (size_t done = 0; done < size; done += n) {
		n = write(fd, (const char *)data + done, size - done);
		if (n < 0)
			return -errno;
	}
	return 0;
}

static int read_all(int fd, void *data, size_t size)
{
	ssize_t n;

	for (size_t done = 0; done < size; done += n) {
		n = read(fd, (char *)data + done, size - done);
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
	}
	return 0;
}

static int send_each(struct bench_case *c, int side)
{
	struct stream_state *s = c->state;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++)
		r = write_all(s->out[side], c->request, c->size);
	return r;
}

static int receive_each(struct bench_case *c, int side)
{
	struct stream_state *s = c->state;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++)
		r = read_all(s->in[side], s->buffer, c->size);
	return r;
}

static int send_batch(struct bench_case *c, int side)
{
	struct stream_state *s = c->state;
	size_t all = s->packets ? c->batch : c->batch * c->size;
	ssize_t n;

	if (s->each || c->batch == 1)
		return send_each(c, side);
	n = s->packets ? sendmmsg(s->out[side], s->packets, c->batch, 0) :
			 writev(s->out[side], s->batch, (int)c->batch);
	if (n < 0)
		return -errno;
	/* As for calls, the buffer has space for the whole batch. */
	return (size_t)n == all ? 0 : -EIO;
}

static int receive_packets(struct stream_state *s, int fd, unsigned int count)
{
	int n;

	for (unsigned int done = 0; done < count; done += (unsigned int)n) {
		n = recvmmsg(fd, s->packets, count - done, MSG_WAITFORONE, NULL);
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
	}
	return 0;
}

static int receive_batch(struct bench_case *c, int side)
{
	struct stream_state *s = c->state;
	size_t all = c->batch * c->size;
	ssize_t n;

	if (s->each || c->batch == 1)
		return receive_each(c, side);
	if (s->packets)
		return receive_packets(s, s->in[side], c->batch);
	n = readv(s->in[side], s->batch, (int)c->batch);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	return read_all(s->in[side], s->buffer, all - (size_t)n);
}

static int reply_call(struct bench_case *c)
{
	struct stream_state *s = c->state;
	int r;

	r = read_all(s->in[SERVER], s->buffer, c->size);
	if (r < 0)
		return r;
	bench_spin(c->work);
	return write_all(s->out[SERVER], s->buffer, BENCH_REPLY_SIZE);
}

static int reply_batch(struct bench_case *c)
{
	int r;

	r = receive_batch(c, SERVER);
	if (r < 0)
		return r;
	return send_batch(c, SERVER);
}

int stream_serve(struct bench_case *c)
{
	int r;

	r = bench_ready(c);
	while (r == 0)
		r = c->batch ? reply_batch(c) : reply_call(c);
	return r;
}

int stream_round(struct bench_case *c)
{
	struct stream_state *s = c->state;
	int r;

	if (c->batch) {
		r = send_batch(c, CLIENT);
		return r < 0 ? r : receive_batch(c, CLIENT);
	}
	r = write_all(s->out[CLIENT], c->request, c->size);
	return r < 0 ? r : read_all(s->in[CLIENT], s->buffer, BENCH_REPLY_SIZE);
}
