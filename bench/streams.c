// SPDX-License-Identifier: MIT
/*
 * Streams of messages of 64 bytes: ordinary ones, and in memory that both processes share. Both
 * sides wait for messages with a thread. The server's object is handle 0, as in ipcbus.c.
 */
#include "bench.h"

#include <errno.h>

#include "bench.ipc.h"

/**
 * struct streams_state - one process's end
 * @ipc: the connection
 * @stream: both directions
 * @send: to the other side
 * @receive: from it
 */
struct streams_state {
	struct ipc *ipc;
	struct ipc_stream *stream;
	int (*send)(struct ipc_stream *stream, uint64_t timeout_usec, const Bench__Tick *tick);
	int (*receive)(struct ipc_stream *stream, uint64_t timeout_usec, const Bench__Tick **tick,
		       struct ipc_error *error);
};

static int send_batch(const struct bench_case *c)
{
	const struct streams_state *s = c->state;
	Bench__Tick tick = BENCH__TICK__INIT;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++) {
		tick.a = i;
		tick.h = ~(uint64_t)i;
		r = s->send(s->stream, IPC_NEVER, &tick);
	}
	return r;
}

static int receive_batch(const struct bench_case *c)
{
	const struct streams_state *s = c->state;
	const Bench__Tick *tick;
	int r;

	for (unsigned int i = 0; i < c->batch; i++) {
		r = s->receive(s->stream, IPC_NEVER, &tick, NULL);
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		if (tick->a != i || tick->h != ~(uint64_t)i)
			return -EPROTO;
	}
	return 0;
}

/* --- The server ------------------------------------------------------------------------ */

static int keep(struct ipc_stream *stream, struct streams_state *s)
{
	s->stream = ipc_stream_ref(stream);
	return 0;
}

static int play(struct ipc_stream *stream, void *userdata)
{
	struct streams_state *s = userdata;

	s->send = feed_push_play;
	s->receive = feed_pull_play;
	return keep(stream, s);
}

static int play_shared(struct ipc_stream *stream, void *userdata)
{
	struct streams_state *s = userdata;

	s->send = feed_push_play_shared;
	s->receive = feed_pull_play_shared;
	return keep(stream, s);
}

/* Waits for messages itself, once the client has opened its stream. */
static int streams_serve(struct bench_case *c)
{
	static const struct feed_ops ops = { .play = play, .play_shared = play_shared };
	struct streams_state *s = c->state;
	struct ipc_object *object;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("open the bus", r);
	r = feed_object_new(s->ipc, &ops, s, NULL, &object);
	if (r < 0)
		return r;
	r = ipc_set_manager(s->ipc, object);
	if (r < 0)
		return bench_fail("become handle 0 (does a servicemanager run?)", r);
	r = bench_ready(c);
	while (r >= 0 && !s->stream) {
		r = ipc_wait(s->ipc, IPC_NEVER);
		if (r >= 0)
			r = ipc_process(s->ipc);
	}
	while (r >= 0) {
		r = receive_batch(c);
		if (r == 0)
			r = send_batch(c);
	}
	return r;
}

/* --- The client ------------------------------------------------------------------------ */

static int streams_connect(struct bench_case *c, struct feed **ret_feed)
{
	struct streams_state *s = c->state;
	struct ipc_proxy *proxy;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("open the bus", r);
	r = ipc_get_manager(s->ipc, &proxy);
	if (r == 0)
		*ret_feed = feed_from_proxy(proxy);
	return r;
}

static int ordinary_connect(struct bench_case *c)
{
	struct streams_state *s = c->state;
	struct feed *feed = NULL;
	int r;

	s->send = feed_play_send;
	s->receive = feed_play_receive;
	r = streams_connect(c, &feed);
	return r < 0 ? r : feed_play_open(feed, NULL, &s->stream, NULL);
}

static int shared_connect(struct bench_case *c)
{
	struct streams_state *s = c->state;
	struct feed *feed = NULL;
	int r;

	s->send = feed_play_shared_send;
	s->receive = feed_play_shared_receive;
	r = streams_connect(c, &feed);
	if (r == 0)
		r = feed_play_shared_open(feed, NULL, &s->stream, NULL);
	if (r == 0 && ipc_stream_is_shared(s->stream) != 1)
		r = bench_fail("share the memory of a stream", -EOPNOTSUPP);
	return r;
}

static int streams_round(struct bench_case *c)
{
	int r = send_batch(c);

	return r < 0 ? r : receive_batch(c);
}

const struct bench_transport bench_streams = {
	.name = "ipcbus-stream",
	.state_size = sizeof(struct streams_state),
	.has_oneway = true,
	.serve = streams_serve,
	.connect = ordinary_connect,
	.round = streams_round,
};

const struct bench_transport bench_shared_streams = {
	.name = "ipcbus-shared",
	.state_size = sizeof(struct streams_state),
	.has_oneway = true,
	.has_long = true,
	.serve = streams_serve,
	.connect = shared_connect,
	.round = streams_round,
};

const struct bench_transport bench_daemon_shared_streams = {
	.name = "ipcbusd-shared",
	.state_size = sizeof(struct streams_state),
	.has_oneway = true,
	.has_long = true,
	.exists = bench_daemon_exists,
	.create = bench_daemon_start,
	.serve = streams_serve,
	.connect = shared_connect,
	.round = streams_round,
};
