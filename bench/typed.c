// SPDX-License-Identifier: MIT
/*
 * ipcbus as programs use it: through the stubs generated from bench.proto and the shared libipc.
 * The request has its bytes in a protobuf field. The client packs it and the server unpacks it, as
 * with any other message. The server's object is handle 0, as in ipcbus.c.
 */
#include "typed.h"

#include <errno.h>
#include <ipc/admin.h>
#include <stdlib.h>
#include <string.h>

static int put(struct ipc_call *call, const Bench__PutRequest *request, void *userdata)
{
	Bench__PutReply reply = BENCH__PUT_REPLY__INIT;

	(void)userdata;
	reply.number = request->payload.len;
	return sink_reply_put(call, &reply);
}

const struct sink_ops bench_sink_ops = { .put = put };

static int become_manager(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = sink_object_new(ipc, &bench_sink_ops, NULL, NULL, &object);
	if (r == 0)
		r = ipc_set_manager(ipc, object);
	return r < 0 ? bench_fail("become handle 0 (does a service manager run?)", r) : 0;
}

bool bench_driver_exists(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	enum ipc_bus_kind kind;
	char *path;

	if (ipc_find_bus(NULL, &path, &kind, NULL) < 0)
		return false;
	free(path);
	/* A mounted bus is a regular file: IPC_BUS_UNKNOWN. */
	return kind != IPC_BUS_DAEMON && ipc_open(&ipc, NULL) == 0 && become_manager(ipc) == 0;
}

int typed_listen(struct typed_state *s)
{
	int r = ipc_open(&s->ipc, NULL);

	if (r < 0)
		return bench_fail("open /dev/ipcbus (is ipcbus.ko loaded?)", r);
	return become_manager(s->ipc);
}

int typed_serve(struct bench_case *c)
{
	struct typed_state *s = c->state;
	int r;

	r = typed_listen(s);
	if (r == 0)
		r = bench_ready(c);
	return r < 0 ? r : ipc_run(s->ipc);
}

int typed_connect(struct bench_case *c)
{
	struct typed_state *s = c->state;
	struct ipc_proxy *proxy;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("open /dev/ipcbus (is ipcbus.ko loaded?)", r);
	r = ipc_get_manager(s->ipc, &proxy);
	if (r < 0)
		return r;
	s->sink = sink_from_proxy(proxy);
	return 0;
}

int bench_sink_round(struct sink *sink, const struct bench_case *c)
{
	Bench__PutRequest request = BENCH__PUT_REQUEST__INIT;
	Bench__PutReply *reply;
	int r;

	request.payload.data = (uint8_t *)c->request;
	request.payload.len = c->size;
	r = sink_put(sink, &request, &reply, NULL);
	if (r < 0)
		return r;
	r = reply->number == c->size ? 0 : -EPROTO;
	sink_put_reply_free(reply);
	return r;
}

int typed_round(struct bench_case *c)
{
	struct typed_state *s = c->state;

	return bench_sink_round(s->sink, c);
}

const struct bench_transport bench_typed = {
	.name = "ipcbus",
	.call = "typed",
	.state_size = sizeof(struct typed_state),
	.many = true,
	.exists = bench_driver_exists,
	.serve = typed_serve,
	.connect = typed_connect,
	.round = typed_round,
};

const struct bench_transport bench_daemon_typed = {
	.name = "ipcbusd",
	.call = "typed",
	.state_size = sizeof(struct typed_state),
	.many = true,
	.exists = bench_daemon_exists,
	.create = bench_daemon_start,
	.serve = typed_serve,
	.connect = typed_connect,
	.round = typed_round,
};

const struct bench_transport bench_channels_typed = {
	.name = "channels",
	.call = "typed",
	.state_size = sizeof(struct typed_state),
	.many = true,
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = typed_serve,
	.connect = typed_connect,
	.round = typed_round,
};
