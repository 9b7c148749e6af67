// SPDX-License-Identifier: MIT
/*
 * Streams in shared memory: every kind of field, order, back-pressure, ends, errors, canceling and
 * death, with servers of one thread, of several, and of an event loop; and with those who do not
 * share, with which the same program works.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ipc/rpc.h>

#include "shared-server.h"

static struct ipc *ipc;
static struct sharing *sharing;
static pid_t server;

static void begin_with(unsigned int threads, int (*prepare)(struct ipc *))
{
	struct server_options options = { .threads = threads, .prepare = prepare };
	struct ipc_proxy *proxy;

	server = start_server(&options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	sharing = sharing_from_proxy(proxy);
}

static void end(void)
{
	sharing_unref(sharing);
	ipc_unref(ipc);
	kill_server(server);
}

/* Until the server has no handler any more, and that was how the last one ended. */
static void look_until(int error, unsigned int shared)
{
	Shared__LookReply *reply;

	for (int i = 0; i < 1000; i++) {
		bool done;

		ck_assert_int_eq(sharing_look(sharing, &reply, NULL), 0);
		done = !reply->handlers && reply->last_error == error;
		if (done)
			ck_assert_uint_eq(reply->shared, shared);
		sharing_look_reply_free(reply);
		if (done)
			return;
		usleep(10000);
	}
	ck_abort_msg("the server does not come to the error %d", error);
}

static struct ipc_stream *open_count(uint32_t n, int32_t code)
{
	Shared__CountRequest request = SHARED__COUNT_REQUEST__INIT;
	struct ipc_stream *stream;

	request.count = n;
	request.code = code;
	request.text = (char *)"as you wish";
	ck_assert_int_eq(sharing_count_open(sharing, NULL, &request, &stream, NULL), 0);
	return stream;
}

/* Receives all: what receive says at the end. */
static int count_all(struct ipc_stream *stream, uint64_t want, struct ipc_error *error)
{
	const Shared__Number *number;
	uint64_t got = 0;
	int r;

	while ((r = sharing_count_receive(stream, SECONDS(20), &number, error)) > 0)
		ck_assert(number_is(number, ++got));
	ck_assert_uint_eq(got, want);
	return r;
}

static void sum_of(uint64_t n, bool shared)
{
	const Shared__Total *total;
	struct ipc_stream *stream;

	ck_assert_int_eq(sharing_sum_open(sharing, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), shared);
	for (uint64_t i = 1; i <= n; i++) {
		Shared__Number number = number_of(i);

		ck_assert_int_eq(sharing_sum_send(stream, SECONDS(20), &number), 0);
	}
	ck_assert_int_eq(sharing_sum_finish(stream, SECONDS(20), &total, NULL), 0);
	ck_assert_uint_eq(total->value, n * (n + 1) / 2);
	ck_assert_str_eq(total->text, "all");
	ipc_stream_unref(stream);
}

static void *send_twice(void *data)
{
	for (uint64_t i = 1; i <= 3000; i++) {
		Shared__Number number = number_of(i);

		ck_assert_int_eq(sharing_twice_send(data, SECONDS(20), &number), 0);
	}
	ck_assert_int_eq(ipc_stream_end(data), 0);
	return NULL;
}

static void twice_of_two_threads(void)
{
	const Shared__Number *number;
	struct ipc_stream *stream;
	pthread_t thread;

	ck_assert_int_eq(sharing_twice_open(sharing, NULL, &stream, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_twice, stream), 0);
	for (uint64_t i = 1; i <= 3000; i++) {
		ck_assert_int_eq(sharing_twice_receive(stream, SECONDS(20), &number, NULL), 1);
		ck_assert(number_is(number, 2 * i));
	}
	ck_assert_int_eq(sharing_twice_receive(stream, SECONDS(20), &number, NULL), 0);
	pthread_join(thread, NULL);
	ipc_stream_unref(stream);
}

/* Everything, with a server of so many threads. */
static void all_kinds(unsigned int threads, int (*prepare)(struct ipc *), bool shared)
{
	struct ipc_stream *stream;

	begin_with(threads, prepare);
	for (uint32_t n = 0; n < 2000; n += 333) {
		stream = open_count(n, 0);
		ck_assert_int_eq(ipc_stream_is_shared(stream), shared);
		ck_assert_int_eq(count_all(stream, n, NULL), 0);
		ck_assert_int_eq(count_all(stream, 0, NULL), 0);
		ipc_stream_unref(stream);
	}
	for (uint64_t n = 0; n < 2000; n += 499)
		sum_of(n, shared);
	for (int i = 0; i < 3; i++)
		twice_of_two_threads();
	look_until(0, shared ? 7 + 5 + 3 : 0);
	end();
}

START_TEST(with_callbacks)
{
	all_kinds(1, prepare_sharing, true);
}
END_TEST

START_TEST(with_a_pool)
{
	all_kinds(4, prepare_waiting_sharing, true);
}
END_TEST

START_TEST(with_an_event_loop)
{
	all_kinds(0, prepare_sharing, true);
}
END_TEST

/* --- Ends ------------------------------------------------------------------------------- */

START_TEST(an_error_comes_after_all_messages)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_stream *stream;

	begin_with(1, prepare_sharing);
	stream = open_count(700, -ERANGE);
	ck_assert_int_eq(count_all(stream, 700, &error), -ERANGE);
	ck_assert_str_eq(error.message, "as you wish");
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* The sender waits for space then. */
static void cancel_a_full_one(unsigned int threads, int (*prepare)(struct ipc *))
{
	const Shared__Number *number;
	struct ipc_stream *stream;

	begin_with(threads, prepare);
	stream = open_count(1000000, 0);
	ck_assert_int_eq(sharing_count_receive(stream, SECONDS(20), &number, NULL), 1);
	usleep(100000);
	ipc_stream_cancel(stream);
	ipc_stream_unref(stream);
	look_until(-ECANCELED, 1);
	stream = open_count(10, 0);
	ck_assert_int_eq(count_all(stream, 10, NULL), 0);
	ipc_stream_unref(stream);
	end();
}

START_TEST(canceling_wakes_a_sender)
{
	cancel_a_full_one(1, prepare_sharing);
	cancel_a_full_one(2, prepare_waiting_sharing);
}
END_TEST

/* The client has the messages that were sent before. */
START_TEST(death_of_the_server)
{
	const Shared__Number *number;
	struct ipc_stream *stream;
	uint64_t got = 0;
	int r;

	begin_with(1, prepare_sharing);
	stream = open_count(1000000, 0);
	ck_assert_int_eq(sharing_count_receive(stream, SECONDS(20), &number, NULL), 1);
	got++;
	usleep(100000);
	kill_server(server);
	while ((r = sharing_count_receive(stream, SECONDS(20), &number, NULL)) > 0)
		ck_assert(number_is(number, ++got));
	ck_assert_int_eq(r, -EOWNERDEAD);
	ck_assert_uint_ge(got, 128);
	ipc_stream_unref(stream);
	/* A sender learns it too. */
	server = start_server(&(struct server_options){ .threads = 1, .prepare = prepare_sharing });
	end();
}
END_TEST

START_TEST(death_of_the_server_wakes_a_sender)
{
	Shared__Number number = number_of(1);
	struct ipc_stream *stream;
	int r;

	begin_with(1, prepare_sharing);
	ck_assert_int_eq(sharing_sum_open(sharing, NULL, &stream, NULL), 0);
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	while ((r = sharing_sum_send(stream, 0, &number)) == 0)
		;
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_eq(sharing_sum_send(stream, 50000, &number), -EAGAIN);
	kill_server(server);
	ck_assert_int_eq(sharing_sum_send(stream, SECONDS(20), &number), -EOWNERDEAD);
	ipc_stream_unref(stream);
	server = start_server(&(struct server_options){ .threads = 1, .prepare = prepare_sharing });
	end();
}
END_TEST

static int die(void *data)
{
	struct ipc_stream *stream;
	Shared__Number number = number_of(1);

	(void)data;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	{
		struct ipc_proxy *proxy;

		ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
		sharing = sharing_from_proxy(proxy);
	}
	ck_assert_int_eq(sharing_sum_open(sharing, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 1);
	ck_assert_int_eq(sharing_sum_send(stream, 0, &number), 0);
	_exit(0);
}

START_TEST(death_of_the_client)
{
	begin_with(1, prepare_sharing);
	run_child(die, NULL);
	look_until(-EOWNERDEAD, 1);
	end();
	begin_with(2, prepare_waiting_sharing);
	run_child(die, NULL);
	look_until(-EOWNERDEAD, 1);
	end();
}
END_TEST

START_TEST(time_limits)
{
	const Shared__Number *number;
	struct ipc_options options = { .timeout_usec = 2000000 };
	struct ipc_stream *stream;
	uint64_t before = now_ms();

	begin_with(1, prepare_sharing);
	ck_assert_int_eq(sharing_twice_open(sharing, &options, &stream, NULL), 0);
	ck_assert_int_eq(sharing_twice_receive(stream, 0, &number, NULL), -EAGAIN);
	ck_assert_int_eq(sharing_twice_receive(stream, 10000, &number, NULL), -EAGAIN);
	ck_assert_int_eq(sharing_twice_receive(stream, SECONDS(20), &number, NULL), -ETIMEDOUT);
	ck_assert_uint_lt(now_ms() - before, 10000);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* --- Loops and callbacks of a client ------------------------------------------------------ */

START_TEST(by_an_fd)
{
	struct ipc_stream *stream;
	struct pollfd fds[2];
	const Shared__Number *number;
	uint64_t got = 0;
	int r = -EAGAIN;

	begin_with(1, prepare_sharing);
	stream = open_count(3000, 0);
	fds[0] = (struct pollfd){ .fd = ipc_get_fd(ipc), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = ipc_stream_get_fd(stream), .events = POLLIN };
	ck_assert_int_ge(fds[1].fd, 0);
	while (r == -EAGAIN) {
		ck_assert_int_gt(poll(fds, 2, 20000), 0);
		while (ipc_process(ipc) > 0)
			;
		while ((r = sharing_count_receive(stream, 0, &number, NULL)) > 0)
			ck_assert(number_is(number, ++got));
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(got, 3000);
	ipc_stream_unref(stream);
	end();
}
END_TEST

static uint64_t called_back;
static int ended_with = 1;

static void called(struct ipc_stream *stream, const Shared__Number *number, void *userdata)
{
	(void)stream, (void)userdata;
	ck_assert(number_is(number, ++called_back));
}

static void ended(struct ipc_stream *stream, int result, const struct ipc_error *error,
		  void *userdata)
{
	(void)stream, (void)error, (void)userdata;
	ended_with = result;
	ipc_stop(ipc);
}

START_TEST(by_callbacks)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_end = ended };
	struct ipc_stream *stream;

	begin_with(1, prepare_sharing);
	stream = open_count(3000, 0);
	ck_assert_int_eq(sharing_count_set_ops(stream, called, &ops, NULL), 0);
	ipc_stream_unref(stream);
	ck_assert_int_eq(ipc_run(ipc), 0);
	ck_assert_int_eq(ended_with, 0);
	ck_assert_uint_eq(called_back, 3000);
	end();
}
END_TEST

/* on_message leaves messages, until the program resumes. */
static bool ready;
static unsigned int offered;

static void left(struct ipc_stream *stream, void *userdata)
{
	const Shared__Number *number;

	(void)userdata;
	offered++;
	if (ready && sharing_count_receive(stream, 0, &number, NULL) > 0)
		ck_assert(number_is(number, ++called_back));
}

START_TEST(messages_are_left_and_resumed)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_message = left, .on_end = ended,
	};
	struct ipc_stream *stream;

	begin_with(1, prepare_sharing);
	stream = ipc_stream_ref(open_count(3000, 0));
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	for (int i = 0; i < 200 && (i < 10 || !offered); i++) {
		ck_assert_int_ge(ipc_process(ipc), 0);
		usleep(1000);
	}
	ck_assert_uint_ge(offered, 1);
	ck_assert_uint_eq(called_back, 0);
	ready = true;
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	ck_assert_int_eq(ipc_run(ipc), 0);
	ck_assert_uint_eq(called_back, 3000);
	ipc_stream_unref(stream);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* --- Those who do not share --------------------------------------------------------------- */

/* Both are ordinary streams. */
static void as_ordinary(int (*prepare)(struct ipc *))
{
	struct ipc_stream *stream;

	/* The handler of the first stream may not be back when that of the second one blocks, and
	 * one more serves. */
	begin_with(3, prepare);
	stream = open_count(1000, 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 0);
	ck_assert_int_eq(count_all(stream, 1000, NULL), 0);
	ipc_stream_unref(stream);
	sum_of(1000, false);
	end();
}

/* It takes no files at all. */
START_TEST(not_with_an_old_server)
{
	as_ordinary(prepare_old_sharing);
}
END_TEST

START_TEST(not_with_other_messages)
{
	as_ordinary(prepare_newer_sharing);
}
END_TEST

/* Nothing is left of many. */
START_TEST(many_one_after_the_other)
{
	begin_with(1, prepare_sharing);
	for (int i = 0; i < 200; i++)
		sum_of(3, true);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-shared", with_callbacks, with_a_pool, with_an_event_loop,
			 an_error_comes_after_all_messages,
			 canceling_wakes_a_sender, death_of_the_server,
			 death_of_the_server_wakes_a_sender, death_of_the_client, time_limits,
			 by_an_fd, by_callbacks, messages_are_left_and_resumed,
			 not_with_an_old_server, not_with_other_messages,
			 many_one_after_the_other);
}
