// SPDX-License-Identifier: MIT
/* A pair of Unix sockets, stream and seqpacket. With several clients, each has its own pair. */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A packet must fit into the sender's buffer as a whole. Streams get as much, so that a writer does
 * not sleep in the middle of a message. An ordinary user gets the maximum of the system, and
 * sending a larger packet fails. */
static int widen(int fd)
{
	int size = 4 * BENCH_MAX_SIZE, r;

	r = setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (r < 0 && errno == EPERM)
		r = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return r < 0 ? -errno : 0;
}

static int make_pair(int type, int *pair)
{
	int r;

	if (socketpair(AF_UNIX, type, 0, pair) < 0)
		return -errno;
	r = widen(pair[0]);
	return r < 0 ? r : widen(pair[1]);
}

static int socket_create(struct bench_case *c, int type)
{
	struct stream_state *s = c->state;
	int pair[2] = { -1, -1 }, r;

	r = make_pair(type, pair);
	if (r < 0)
		return r;
	s->in[0] = s->out[0] = pair[0];
	s->in[1] = s->out[1] = pair[1];
	return stream_init(c);
}

static int stream_create(struct bench_case *c)
{
	return socket_create(c, SOCK_STREAM);
}

int stream_create_seqpacket(struct bench_case *c)
{
	return socket_create(c, SOCK_SEQPACKET);
}

/* --- Several clients of seqpacket --------------------------------------------------------- */

static int create_many(struct bench_case *c)
{
	struct stream_state *s = c->state;
	const unsigned int count = 1 + c->beside->clients;
	int pair[2] = { -1, -1 }, r;

	s->client_ends = calloc(count, sizeof(*s->client_ends));
	s->server_ends = calloc(count, sizeof(*s->server_ends));
	if (!s->client_ends || !s->server_ends)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		r = make_pair(SOCK_SEQPACKET, pair);
		if (r < 0)
			return r;
		s->client_ends[i] = pair[0];
		s->server_ends[i] = (struct pollfd){ .fd = pair[1], .events = POLLIN };
	}
	return stream_init(c);
}

static int seqpacket_create(struct bench_case *c)
{
	return c->beside && c->beside->clients ? create_many(c) : stream_create_seqpacket(c);
}

static int seqpacket_connect(struct bench_case *c)
{
	struct stream_state *s = c->state;

	if (s->client_ends)
		s->in[0] = s->out[0] = s->client_ends[c->client];
	return 0;
}

static int reply_ready(struct bench_case *c)
{
	struct stream_state *s = c->state;

	for (unsigned int i = 0; i < 1 + c->beside->clients; i++) {
		const struct pollfd *end = &s->server_ends[i];

		if (!end->revents)
			continue;
		if (read(end->fd, s->buffer, c->size) != (ssize_t)c->size ||
		    write(end->fd, s->buffer, BENCH_REPLY_SIZE) != BENCH_REPLY_SIZE)
			return -EIO;
	}
	return 0;
}

static int seqpacket_serve(struct bench_case *c)
{
	struct stream_state *s = c->state;
	int r;

	if (!s->server_ends)
		return stream_serve(c);
	r = bench_ready(c);
	while (r == 0) {
		if (poll(s->server_ends, 1 + c->beside->clients, -1) < 0)
			return -errno;
		r = reply_ready(c);
	}
	return r;
}

const struct bench_transport bench_stream = {
	.name = "stream",
	.call = "call",
	.state_size = sizeof(struct stream_state),
	.has_oneway = true,
	.create = stream_create,
	.serve = stream_serve,
	.round = stream_round,
};

const struct bench_transport bench_seqpacket = {
	.name = "seqpacket",
	.call = "call",
	.state_size = sizeof(struct stream_state),
	.has_oneway = true,
	.many = true,
	.create = seqpacket_create,
	.serve = seqpacket_serve,
	.connect = seqpacket_connect,
	.round = stream_round,
};
