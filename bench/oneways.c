// SPDX-License-Identifier: MIT
/*
 * Oneways to a handler, and async calls, as in programs: through the stubs generated from
 * bench.proto. The server runs ipc_run() on one thread. Its object is handle 0, as in ipcbus.c.
 *
 * A oneway has no reply on the bus. A round therefore has twice as many messages to the server.
 * After each half the handler wakes the client by an eventfd, which is part of the cost. The client
 * of calls is an event loop. It sends all calls, and then waits and runs completions until the
 * last.
 */
#include "bench.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "bench.ipc.h"

/**
 * struct oneways_state - state of the client or of the server
 * @ipc: the connection
 * @sink: the client's proxy
 * @done: an eventfd of both
 * @batch: the number of messages after which the server's handler writes to @done
 * @n: messages that the handler received, or completions of the client, since then
 * @error: of a completion
 */
struct oneways_state {
	struct ipc *ipc;
	struct sink *sink;
	int done;
	unsigned int batch;
	unsigned int n;
	int error;
};

static int oneways_create(struct bench_case *c)
{
	struct oneways_state *s = c->state;

	s->batch = c->batch;
	s->done = eventfd(0, EFD_CLOEXEC);
	return s->done < 0 ? -errno : 0;
}

static int daemon_create(struct bench_case *c)
{
	int r = oneways_create(c);

	return r < 0 ? r : bench_daemon_start(c);
}

static int log_put(struct ipc_call *call, const Bench__PutRequest *request, void *userdata)
{
	struct oneways_state *s = userdata;

	(void)call;
	if (request->payload.len != 64)
		return -EPROTO;
	if (++s->n < s->batch)
		return 0;
	s->n = 0;
	return eventfd_write(s->done, 1);
}

static int put(struct ipc_call *call, const Bench__PutRequest *request, void *userdata)
{
	Bench__PutReply reply = BENCH__PUT_REPLY__INIT;

	(void)userdata;
	reply.number = request->payload.len;
	return sink_reply_put(call, &reply);
}

static int oneways_serve(struct bench_case *c)
{
	static const struct sink_ops ops = { .put = put, .log = log_put };
	struct oneways_state *s = c->state;
	struct ipc_object *object;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("open the bus", r);
	r = sink_object_new(s->ipc, &ops, s, NULL, &object);
	if (r < 0)
		return r;
	r = ipc_set_manager(s->ipc, object);
	if (r < 0)
		return bench_fail("become handle 0 (does a service manager run?)", r);
	r = bench_ready(c);
	return r < 0 ? r : ipc_run(s->ipc);
}

static int oneways_connect(struct bench_case *c)
{
	struct oneways_state *s = c->state;
	struct ipc_proxy *proxy;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("open the bus", r);
	r = ipc_get_manager(s->ipc, &proxy);
	if (r < 0)
		return r;
	s->sink = sink_from_proxy(proxy);
	return 0;
}

static int log_batch(struct bench_case *c, const Bench__PutRequest *request)
{
	struct oneways_state *s = c->state;
	eventfd_t count;
	int r = 0;

	for (unsigned int i = 0; i < c->batch && r == 0; i++)
		r = sink_log(s->sink, request);
	return r < 0 ? r : eventfd_read(s->done, &count);
}

static void came(int code, Bench__PutReply *reply, const struct ipc_error *error,
		 void *userdata)
{
	struct oneways_state *s = userdata;

	(void)error;
	if (code == 0 && reply->number != 64)
		code = -EPROTO;
	if (code < 0)
		s->error = code;
	s->n++;
}

static int put_batch(struct bench_case *c, const Bench__PutRequest *request)
{
	struct oneways_state *s = c->state;
	int r = 0;

	s->n = 0;
	for (unsigned int i = 0; i < c->batch && r == 0; i++)
		r = sink_put_async(s->sink, NULL, request, came, s, NULL);
	while (r >= 0 && s->n < c->batch) {
		r = ipc_process(s->ipc);
		if (r == 0)
			r = ipc_wait_event(s->ipc, IPC_NEVER);
	}
	return r < 0 ? r : s->error;
}

static int two_batches(struct bench_case *c,
		       int (*batch)(struct bench_case *c, const Bench__PutRequest *request))
{
	Bench__PutRequest request = BENCH__PUT_REQUEST__INIT;
	int r;

	request.payload.data = (uint8_t *)c->request;
	request.payload.len = c->size;
	r = batch(c, &request);
	return r < 0 ? r : batch(c, &request);
}

static int oneways_round(struct bench_case *c)
{
	return two_batches(c, log_batch);
}

static int calls_round(struct bench_case *c)
{
	return two_batches(c, put_batch);
}

const struct bench_transport bench_oneways = {
	.name = "ipcbus-stubs",
	.state_size = sizeof(struct oneways_state),
	.has_oneway = true,
	.create = oneways_create,
	.serve = oneways_serve,
	.connect = oneways_connect,
	.round = oneways_round,
};

const struct bench_transport bench_daemon_oneways = {
	.name = "ipcbusd-stubs",
	.state_size = sizeof(struct oneways_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = daemon_create,
	.serve = oneways_serve,
	.connect = oneways_connect,
	.round = oneways_round,
};

static int channels_create(struct bench_case *c)
{
	int r = oneways_create(c);

	return r < 0 ? r : bench_channels_start(c);
}

const struct bench_transport bench_channels_oneways = {
	.name = "channels-stubs",
	.state_size = sizeof(struct oneways_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = channels_create,
	.serve = oneways_serve,
	.connect = oneways_connect,
	.round = oneways_round,
};

const struct bench_transport bench_calls = {
	.name = "ipcbus-async",
	.state_size = sizeof(struct oneways_state),
	.has_oneway = true,
	.create = oneways_create,
	.serve = oneways_serve,
	.connect = oneways_connect,
	.round = calls_round,
};

const struct bench_transport bench_daemon_calls = {
	.name = "ipcbusd-async",
	.state_size = sizeof(struct oneways_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = daemon_create,
	.serve = oneways_serve,
	.connect = oneways_connect,
	.round = calls_round,
};

const struct bench_transport bench_channels_calls = {
	.name = "channels-async",
	.state_size = sizeof(struct oneways_state),
	.has_oneway = true,
	.exists = bench_daemon_exists,
	.create = channels_create,
	.serve = oneways_serve,
	.connect = oneways_connect,
	.round = calls_round,
};
