// SPDX-License-Identifier: MIT
/*
 * Programs with an event loop, through direct channels: a server in epoll as in the guide, a client
 * with async calls in such a loop, and both. Their peer is a pair of packet sockets with a server
 * in epoll. Calls go through generated stubs, as in typed.c.
 */
#include "stream.h"
#include "typed.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop_state {
	struct typed_state typed;
	int epoll;
	bool done;
	int error;
};

static int make_loop(struct loop_state *s, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Waits for an event, and processes what has come. */
static int turn(struct loop_state *s)
{
	struct epoll_event event;
	int r;

	if (epoll_wait(s->epoll, &event, 1, -1) < 0)
		return -errno;
	do
		r = ipc_process(s->typed.ipc);
	while (r > 0);
	return r;
}

static int serve_in_loop(struct bench_case *c)
{
	struct loop_state *s = c->state;
	int r;

	r = typed_listen(&s->typed);
	if (r == 0)
		r = make_loop(s, ipc_get_fd(s->typed.ipc));
	if (r == 0)
		r = bench_ready(c);
	while (r == 0)
		r = turn(s);
	return r;
}

static int connect_loop(struct bench_case *c)
{
	struct loop_state *s = c->state;
	int r = typed_connect(c);

	return r < 0 ? r : make_loop(s, ipc_get_fd(s->typed.ipc));
}

static void came(int code, Bench__PutReply *reply, const struct ipc_error *error, void *userdata)
{
	struct loop_state *s = userdata;

	(void)error;
	s->error = code < 0 ? code : reply->number ? 0 : -EPROTO;
	s->done = true;
}

static int loop_round(struct bench_case *c)
{
	Bench__PutRequest request = BENCH__PUT_REQUEST__INIT;
	struct loop_state *s = c->state;
	int r;

	request.payload.data = (uint8_t *)c->request;
	request.payload.len = c->size;
	s->done = false;
	r = sink_put_async(s->typed.sink, NULL, &request, came, s, NULL);
	while (r == 0 && !s->done)
		r = turn(s);
	return r < 0 ? r : s->error;
}

/* --- The peer ---------------------------------------------------------------------------- */

static int serve_packets(struct bench_case *c)
{
	struct stream_state *s = c->state;
	struct loop_state loop = { 0 };
	struct epoll_event event;
	int r;

	r = make_loop(&loop, s->in[1]);
	if (r == 0)
		r = bench_ready(c);
	while (r == 0) {
		if (epoll_wait(loop.epoll, &event, 1, -1) != 1 ||
		    read(s->in[1], s->buffer, c->size) != (ssize_t)c->size ||
		    write(s->out[1], s->buffer, BENCH_REPLY_SIZE) != BENCH_REPLY_SIZE)
			r = -EIO;
	}
	return r;
}

const struct bench_transport bench_packets_epoll = {
	.name = "seqpacket-epoll",
	.call = "call",
	.state_size = sizeof(struct stream_state),
	.create = stream_create_seqpacket,
	.serve = serve_packets,
	.round = stream_round,
};

const struct bench_transport bench_channels_epoll = {
	.name = "channels-epoll",
	.call = "typed",
	.state_size = sizeof(struct loop_state),
	.many = true,
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = serve_in_loop,
	.connect = typed_connect,
	.round = typed_round,
};

const struct bench_transport bench_channels_client_epoll = {
	.name = "channels-client-epoll",
	.call = "typed",
	.state_size = sizeof(struct loop_state),
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = typed_serve,
	.connect = connect_loop,
	.round = loop_round,
};

const struct bench_transport bench_channels_both_epoll = {
	.name = "channels-both-epoll",
	.call = "typed",
	.state_size = sizeof(struct loop_state),
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = serve_in_loop,
	.connect = connect_loop,
	.round = loop_round,
};
