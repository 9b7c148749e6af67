// SPDX-License-Identifier: MIT
/*
 * Streams with hostile clients, which open many streams and send no message, send while callbacks
 * run, or exit at any moment. The server must serve other clients in its usual time. No callback
 * may run twice at once or after destroy().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream-client.h"

#define IDLE_STREAMS	1000
#define THREADS		4

/* A call beside the streams must be served. */
static void expect_service(void)
{
	Stream__LookReply *reply;

	ck_assert_int_eq(streams_look(streams, &reply, NULL), 0);
	streams_look_reply_free(reply);
}

/* --- Many silent streams ------------------------------------------------------------- */

static void idle_streams_of(unsigned int threads)
{
	static struct ipc_stream *idle[IDLE_STREAMS];
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *total;

	begin(threads);
	for (int i = 0; i < IDLE_STREAMS; i++)
		ck_assert_int_eq(streams_sum_open(streams, NULL, &idle[i], NULL), 0);
	expect_service();
	/* All streams still work, in another order than they were opened. */
	number.value = 7;
	for (int i = 0; i < IDLE_STREAMS; i += 100) {
		ck_assert_int_eq(streams_sum_send(idle[i], SECONDS(10), &number), 0);
		ck_assert_int_eq(streams_sum_finish(idle[i], SECONDS(10), &total, NULL), 0);
		ck_assert_uint_eq(total->value, 7);
	}
	for (int i = 0; i < IDLE_STREAMS; i++)
		ipc_stream_unref(idle[i]);
	look_until(0, -ECANCELED);
	end();
}

START_TEST(idle_streams_of_a_single_thread)
{
	idle_streams_of(1);
}
END_TEST

START_TEST(idle_streams_of_an_event_loop)
{
	idle_streams_of(0);
}
END_TEST

/* Waits until the server has ended the stream. streams_sum_finish() might end it earlier. */
static void until_ended(struct ipc_stream *stream)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	int r;

	while ((r = streams_sum_send(stream, 0, &number)) == 0 || r == -EAGAIN)
		ck_assert_int_ge(ipc_process(ipc), 0);
	ck_assert_int_eq(r, -EDEADLK);
}

/* Retries: a thread is free only some time after its handler has reported its end. */
static void expect_a_sum(void)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *total;
	struct ipc_stream *stream;
	int sent, r = -EDEADLK;

	number.value = 5;
	for (int i = 0; i < 500 && r == -EDEADLK; i++) {
		ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
		sent = streams_sum_send(stream, SECONDS(10), &number);
		r = streams_sum_finish(stream, SECONDS(10), &total, NULL);
		ck_assert(sent == 0 || r == -EDEADLK);
		ck_assert(r != 0 || total->value == 5);
		ipc_stream_unref(stream);
		usleep(10000);
	}
	ck_assert_int_eq(r, 0);
}

/* Waiting handlers leave a thread free to serve: further handlers fail with -EDEADLK. */
START_TEST(idle_streams_of_a_pool)
{
	struct ipc_stream *idle[THREADS + 2];
	const Stream__Number *total;

	begin(THREADS);
	for (int i = 0; i < THREADS + 2; i++) {
		ck_assert_int_eq(streams_sum_open(streams, NULL, &idle[i], NULL), 0);
		if (i < THREADS - 1) {
			look_until((uint32_t)i + 1, 0);
			usleep(100000); /* until the handler waits */
		}
	}
	for (int i = THREADS - 1; i < THREADS + 2; i++) {
		until_ended(idle[i]);
		ck_assert_int_eq(streams_sum_finish(idle[i], SECONDS(10), &total, NULL), -EDEADLK);
		ipc_stream_unref(idle[i]);
	}
	expect_service();
	ck_assert_int_eq(streams_sum_finish(idle[0], SECONDS(10), &total, NULL), 0);
	ipc_stream_unref(idle[0]);
	look_until(THREADS - 2, 0);
	expect_a_sum();
	for (int i = 1; i < THREADS - 1; i++)
		ipc_stream_unref(idle[i]);
	end();
}
END_TEST

/* --- Stopping ------------------------------------------------------------------------ */

static void *stop_soon(void *data)
{
	usleep(500000);
	ipc_stop(data);
	return NULL;
}

static pthread_t stopper;

static int prepare_to_stop(struct ipc *ipc)
{
	int r = prepare_waiting_streams(ipc);

	return r < 0 ? r : -pthread_create(&stopper, NULL, stop_soon, ipc);
}

static int run_and_join(struct ipc *ipc)
{
	int r = ipc_run(ipc);

	pthread_join(stopper, NULL);
	return r;
}

START_TEST(an_idle_stream_does_not_keep_a_server)
{
	struct server_options options = {
		.threads = 2, .prepare = prepare_to_stop, .loop = run_and_join,
	};
	struct ipc_stream *stream;
	struct ipc_proxy *proxy;

	server = start_server(&options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	streams = streams_from_proxy(proxy);
	ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
	ck_assert_int_eq(wait_server(server), 0);
	ipc_stream_unref(stream);
	streams_unref(streams);
	ipc_unref(ipc);
}
END_TEST

/* --- Callbacks run in sequence ------------------------------------------------------- */

/* Counters of the server's callbacks, over all streams. strand_look() reports them. */
static atomic_uint overlaps, late, destroyed, messages;

struct strand {
	atomic_bool inside;
	atomic_bool gone;
};

static void enter(struct strand *strand)
{
	if (atomic_exchange(&strand->inside, true))
		atomic_fetch_add(&overlaps, 1);
	if (atomic_load(&strand->gone))
		atomic_fetch_add(&late, 1);
}

static void leave(struct strand *strand)
{
	atomic_store(&strand->inside, false);
}

static void strand_message(struct ipc_stream *stream, void *userdata)
{
	Stream__Number reply = STREAM__NUMBER__INIT;
	const Stream__Number *number;

	enter(userdata);
	while (streams_receive_twice(stream, 0, &number, NULL) > 0) {
		reply.value = number->value;
		streams_send_twice(stream, 0, &reply);
		atomic_fetch_add(&messages, 1);
	}
	sched_yield();
	leave(userdata);
}

static void strand_writable(struct ipc_stream *stream, void *userdata)
{
	(void)stream;
	enter(userdata);
	sched_yield();
	leave(userdata);
}

static void strand_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		       void *userdata)
{
	(void)error;
	enter(userdata);
	if (result == 0)
		ipc_stream_end(stream);
	sched_yield();
	leave(userdata);
}

/* The memory is kept, so that a late callback is counted instead of crashing. */
static void strand_destroy(void *userdata)
{
	struct strand *strand = userdata;

	enter(strand);
	atomic_store(&strand->gone, true);
	atomic_fetch_add(&destroyed, 1);
	leave(strand);
}

static int strand_open(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = strand_message,
		.on_writable = strand_writable,
		.on_end = strand_end,
		.destroy = strand_destroy,
	};
	static struct strand strands[4096];
	static atomic_uint n_strands;
	struct strand *strand = &strands[atomic_fetch_add(&n_strands, 1) % 4096];
	int r;

	(void)userdata;
	enter(strand);
	r = ipc_stream_set_ops(stream, &ops, strand);
	/* Messages that arrive now wait for the handler. */
	sched_yield();
	leave(strand);
	return r;
}

static int strand_look(struct ipc_call *call, void *userdata)
{
	Stream__LookReply reply = STREAM__LOOK_REPLY__INIT;

	(void)userdata;
	reply.sent = messages;
	reply.handlers = destroyed;
	reply.last_error = -(int)(overlaps + late);
	return streams_reply_look(call, &reply);
}

static int prepare_strands(struct ipc *ipc)
{
	static const struct streams_ops ops = { .twice = strand_open, .look = strand_look };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = streams_object_new(ipc, &ops, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

#define ROUNDS	40

/* Some streams end normally, some are canceled, some are only released, with messages in flight. */
static void *disturb(void *unused)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *reply;
	struct ipc_stream *stream;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		ck_assert_int_eq(streams_twice_open(streams, NULL, &stream, NULL), 0);
		for (number.value = 0; number.value < 20 + i; number.value++)
			if (streams_twice_send(stream, i % 4 ? 0 : SECONDS(10), &number) < 0)
				break;
		if (i % 4 == 0) {
			ck_assert_int_eq(ipc_stream_end(stream), 0);
			while (streams_twice_receive(stream, SECONDS(10), &reply, NULL) > 0)
				;
		} else if (i % 4 == 1) {
			ipc_stream_cancel(stream);
		}
		ipc_stream_unref(stream);
	}
	return unused;
}

START_TEST(callbacks_do_not_overlap)
{
	struct server_options options = { .threads = 6, .prepare = prepare_strands };
	struct ipc_proxy *proxy;
	pthread_t clients[THREADS];

	server = start_server(&options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	streams = streams_from_proxy(proxy);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&clients[i], NULL, disturb, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(clients[i], NULL), 0);
	/* A single destroy per stream, no overlaps, no late callbacks. */
	look_until(THREADS * ROUNDS, 0);
	end();
}
END_TEST

/* --- Threads that leave ipc_run() -------------------------------------------------------- */

static void *run_until_stopped(void *data)
{
	ck_assert_int_eq(ipc_run(data), 0);
	return NULL;
}

static void *sleep_for_a_message(void *data)
{
	const Stream__Number *number;
	struct timespec cpu;

	ck_assert_int_eq(streams_later_receive(data, 400000, &number, NULL), -EAGAIN);
	ck_assert_int_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu), 0);
	ck_assert_int_eq(cpu.tv_sec, 0);
	return NULL;
}

START_TEST(a_receiver_sleeps_when_the_last_run_returned)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	pthread_t runner, receiver;
	struct ipc_stream *stream;

	begin(1);
	request.count = 1;
	request.usec = SECONDS(3);
	ck_assert_int_eq(streams_later_open(streams, NULL, &request, &stream, NULL), 0);
	ck_assert_int_eq(streams_later_receive(stream, SECONDS(10), &number, NULL), 1);
	ck_assert_int_eq(pthread_create(&runner, NULL, run_until_stopped, ipc), 0);
	usleep(50000);
	ck_assert_int_eq(pthread_create(&receiver, NULL, sleep_for_a_message, stream), 0);
	usleep(50000);
	ipc_stop(ipc);
	ck_assert_int_eq(pthread_join(runner, NULL), 0);
	ck_assert_int_eq(pthread_join(receiver, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-hostile", idle_streams_of_a_single_thread,
			 idle_streams_of_an_event_loop, idle_streams_of_a_pool,
			 an_idle_stream_does_not_keep_a_server, callbacks_do_not_overlap,
			 a_receiver_sleeps_when_the_last_run_returned);
}
