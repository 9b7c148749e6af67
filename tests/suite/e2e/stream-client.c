// SPDX-License-Identifier: MIT
/*
 * A client of stream.proto, and its server; see stream-client.h.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "stream-client.h"

struct ipc *ipc;
struct streams *streams;
pid_t server;

/* Serves only with ipc_wait_event(). */
static int serve_by_wait(struct ipc *ipc)
{
	int r;

	for (;;) {
		while ((r = ipc_process(ipc)) > 0)
			;
		if (r < 0)
			return r;
		ipc_wait_event(ipc, IPC_NEVER);
	}
}

void begin(unsigned int threads)
{
	struct server_options options = { .threads = threads, .prepare = prepare_streams };
	struct ipc_proxy *proxy;

	if (threads == BY_WAIT)
		options.loop = serve_by_wait;
	else if (threads > 1)
		options.prepare = prepare_waiting_streams;
	server = start_server(&options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	streams = streams_from_proxy(proxy);
}

void end(void)
{
	streams_unref(streams);
	ipc_unref(ipc);
	kill_server(server);
}

struct ipc_stream *open_count(uint32_t n, uint32_t usec, int32_t code, const char *text)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	struct ipc_stream *stream;

	request.count = n;
	request.usec = usec;
	request.code = code;
	request.text = (char *)text;
	ck_assert_int_eq(streams_count_open(streams, NULL, &request, &stream, NULL), 0);
	return stream;
}

int count_all(struct ipc_stream *stream, uint64_t want, struct ipc_error *error)
{
	const Stream__Number *number;
	uint64_t got = 0;
	int r;

	while ((r = streams_count_receive(stream, SECONDS(10), &number, error)) > 0)
		ck_assert_uint_eq(number->value, ++got);
	ck_assert_uint_eq(got, want);
	return r;
}

void look_until(uint32_t n_handlers, int error)
{
	Stream__LookReply *reply;

	for (int i = 0; i < 500; i++) {
		bool done;

		ck_assert_int_eq(streams_look(streams, &reply, NULL), 0);
		done = reply->handlers == n_handlers && reply->last_error == error;
		streams_look_reply_free(reply);
		if (done)
			return;
		usleep(10000);
	}
	ck_abort_msg("the server does not come to %u handlers and error %d", n_handlers, error);
}

void with_small_region(void)
{
	struct ipc_proxy *proxy;

	streams_unref(streams);
	ipc_unref(ipc);
	ck_assert_int_eq(ipc_open_sized(&ipc, NULL, 256 << 10), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	streams = streams_from_proxy(proxy);
}
