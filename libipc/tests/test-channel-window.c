// SPDX-License-Identifier: MIT
/*
 * Windows of streams with a daemon, in both directions: by the bus, and in the ring of a stream.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "channel-run.h"
#include "core/stream-ring.h"

enum { ECHO_BY_THREAD = 1, ECHO_BY_CALLBACKS, FLOOD };

#define FLOOD_SIZE 1000U

static const struct ipc_raw_message message = { .data = "1234", .size = 4 };

static int echo(struct ipc_stream *stream)
{
	const struct ipc_raw_message *got;
	int r;

	while ((r = ipc_raw_stream_receive(stream, IPC_NEVER, &got, NULL)) > 0) {
		r = ipc_raw_stream_send(stream, &message, IPC_NEVER);
		if (r < 0)
			break;
	}
	return r;
}

static void on_message(struct ipc_stream *stream, void *userdata)
{
	const struct ipc_raw_message *got;

	(void)userdata;
	if (ipc_raw_stream_receive(stream, 0, &got, NULL) > 0)
		ipc_raw_stream_send(stream, &message, 0);
}

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_message = on_message };
	int r = 0;

	(void)userdata;
	if (method == ECHO_BY_THREAD)
		return echo(stream);
	if (method == ECHO_BY_CALLBACKS)
		return ipc_stream_set_ops(stream, &ops, NULL);
	for (unsigned int i = 0; i < FLOOD_SIZE && r == 0; i++)
		r = ipc_raw_stream_send(stream, &message, IPC_NEVER);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request, (void)userdata;
	return ipc_call_fail(call, EOPNOTSUPP, NULL, NULL);
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = serve_stream };

static void expect(struct ipc_stream *stream)
{
	const struct ipc_raw_message *got;

	ck_assert_int_eq(ipc_raw_stream_receive(stream, IPC_NEVER, &got, NULL), 1);
	ck_assert_uint_eq(got->size, message.size);
}

/* Uses the stream until both sides send through memory. */
static void until_ring(struct ipc_stream *stream)
{
	do {
		ck_assert_int_eq(ipc_raw_stream_send(stream, &message, IPC_NEVER), 0);
		expect(stream);
	} while (!stream->ring || !stream->ring->sends || !stream->ring->receives);
}

/* Sends until there is no credit. The server is stopped. Returns the number of sent messages. */
static unsigned int send_ahead(struct ipc_stream *stream)
{
	unsigned int n = 0;
	int r;

	while ((r = ipc_raw_stream_send(stream, &message, 0)) == 0)
		n++;
	ck_assert_int_eq(r, -EAGAIN);
	return n;
}

/* By the bus at first, then in the ring. */
START_TEST(client_is_ahead_by_the_window_of_the_server)
{
	for (server_window = 1; server_window <= 3; server_window += 2) {
		for (uint32_t method = ECHO_BY_THREAD; method <= ECHO_BY_CALLBACKS; method++) {
			struct ipc_stream *stream;
			unsigned int n;

			begin_ops(3, "1", &ops);
			for (int ring = 0; ring < 2; ring++) {
				ck_assert_int_eq(
					ipc_raw_stream_open(proxy, method, NULL, &stream, NULL), 0);
				if (ring)
					until_ring(stream);
				stop_server();
				n = send_ahead(stream);
				ck_assert_uint_le(n, server_window);
				ck_assert(ring || n == server_window);
				ck_assert_int_eq(kill(server, SIGCONT), 0);
				for (unsigned int i = 0; i < n; i++)
					expect(stream);
				ipc_stream_unref(stream);
			}
			end();
		}
	}
	server_window = 0;
}
END_TEST

/* The server sends as much as it may. The message that the client has taken counts. */
START_TEST(server_is_ahead_by_the_window_of_the_client)
{
	for (uint32_t window = 1; window <= 3; window += 2) {
		struct ipc_options options = { .window = window };
		struct ipc_stream *stream;
		struct ring *side;

		begin_ops(3, "1", &ops);
		ck_assert_int_eq(ipc_raw_stream_open(proxy, FLOOD, &options, &stream, NULL), 0);
		for (uint32_t i = 0; i < FLOOD_SIZE; i++) {
			expect(stream);
			if (i % 50 == 0)
				usleep(5000);
			if (!stream->ring || !stream->ring->receives || !stream->ring->side.own)
				continue;
			side = &stream->ring->side;
			ck_assert_uint_le(ring_sent(side) - side->taken + 1, window);
		}
		ck_assert(stream->ring && stream->ring->receives);
		ipc_stream_unref(stream);
		end();
	}
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-window", client_is_ahead_by_the_window_of_the_server,
			 server_is_ahead_by_the_window_of_the_client);
}
