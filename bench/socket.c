// SPDX-License-Identifier: MIT
/* A pair of Unix sockets, stream and seqpacket. */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>

/* A packet must fit into the sender's buffer as a whole; so that no writer
 * sleeps half way, streams get as much. An ordinary user gets what the system allows, and
 * sending a larger packet fails. */
static int widen(int fd)
{
	int size = 4 * BENCH_MAX_SIZE, r;

	r = setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (r < 0 && errno == EPERM)
		r = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return r < 0 ? -errno : 0;
}

static int socket_create(struct bench_case *c, int type)
{
	struct stream_state *s = c->state;
	int pair[2] = { -1, -1 }, r;

	if (socketpair(AF_UNIX, type, 0, pair) < 0)
		return -errno;
	r = widen(pair[0]);
	if (r == 0)
		r = widen(pair[1]);
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
	.create = stream_create_seqpacket,
	.serve = stream_serve,
	.round = stream_round,
};
