// SPDX-License-Identifier: MIT
/*
 * ZeroMQ: a REQ and a REP socket on a Unix socket. In each process a thread of the library serves
 * it. The server reads the request in the library's buffer; the client copies the reply out.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

struct zeromq_state {
	void *socket;
	char address[64];
};

static int zeromq_create(struct bench_case *c)
{
	struct zeromq_state *s = c->state;

	snprintf(s->address, sizeof(s->address), "ipc://@ipcbus-bench-%d", getpid());
	return 0;
}

static int open_socket(struct zeromq_state *s, int type)
{
	void *context = zmq_ctx_new();

	s->socket = context ? zmq_socket(context, type) : NULL;
	return s->socket ? 0 : -errno;
}

static int reply(struct zeromq_state *s)
{
	static const char data[BENCH_REPLY_SIZE];
	zmq_msg_t request;

	zmq_msg_init(&request);
	if (zmq_msg_recv(&request, s->socket, 0) < 0)
		return -errno;
	zmq_msg_close(&request);
	return zmq_send(s->socket, data, sizeof(data), 0) < 0 ? -errno : 0;
}

static int zeromq_serve(struct bench_case *c)
{
	struct zeromq_state *s = c->state;
	int r;

	r = open_socket(s, ZMQ_REP);
	if (r < 0)
		return r;
	if (zmq_bind(s->socket, s->address) < 0)
		return -errno;
	r = bench_ready(c);
	while (r == 0)
		r = reply(s);
	return r;
}

static int zeromq_connect(struct bench_case *c)
{
	struct zeromq_state *s = c->state;
	int r;

	r = open_socket(s, ZMQ_REQ);
	if (r < 0)
		return r;
	return zmq_connect(s->socket, s->address) < 0 ? -errno : 0;
}

static int zeromq_round(struct bench_case *c)
{
	struct zeromq_state *s = c->state;
	char data[BENCH_REPLY_SIZE];
	int n;

	if (zmq_send(s->socket, c->request, c->size, 0) < 0)
		return -errno;
	n = zmq_recv(s->socket, data, sizeof(data), 0);
	if (n < 0)
		return -errno;
	return n == BENCH_REPLY_SIZE ? 0 : -EPROTO;
}

const struct bench_transport bench_zeromq = {
	.name = "zeromq",
	.call = "call",
	.state_size = sizeof(struct zeromq_state),
	.many = true,
	.create = zeromq_create,
	.serve = zeromq_serve,
	.connect = zeromq_connect,
	.round = zeromq_round,
};
