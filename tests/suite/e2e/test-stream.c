// SPDX-License-Identifier: MIT
/*
 * Streams: order, back-pressure, ends, errors, canceling from either side, and deaths. Servers have
 * a single thread, several threads, or an event loop.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/rpc.h>

#include "stream-client.h"

/* --- Streams of replies -------------------------------------------------------------------- */

static void count_with(unsigned int threads)
{
	struct ipc_stream *stream;

	begin(threads);
	for (uint32_t n = 0; n < 40; n += 13) {
		stream = open_count(n, 0, 0, "");
		ck_assert_int_eq(count_all(stream, n, NULL), 0);
		ck_assert_int_eq(count_all(stream, 0, NULL), 0);
		ck_assert_ptr_null(ipc_stream_unref(stream));
	}
	stream = open_count(2000, 0, 0, "");
	ck_assert_int_eq(count_all(stream, 2000, NULL), 0);
	ipc_stream_unref(stream);
	look_until(0, 0);
	end();
}

START_TEST(replies_come_in_order)
{
	count_with(1);
}
END_TEST

START_TEST(replies_from_a_pool)
{
	count_with(4);
}
END_TEST

START_TEST(replies_from_an_event_loop)
{
	count_with(0);
}
END_TEST

START_TEST(the_server_waits_for_the_client)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	struct ipc_stream *stream;
	Stream__LookReply *reply;

	begin(1);
	request.count = 1000;
	ck_assert_int_eq(streams_later_open(streams, NULL, &request, &stream, NULL), 0);
	ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL), 1);
	usleep(50000);
	ck_assert_int_eq(streams_look(streams, &reply, NULL), 0);
	ck_assert_uint_ge(reply->sent, 1);
	ck_assert_uint_le(reply->sent, 32);
	streams_look_reply_free(reply);
	for (uint64_t i = 2; i <= 1000; i++) {
		ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL), 1);
		ck_assert_uint_eq(number->value, i);
	}
	ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

static uint64_t sent_by_later(void)
{
	Stream__LookReply *reply;
	uint64_t sent;

	ck_assert_int_eq(streams_look(streams, &reply, NULL), 0);
	sent = reply->sent;
	streams_look_reply_free(reply);
	return sent;
}

/* It counts the message that the client has taken, until the next receive. */
START_TEST(server_is_ahead_by_the_window_of_the_client)
{
	for (uint32_t window = 1; window <= 16; window += 5) {
		const struct ipc_options options = { .window = window };
		Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
		const Stream__Number *number;
		struct ipc_stream *stream;
		uint64_t before;

		begin(1);
		before = sent_by_later();
		request.count = 1000;
		ck_assert_int_eq(streams_later_open(streams, &options, &request, &stream, NULL),
				 0);
		ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL), 1);
		while (sent_by_later() < before + window)
			usleep(1000);
		usleep(20000);
		ck_assert_uint_eq(sent_by_later(), before + window);
		for (uint64_t i = 2; i <= 1000; i++) {
			ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL),
					 1);
			ck_assert_uint_eq(number->value, i);
		}
		ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL), 0);
		ipc_stream_unref(stream);
		end();
	}
}
END_TEST

START_TEST(large_messages_go_through_a_small_region)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	struct ipc_stream *stream;
	uint64_t got = 0;
	int r;

	begin(1);
	with_small_region();
	request.count = 100;
	request.ballast = 50000;
	ck_assert_int_eq(streams_count_open(streams, NULL, &request, &stream, NULL), 0);
	while ((r = streams_count_receive(stream, SECONDS(20), &number, NULL)) > 0) {
		ck_assert_uint_eq(number->value, ++got);
		ck_assert_uint_eq(number->ballast.len, 50000);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(got, 100);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* The server has ended and released the stream, while messages still wait for space. */
START_TEST(a_late_receiver_with_a_small_region)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	struct ipc_stream *stream;

	begin(1);
	with_small_region();
	request.count = 16;
	request.ballast = 50000;
	ck_assert_int_eq(streams_count_open(streams, NULL, &request, &stream, NULL), 0);
	for (uint64_t i = 1; i <= 16; i++) {
		if (i > 12)
			usleep(100000);
		ck_assert_int_eq(streams_count_receive(stream, SECONDS(20), &number, NULL), 1);
		ck_assert_uint_eq(number->value, i);
	}
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(20), &number, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(error_ends_the_stream_after_its_messages)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_stream *stream;

	begin(1);
	stream = open_count(5, 0, -ENODATA, "");
	ck_assert_int_eq(count_all(stream, 5, &error), -ENODATA);
	ck_assert_int_eq(error.code, -ENODATA);
	ipc_stream_unref(stream);

	stream = open_count(20, 0, -EREMOTEIO, "no more numbers");
	ck_assert_int_eq(count_all(stream, 20, &error), -EREMOTEIO);
	ck_assert_str_eq(error.name, "stream.Bad");
	ck_assert_str_eq(error.text, "no more numbers");
	/* Each further receive returns the same error. */
	ck_assert_int_eq(count_all(stream, 0, NULL), -EREMOTEIO);
	ipc_stream_unref(stream);
	end();
}
END_TEST

static void expect_worse(const struct ipc_error *error, int code)
{
	ck_assert_int_eq(error->code, code);
	ck_assert_int_eq(error->number, -4711);
	ck_assert_str_eq(error->name, "stream.Worse");
	ck_assert_str_eq(error->text, "much worse");
	ck_assert_uint_eq(error->details_size, 5);
	ck_assert_mem_eq(error->details, "a\0b\0c", 5);
}

START_TEST(an_error_with_all_fields)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	struct ipc_error worse = {
		.code = -EDOM,
		.number = -4711,
		.name = "stream.Worse",
		.text = "much worse",
		.details = "a\0b\0c",
		.details_size = 5,
	};
	const Stream__Number *total;
	struct ipc_stream *stream;

	begin(1);
	request.count = 5;
	request.text = "much worse";
	request.number = -4711;
	request.details.data = (uint8_t *)"a\0b\0c";
	request.details.len = 5;
	for (request.code = 0; request.code <= EDOM; request.code += EDOM) {
		ck_assert_int_eq(streams_count_open(streams, NULL, &request, &stream, NULL), 0);
		for (int i = 0; i < 2; i++) {
			int code = request.code ? -EDOM : -EREMOTEIO;

			ck_assert_int_eq(count_all(stream, i ? 0 : 5, &error), code);
			expect_worse(&error, code);
		}
		ipc_stream_unref(stream);
	}

	/* In the other direction. */
	ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_fail_with(stream, &worse), 0);
	ck_assert_int_eq(ipc_stream_fail_with(stream, &worse), -EALREADY);
	ck_assert_int_eq(streams_sum_finish(stream, SECONDS(10), &total, &error), -EDOM);
	expect_worse(&error, -EDOM);
	look_until(0, -EDOM);
	worse.name = NULL;
	worse.code = 0;
	ck_assert_int_eq(ipc_stream_fail_with(stream, &worse), -EINVAL);
	worse.name = "stream.Worse";
	worse.code = -4096;
	ck_assert_int_eq(ipc_stream_fail_with(stream, &worse), -EINVAL);
	ck_assert_int_eq(ipc_stream_fail_with(stream, NULL), -EINVAL);
	ck_assert_int_eq(ipc_stream_fail_with(NULL, &worse), -EINVAL);
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(no_message_within_the_time)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *reply;
	struct ipc_stream *stream;
	uint64_t before;

	begin(2);
	ck_assert_int_eq(streams_twice_open(streams, NULL, &stream, NULL), 0);
	for (number.value = 1; number.value <= 2; number.value++) {
		ck_assert_int_eq(streams_twice_receive(stream, 0, &reply, NULL), -EAGAIN);
		before = now_ms();
		ck_assert_int_eq(streams_twice_receive(stream, 20000, &reply, NULL), -EAGAIN);
		ck_assert_uint_ge(now_ms() - before, 19);
		ck_assert_int_eq(streams_twice_send(stream, SECONDS(10), &number), 0);
		ck_assert_int_eq(streams_twice_receive(stream, SECONDS(10), &reply, NULL), 1);
		ck_assert_uint_eq(reply->value, 2 * number.value);
	}
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* --- Streams of requests, and of both ------------------------------------------------ */

static void sum_with(unsigned int threads)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *total;
	struct ipc_stream *stream;

	begin(threads);
	for (uint64_t n = 0; n <= 500; n += 250) {
		ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
		for (number.value = 1; number.value <= n; number.value++)
			ck_assert_int_eq(streams_sum_send(stream, SECONDS(10), &number), 0);
		ck_assert_int_eq(streams_sum_finish(stream, SECONDS(10), &total, NULL), 0);
		ck_assert_uint_eq(total->value, n * (n + 1) / 2);
		ck_assert_int_eq(streams_sum_send(stream, SECONDS(1), &number), -EPIPE);
		ck_assert_int_eq(ipc_stream_end(stream), -EALREADY);
		ck_assert_int_eq(streams_sum_finish(stream, SECONDS(10), &total, NULL), -EALREADY);
		ipc_stream_unref(stream);
	}
	end();
}

START_TEST(requests_are_summed)
{
	sum_with(1);
}
END_TEST

START_TEST(requests_to_an_event_loop)
{
	sum_with(0);
}
END_TEST

START_TEST(both_ways_at_once)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *reply;
	struct ipc_stream *stream;

	begin(1);
	ck_assert_int_eq(streams_twice_open(streams, NULL, &stream, NULL), 0);
	for (number.value = 1; number.value <= 300; number.value++) {
		ck_assert_int_eq(streams_twice_send(stream, SECONDS(10), &number), 0);
		ck_assert_int_eq(streams_twice_receive(stream, SECONDS(10), &reply, NULL), 1);
		ck_assert_uint_eq(reply->value, 2 * number.value);
	}
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	ck_assert_int_eq(streams_twice_receive(stream, SECONDS(10), &reply, NULL), 0);
	ipc_stream_unref(stream);
	look_until(0, 0);
	end();
}
END_TEST

START_TEST(the_server_fails_while_the_client_sends)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *reply;
	struct ipc_stream *stream;
	int r;

	begin(1);
	ck_assert_int_eq(streams_twice_open(streams, NULL, &stream, NULL), 0);
	number.value = 666;
	while ((r = streams_twice_send(stream, SECONDS(10), &number)) == 0)
		;
	ck_assert_int_eq(r, -ERANGE);
	ck_assert_int_eq(streams_twice_receive(stream, SECONDS(10), &reply, &error), -ERANGE);
	ck_assert_str_eq(error.text, "an evil number");
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(the_client_fails)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	struct ipc_stream *stream;

	begin(1);
	ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
	ck_assert_int_eq(streams_sum_send(stream, SECONDS(10), &number), 0);
	/* As with ipc_call_fail(), the sign does not matter. */
	ck_assert_int_eq(ipc_stream_fail(stream, 0, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_stream_fail(stream, EIO, NULL, NULL), 0);
	look_until(0, -EIO);
	ipc_stream_unref(stream);
	ck_assert_int_eq(ipc_stream_fail(NULL, -EIO, NULL, NULL), -EINVAL);
	end();
}
END_TEST

/* --- Other ends of streams --------------------------------------------------------- */

static void cancel_with(unsigned int threads)
{
	const Stream__Number *number;
	struct ipc_stream *stream;

	begin(threads);
	stream = open_count(1000000, 0, 0, "");
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), 1);
	ipc_stream_cancel(stream);
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), -ECANCELED);
	look_until(0, -ECANCELED);
	ipc_stream_cancel(stream);
	ipc_stream_unref(stream);

	/* Releasing the stream has the same effect. */
	stream = open_count(1000000, 0, 0, "");
	ipc_stream_unref(stream);
	look_until(0, -ECANCELED);
	end();
}

START_TEST(a_cancel_stops_the_server)
{
	cancel_with(4);
}
END_TEST

/* on_end is not called when the client's sending ends with its request, but when it cancels. */
START_TEST(callbacks_learn_of_a_cancel)
{
	cancel_with(1);
}
END_TEST

/* All messages, including the end, are already on their way here. */
START_TEST(canceled_stream_fails)
{
	const Stream__Number *number;
	struct ipc_stream *stream;

	begin(4);
	stream = open_count(5, 0, 0, "");
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), 1);
	look_until(0, 0);
	ipc_stream_cancel(stream);
	/* Received messages stay valid until the next receive. */
	ck_assert_uint_eq(number->value, 1);
	while (ipc_wait_event(ipc, 20000) > 0)
		while (ipc_process(ipc) > 0)
			;
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), -ECANCELED);
	ipc_stream_unref(stream);

	/* After the end, cancel has no effect. */
	stream = open_count(5, 0, 0, "");
	ck_assert_int_eq(count_all(stream, 5, NULL), 0);
	ipc_stream_cancel(stream);
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(the_server_dies)
{
	const Stream__Number *number;
	struct ipc_stream *stream;
	int r;

	begin(1);
	stream = open_count(1000000, 0, 0, "");
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), 1);
	kill_server(server);
	while ((r = streams_count_receive(stream, SECONDS(10), &number, NULL)) > 0)
		;
	ck_assert_int_eq(r, -EOWNERDEAD);
	ipc_stream_unref(stream);
	streams_unref(streams);
	ipc_unref(ipc);
}
END_TEST

static int die_with_a_stream(void *data)
{
	const Stream__Number *number;
	struct ipc_proxy *proxy;
	struct ipc_stream *stream;

	(void)data;
	if (ipc_open(&ipc, NULL) < 0 || ipc_get_manager(ipc, &proxy) < 0)
		return 1;
	streams = streams_from_proxy(proxy);
	stream = open_count(1000000, 0, 0, "");
	return streams_count_receive(stream, SECONDS(10), &number, NULL) != 1;
}

START_TEST(the_client_dies)
{
	begin(2);
	run_child(die_with_a_stream, NULL);
	look_until(0, -EOWNERDEAD);
	end();
}
END_TEST

/* --- The call that opens it ---------------------------------------------------------- */

START_TEST(opening_call_carries_metadata)
{
	struct server_options server_options = { .threads = 1, .prepare = prepare_streams };
	const char *const metadata[] = { "after", "7", NULL };
	const struct ipc_options options = { .metadata = metadata };
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	struct ipc_stream *stream;
	struct ipc_proxy *proxy;

	server = start_server(&server_options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	streams = streams_from_proxy(proxy);
	request.count = 9;
	ck_assert_int_eq(streams_count_open(streams, &options, &request, &stream, NULL), 0);
	for (uint64_t i = 8; i <= 9; i++) {
		ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), 1);
		ck_assert_uint_eq(number->value, i);
	}
	ck_assert_int_eq(streams_count_receive(stream, SECONDS(10), &number, NULL), 0);
	ck_assert_ptr_null(ipc_stream_metadata(stream, "after"));
	ck_assert_ptr_null(ipc_stream_label(stream));
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* Opens a stream with the shortest timeout that suffices on this machine. */
static struct ipc_stream *open_limited(void)
{
	struct ipc_options options = { .timeout_usec = 250000 };
	struct ipc_stream *stream;
	int r;

	while ((r = streams_twice_open(streams, &options, &stream, NULL)) == -ETIMEDOUT)
		options.timeout_usec *= 2;
	ck_assert_int_eq(r, 0);
	ck_assert_uint_le(ipc_stream_remaining(stream), options.timeout_usec);
	return stream;
}

/* The handlers of a pool wait. Other servers have callbacks, with and without ipc_run(). */
START_TEST(its_time_limit_ends_both_sides)
{
	static const unsigned int threads[] = { 4, 1, 0 };
	const Stream__Number *number;
	struct ipc_stream *stream;

	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		begin(threads[i]);
		stream = open_limited();
		ck_assert_int_eq(streams_twice_receive(stream, IPC_NEVER, &number, NULL),
				 -ETIMEDOUT);
		ck_assert_uint_eq(ipc_stream_remaining(stream), 0);
		look_until(0, -ETIMEDOUT);
		ipc_stream_unref(stream);
		end();
	}
}
END_TEST

/* --- Misuse ------------------------------------------------------------------------ */

START_TEST(object_without_a_stream)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	Stream__Number number = STREAM__NUMBER__INIT;
	const struct ipc_method *method = NULL;
	const Stream__Number *got;
	struct ipc_stream *stream;

	begin(1);
	for (size_t i = 0; i < streams_interface.n_methods; i++)
		if (!strcmp(streams_interface.methods[i].name, "Count"))
			method = &streams_interface.methods[i];
	ck_assert_int_eq(ipc_rpc_call_with(streams_proxy(streams), method, NULL, &request.base,
					   NULL, &error),
			 -EPROTO);
	ck_assert_str_eq(error.text,
			 "stream.Streams.Count is a stream: it is opened, not called");

	ck_assert_int_eq(streams_missing_open(streams, NULL, &request, &stream, &error),
			 -EOPNOTSUPP);
	ck_assert_str_eq(error.text, "stream.Streams.Missing is not implemented");
	/* The functions of another method must refuse the stream. */
	ck_assert_int_eq(streams_count_open(streams, NULL, &request, &stream, &error), 0);
	ck_assert_int_eq(streams_missing_receive(stream, 0, &got, NULL), -EINVAL);
	ck_assert_int_eq(streams_sum_send(stream, 0, &number), -EINVAL);
	ck_assert_int_eq(streams_sum_send(NULL, 0, &number), -EINVAL);
	ipc_stream_unref(stream);
	ck_assert_ptr_null(ipc_stream_unref(NULL));
	end();
}
END_TEST

/* Opens a stream as a hostile client, which ignores the protocol. Omits objects and a window that
 * are 0. The caller must free *ret. */
static int open_granting(uint32_t window, uint32_t code, uint64_t data, uint64_t control,
			 Ipc__StreamOpen **ret)
{
	static const struct ipc_method method = {
		.number = IPC_NUMBER_STREAM,
		.flags = IPC_METHOD_REQUEST_OBJECTS | IPC_METHOD_REPLY_OBJECTS,
		.name = "stream",
		.request = &ipc__stream_open__descriptor,
		.reply = &ipc__stream_open__descriptor,
	};
	Ipc__StreamOpen request = IPC__STREAM_OPEN__INIT;
	Ipc__Object objects[2] = { IPC__OBJECT__INIT, IPC__OBJECT__INIT };

	request.has_method = true;
	request.method = code;
	request.has_window = window > 0;
	request.window = window;
	objects[0].id = data;
	objects[1].id = control;
	request.data = data ? &objects[0] : NULL;
	request.control = control ? &objects[1] : NULL;
	return ipc_rpc_call_with(streams_proxy(streams), &method, NULL, &request.base,
			    (ProtobufCMessage **)ret, NULL);
}

static int open_raw(uint32_t code, uint64_t data, uint64_t control, Ipc__StreamOpen **ret)
{
	return open_granting(0, code, data, control, ret);
}

/* Takes the objects of the stream from the server's reply, and frees it. The caller owns them. */
static void take_ends(Ipc__StreamOpen *open, struct ipc_proxy **ret_data,
		      struct ipc_proxy **ret_control)
{
	ck_assert_int_eq(ipc_take_proxy(ipc, &open->data->id, ret_data), 0);
	ck_assert_int_eq(ipc_take_proxy(ipc, &open->control->id, ret_control), 0);
	ipc_rpc_free(&open->base);
}

/* Codes: a message and the end, to the data object; credit, to the control object. */
enum { MESSAGE = IPC_NUMBER_BUILTIN + 16, END, CREDIT = MESSAGE };
static int notify(struct ipc_proxy *proxy, uint32_t code, const ProtobufCMessage *message)
{
	const struct ipc_method method = {
		.number = code,
		.flags = IPC_METHOD_ONEWAY,
		.name = "notify",
		.request = message->descriptor,
		.reply = &ipc__none__descriptor,
	};

	return ipc_rpc_oneway_with(proxy, &method, NULL, message);
}

static uint32_t code_of(const char *name)
{
	for (size_t i = 0; i < streams_interface.n_methods; i++)
		if (!strcmp(streams_interface.methods[i].name, name))
			return streams_interface.methods[i].number;
	return 0;
}

static int nothing(struct ipc_call *call, void *userdata)
{
	(void)call, (void)userdata;
	return 0;
}

START_TEST(strangers_do_not_disturb)
{
	static const struct streams_ops none = { .look = nothing };
	struct ipc_object *object;
	Ipc__StreamCredit credit = IPC__STREAM_CREDIT__INIT;
	Stream__Number number = STREAM__NUMBER__INIT;
	Ipc__StreamEnd over = IPC__STREAM_END__INIT;
	struct ipc_proxy *data, *control;
	struct ipc_stream *stream;
	Ipc__StreamOpen *open;
	uint64_t id;

	begin(4);
	ck_assert_int_eq(streams_object_new(ipc, &none, NULL, NULL, &object), 0);
	id = object_id(object);
	ck_assert_int_eq(open_raw(0, id, id, &open), -EOPNOTSUPP);
	ck_assert_int_eq(open_raw(code_of("Look"), id, id, &open), -EOPNOTSUPP);
	ck_assert_int_eq(open_raw(code_of("Sum"), 0, id, &open), -EBADMSG);
	ck_assert_int_eq(open_raw(code_of("Sum"), id, 0, &open), -EBADMSG);
	ck_assert_int_eq(open_granting(17, code_of("Sum"), id, id, &open), -EPROTO);

	/* Sends more messages than the server accepts, which waits for credit to send the first
	 * reply. */
	ck_assert_int_eq(open_raw(code_of("Twice"), id, id, &open), 0);
	take_ends(open, &data, &control);
	number.value = 1;
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(notify(data, MESSAGE, &number.base), 0);
	look_until(0, -EPROTO);
	ipc_proxy_unref(data);
	ipc_proxy_unref(control);

	/* Too much credit, a second end, a number that is not an errno. */
	ck_assert_int_eq(open_raw(code_of("Sum"), id, id, &open), 0);
	take_ends(open, &data, &control);
	credit.has_messages = true;
	credit.messages = UINT32_MAX;
	ck_assert_int_eq(notify(control, CREDIT, &credit.base), 0);
	over.has_code = true;
	over.code = INT32_MIN;
	ck_assert_int_eq(notify(data, END, &over.base), 0);
	ck_assert_int_eq(notify(data, END, &over.base), 0);
	ck_assert_int_eq(notify(data, MESSAGE, &number.base), 0);
	look_until(0, -EPROTO);
	ipc_proxy_unref(data);
	ipc_proxy_unref(control);

	/* Opens a stream, and ends or releases it before the request. */
	ck_assert_int_eq(open_raw(code_of("Count"), id, id, &open), 0);
	take_ends(open, &data, &control);
	ck_assert_int_eq(notify(data, END, &over.base), 0);
	ipc_proxy_unref(data);
	ipc_proxy_unref(control);
	ck_assert_int_eq(open_raw(code_of("Count"), id, id, &open), 0);
	ipc_rpc_free(&open->base);

	look_until(0, -EPROTO);
	stream = open_count(30, 0, 0, "");
	ck_assert_int_eq(count_all(stream, 30, NULL), 0);
	ipc_stream_unref(stream);
	ipc_object_unref(object);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream", replies_come_in_order, replies_from_a_pool,
			 replies_from_an_event_loop, the_server_waits_for_the_client,
			 server_is_ahead_by_the_window_of_the_client,
			 large_messages_go_through_a_small_region,
			 a_late_receiver_with_a_small_region,
			 error_ends_the_stream_after_its_messages, an_error_with_all_fields,
			 no_message_within_the_time, requests_are_summed, requests_to_an_event_loop,
			 both_ways_at_once, the_server_fails_while_the_client_sends,
			 the_client_fails, a_cancel_stops_the_server, callbacks_learn_of_a_cancel,
			 canceled_stream_fails, the_server_dies, the_client_dies,
			 opening_call_carries_metadata, its_time_limit_ends_both_sides,
			 object_without_a_stream, strangers_do_not_disturb);
}
