// SPDX-License-Identifier: MIT
/*
 * Opening streams without blocking, with a daemon: with direct channels and without.
 */
#define _GNU_SOURCE
#include <errno.h>

#include <ipc/rpc.h>

#include "channel-run.h"
#include "core/proxy.h"

enum { ECHO_ONCE = 1 };

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	const struct ipc_raw_message *request;
	int r;

	(void)method, (void)userdata;
	r = ipc_raw_stream_receive(stream, IPC_NEVER, &request, NULL);
	if (r > 0)
		r = ipc_raw_stream_send(stream, &(struct ipc_raw_message){ .data = request->data,
									   .size = request->size },
					IPC_NEVER);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request, (void)userdata;
	return reply_number(call, 7);
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = serve_stream };

static int never(struct ipc_stream *stream, const ProtobufCMessage *request, const void *table,
		 void *userdata)
{
	(void)stream, (void)request, (void)table, (void)userdata;
	return -EOPNOTSUPP;
}

static const struct ipc_method watch = {
	.number = ECHO_ONCE,
	.flags = IPC_METHOD_REPLY_STREAM,
	.name = "Watch",
	.request = &ipc__description__descriptor,
	.reply = &ipc__description__descriptor,
	.open = never,
};

static void opened(int result, struct ipc_stream *stream, const struct ipc_error *error,
		   void *userdata)
{
	ck_assert_int_eq(result, 0);
	ck_assert_int_eq(error->code, 0);
	*(struct ipc_stream **)userdata = stream;
}

static struct ipc_stream *open_stream(const char *text)
{
	Ipc__Description request = IPC__DESCRIPTION__INIT;
	struct ipc_stream *stream = NULL;

	request.interface = (char *)text;
	ck_assert_int_eq(ipc_rpc_stream_open_async(proxy, &watch, NULL, &request.base, opened,
						   &stream, NULL), 0);
	while (!stream) {
		ck_assert_int_ge(ipc_wait_event(ipc, IPC_NEVER), 0);
		ck_assert_int_ge(ipc_process(ipc), 0);
	}
	return stream;
}

static void check(const char *channels)
{
	const ProtobufCMessage *reply;
	struct ipc_stream *stream;

	begin_ops(3, channels, &ops);
	while (*channels == '1' && !atomic_load(&proxy->channel))
		get(1);
	for (int i = 0; i < 40; i++) {
		stream = open_stream("sent");
		ck_assert_int_eq(ipc_rpc_stream_receive(stream, &watch, IPC_NEVER, &reply, NULL),
				 1);
		ck_assert_str_eq(((const Ipc__Description *)reply)->interface, "sent");
		ck_assert_int_eq(ipc_rpc_stream_receive(stream, &watch, IPC_NEVER, &reply, NULL),
				 0);
		ipc_stream_unref(stream);
	}
	end();
}

START_TEST(request_arrives_without_channels) { check("0"); } END_TEST
START_TEST(request_arrives_beside_a_channel) { check("1"); } END_TEST
START_TEST(request_arrives_in_random_use) { check("random"); } END_TEST

int main(void)
{
	return RUN_TESTS("channel-opening", request_arrives_without_channels,
			 request_arrives_beside_a_channel, request_arrives_in_random_use);
}
