// SPDX-License-Identifier: MIT
/*
 * Two pipes, one for each direction, as large as a message. With the default of 64 KB the two sides
 * would alternate within a round. pipe-each writes and reads the messages of a batch with separate
 * system calls, as programs do that produce single messages.
 */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int make_pipe(int *ret_in, int *ret_out)
{
	int fds[2];

	if (pipe(fds) < 0)
		return -errno;
	if (fcntl(fds[1], F_SETPIPE_SZ, (int)BENCH_MAX_SIZE) < 0)
		return -errno;
	*ret_in = fds[0];
	*ret_out = fds[1];
	return 0;
}

static int pipe_create(struct bench_case *c)
{
	struct stream_state *s = c->state;
	int r;

	r = make_pipe(&s->in[1], &s->out[0]);
	if (r == 0)
		r = make_pipe(&s->in[0], &s->out[1]);
	return r < 0 ? r : stream_init(c);
}

static int create_for_each(struct bench_case *c)
{
	struct stream_state *s = c->state;

	s->each = true;
	return pipe_create(c);
}

const struct bench_transport bench_pipe = {
	.name = "pipe",
	.call = "call",
	.state_size = sizeof(struct stream_state),
	.has_oneway = true,
	.has_beside = true,
	.create = pipe_create,
	.serve = stream_serve,
	.round = stream_round,
};

const struct bench_transport bench_pipe_each = {
	.name = "pipe-each",
	.state_size = sizeof(struct stream_state),
	.has_oneway = true,
	.create = create_for_each,
	.serve = stream_serve,
	.round = stream_round,
};
