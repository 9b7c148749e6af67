// SPDX-License-Identifier: MIT
/*
 * The rounds of every transport that is a pair of fds: pipe.c and socket.c fill
 * in the fds and call nothing here but stream_init().
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENT, SERVER };

int stream_init(struct stream_state *s)
{
	s->buffer = malloc(STREAM_BUFFER_SIZE);
	if (!s->buffer)
		return -ENOMEM;
	/* Its pages are there before the first round. */
	memset(s->buffer, 0, STREAM_BUFFER_SIZE);
	return 0;
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

static int send_batch(struct bench_case *c, int side)
{
	struct stream_state *s = c->state;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++)
		r = write_all(s->out[side], c->request, c->size);
	return r;
}

static int receive_batch(struct bench_case *c, int side)
{
	struct stream_state *s = c->state;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++)
		r = read_all(s->in[side], s->buffer, c->size);
	return r;
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
