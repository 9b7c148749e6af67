// SPDX-License-Identifier: MIT
/*
 * Streams of messages of 64 bytes. Both sides wait for messages with a thread. The server's object
 * is handle 0, as in ipcbus.c.
 */
#include "bench.h"

#include <errno.h>

#include "bench.ipc.h"

/**
 * struct streams_state - state of the client or of the server
 * @ipc: the connection
 * @stream: both directions
 * @send: the generated function of this side that sends
 * @receive: the generated function that receives
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

static int play(struct ipc_stream *stream, void *userdata)
{
	struct streams_state *s = userdata;

	s->send = feed_send_play;
	s->receive = feed_receive_play;
	s->stream = ipc_stream_ref(stream);
	return 0;
}

/* Waits on this thread until the client opens its stream, and then for its messages. */
static int streams_serve(struct bench_case *c)
{
	static const struct feed_ops ops = { .play = play };
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
		return bench_fail("become handle 0 (does a service manager run?)", r);
	r = bench_ready(c);
	while (r >= 0 && !s->stream) {
		r = ipc_wait_event(s->ipc, IPC_NEVER);
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

static int streams_connect(struct bench_case *c)
{
	struct streams_state *s = c->state;
	struct ipc_proxy *proxy;
	int r;

	s->send = feed_play_send;
	s->receive = feed_play_receive;
	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("open the bus", r);
	r = ipc_get_manager(s->ipc, &proxy);
	if (r < 0)
		return r;
	return feed_play_open(feed_from_proxy(proxy), NULL, &s->stream, NULL);
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
	.connect = streams_connect,
	.round = streams_round,
};

const struct bench_transport bench_daemon_streams = {
	.name = "ipcbusd-stream",
	.state_size = sizeof(struct streams_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = bench_daemon_start,
	.serve = streams_serve,
	.connect = streams_connect,
	.round = streams_round,
};

const struct bench_transport bench_channels_streams = {
	.name = "channels-stream",
	.state_size = sizeof(struct streams_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = streams_serve,
	.connect = streams_connect,
	.round = streams_round,
};
