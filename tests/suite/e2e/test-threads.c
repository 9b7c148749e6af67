// SPDX-License-Identifier: MIT
/*
 * All operations on one connection from many threads at once, against a server with a pool:
 * blocking calls, async calls, calls canceled by other threads, replies by other threads, streams,
 * callbacks, watches and metadata. In the guest with two processes, in the host build under the
 * sanitizers (tests/env/host/module.mk).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "streams.h"

#define ROUNDS 160
#define SLOTS  16

/* --- The server -------------------------------------------------------------------- */

static struct ipc_object *streams_object;

static int show_streams(struct ipc_call *call, const E2e__BounceRequest *request, void *userdata)
{
	E2e__BounceReply reply = E2E__BOUNCE_REPLY__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;

	(void)request;
	(void)userdata;
	id.id = object_id(streams_object);
	reply.object = &id;
	return server_reply_bounce(call, &reply);
}

static void on_unwanted(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	ipc_call_fail(call, ECANCELED, NULL, "%s", "the call is canceled");
}

static void *reply_elsewhere(void *data)
{
	struct ipc_call *call = data;

	ipc_call_on_cancel(call, on_unwanted, NULL, /* ret_slot= */ NULL);
	ipc_call_fail(call, EDOM, NULL, "%s", "by another thread");
	ipc_call_unref(call);
	return NULL;
}

/* Another thread replies while the handler returns. After a cancel a third may reply, too. */
static int finish_elsewhere(struct ipc_call *call, const E2e__FinishRequest *request,
			    void *userdata)
{
	pthread_t thread;
	int r;

	(void)request;
	(void)userdata;
	r = -pthread_create(&thread, NULL, reply_elsewhere, ipc_call_ref(call));
	if (r < 0)
		ipc_call_unref(call);
	else
		pthread_detach(thread);
	return r;
}

/* The usual server, but Bounce returns an object with streams, and Finish has two repliers. */
static int prepare(struct ipc *ipc)
{
	static struct server_ops handlers;
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	handlers = server_handlers;
	handlers.bounce = show_streams;
	handlers.finish = finish_elsewhere;
	r = streams_object_new(ipc, &streams_handlers, NULL, NULL, &streams_object);
	if (r == 0)
		r = server_object_new(ipc, &handlers, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

static int serve_to_the_end(struct ipc *ipc)
{
	int r = ipc_run(ipc);

	ipc_object_unref(streams_object);
	return r;
}

static const struct server_options options = {
	.threads = 6,
	.prepare = prepare,
	.loop = serve_to_the_end,
};

/* --- The client ---------------------------------------------------------------------- */

static struct streams *streams;
static struct ipc_object *visitor;
static atomic_bool finished;
static atomic_uint stopped;

static int visited(struct ipc_call *call, const E2e__VisitRequest *request, void *userdata)
{
	E2e__VisitReply reply = E2E__VISIT_REPLY__INIT;

	(void)userdata;
	reply.depth = request->depth;
	return visitor_reply_visited(call, &reply);
}

static const struct visitor_ops visitor_handlers = { .visited = visited };

static void begin(void)
{
	E2e__BounceRequest request = E2E__BOUNCE_REQUEST__INIT;
	E2e__BounceReply *reply;

	client_open(&client);
	ck_assert_int_eq(server_bounce(client.server, &request, &reply, NULL), 0);
	ck_assert_int_eq(streams_take(client.ipc, reply->object, &streams), 0);
	server_bounce_reply_free(reply);
	ck_assert_int_eq(visitor_object_new(client.ipc, &visitor_handlers, NULL, NULL, &visitor),
			 0);
}

static void end(void)
{
	ipc_object_unref(visitor);
	streams_unref(streams);
	client_close(&client);
}

/* --- Calls that wait ---------------------------------------------------------------- */

static int say(unsigned int round)
{
	static const char *const metadata[] = { "mark", "", NULL };
	struct ipc_options with = { .timeout_usec = SECONDS(30), .metadata = metadata };
	ipc_auto(server_say_reply_free) E2e__SayReply *reply = NULL;
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%u", round);
	request.text = text;
	r = server_say_with(client.server, &with, &request, &reply, NULL);
	return r < 0 ? r : strcmp(reply->text, text) ? -EBADMSG : 0;
}

static int visit(unsigned int round)
{
	ipc_auto(server_visit_reply_free) E2e__VisitReply *reply = NULL;
	E2e__VisitRequest request = E2E__VISIT_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	id.id = object_id(visitor);
	request.visitor = &id;
	request.depth = round % 2;
	r = server_visit(client.server, &request, &reply, NULL);
	return r < 0 ? r : reply->depth == 1 ? 0 : -EBADMSG;
}

/* --- Calls that are canceled, by time or by another thread -------------------------- */

static struct ipc_cancellation *_Atomic slots[SLOTS];

static struct ipc_cancellation *new_cancellation(void)
{
	struct ipc_cancellation *cancellation;

	ck_assert_int_eq(ipc_cancellation_new(client.ipc, &cancellation), 0);
	return cancellation;
}

static void publish(struct ipc_cancellation *cancellation)
{
	ipc_cancellation_ref(cancellation);
	for (unsigned int i = 0;; i = (i + 1) % SLOTS) {
		struct ipc_cancellation *none = NULL;

		if (atomic_compare_exchange_strong(&slots[i], &none, cancellation))
			return;
		sched_yield();
	}
}

static void *cancel_often(void *unused)
{
	bool last;

	do {
		last = atomic_load(&finished);
		for (unsigned int i = 0; i < SLOTS; i++) {
			struct ipc_cancellation *cancellation = atomic_exchange(&slots[i], NULL);

			if (cancellation)
				ck_assert_int_eq(ipc_cancel(cancellation), 0);
			ipc_cancellation_unref(cancellation);
		}
		sleep_ms(1);
	} while (!last);
	return unused;
}

/* The cancellation may come before the call. */
static int hang(unsigned int round)
{
	ipc_auto(ipc_cancellation_unref) struct ipc_cancellation *cancellation = new_cancellation();
	struct ipc_options with = { .cancellation = cancellation };
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;
	int r;

	request.how = round % 2 ? E2E__HANG_REQUEST__HOW__KEPT : E2E__HANG_REQUEST__HOW__ASKING;
	/* Some calls are canceled, and then end with that error. */
	if (round % 4 < 2)
		publish(cancellation);
	else
		with.timeout_usec = 20000;
	r = server_hang_with(client.server, &with, &request, NULL);
	return r == (round % 4 < 2 ? -ECANCELED : -ETIMEDOUT) ? 0 : r == 0 ? -EBADMSG : r;
}

static int finish(unsigned int round)
{
	ipc_auto(ipc_cancellation_unref) struct ipc_cancellation *cancellation = new_cancellation();
	struct ipc_options with = { .cancellation = cancellation };
	E2e__FinishRequest request = E2E__FINISH_REQUEST__INIT;
	int r;

	if (round % 2)
		publish(cancellation);
	r = server_finish_with(client.server, &with, &request, NULL);
	return r == -EDOM || r == -ECANCELED ? 0 : r == 0 ? -EBADMSG : r;
}

/* --- Async calls --------------------------------------------------------------------- */

static atomic_uint pending;

/* Each call ends exactly once, and is freed then. */
struct awaited {
	char text[16];
	bool keep;
};

static bool may_end_so(int result)
{
	return result == -ECANCELED || result == -EOWNERDEAD || result == -ENOTCONN;
}

static void on_later(int result, E2e__SayReply *reply, const struct ipc_error *error, void *data)
{
	struct awaited *awaited = data;

	ck_assert_int_eq(error->code, result);
	if (result == 0)
		ck_assert_str_eq(reply->text, awaited->text);
	else
		ck_assert_msg(may_end_so(result), "ended with %s", ipc_strerror(result));
	if (result == 0 && awaited->keep) {
		server_later_reply_keep(reply);
		server_later_reply_free(reply);
	}
	free(awaited);
	atomic_fetch_sub(&pending, 1);
}

static void on_hang(int result, const struct ipc_error *error, void *data)
{
	(void)error;
	ck_assert_msg(may_end_so(result), "ended with %s", ipc_strerror(result));
	free(data);
	atomic_fetch_sub(&pending, 1);
}

/* A thread of the server replies while the call is canceled, or never replies. */
static int call_async(unsigned int round)
{
	E2e__LaterRequest request = E2E__LATER_REQUEST__INIT;
	E2e__HangRequest nothing = E2E__HANG_REQUEST__INIT;
	struct awaited *awaited = calloc(1, sizeof(*awaited));
	ipc_auto(ipc_cancellation_unref) struct ipc_cancellation *cancellation = new_cancellation();
	struct ipc_options options = { .cancellation = round % 2 ? cancellation : NULL };
	int r;

	ck_assert_ptr_nonnull(awaited);
	snprintf(awaited->text, sizeof(awaited->text), "%u", round);
	awaited->keep = round % 3 == 0;
	request.text = awaited->text;
	request.delay_ms = round % 3;
	atomic_fetch_add(&pending, 1);
	if (round % 4 == 3)
		r = server_hang_async(client.server, &options, &nothing, on_hang, awaited, NULL);
	else
		r = server_later_async(client.server, &options, &request, on_later, awaited, NULL);
	if (r < 0) {
		free(awaited);
		atomic_fetch_sub(&pending, 1);
		return r;
	}
	if (options.cancellation)
		publish(cancellation);
	while (atomic_load(&pending) > 2 * SLOTS)
		sched_yield();
	return 0;
}

static int log_number(unsigned int round)
{
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;
	int r;

	request.number = round;
	while ((r = server_log(client.server, &request)) == -EAGAIN)
		sleep_ms(1);
	return r;
}

/* --- Streams ---------------------------------------------------------------------------- */

/* Reads to the end, or cancels or releases the stream half-way. */
static int count_stream(unsigned int round)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	const Stream__Number *number;
	uint64_t got = 0;
	int r;

	request.count = 40;
	r = streams_count_open(streams, NULL, &request, &stream, NULL);
	if (r < 0)
		return r;
	while ((r = streams_count_receive(stream, SECONDS(20), &number, NULL)) > 0) {
		if (number->value != ++got)
			return -EBADMSG;
		if (got == 20 && round % 4 == 1)
			ipc_stream_cancel(stream);
		if (got == 20 && round % 4 == 3)
			return 0;
	}
	if (r < 0)
		return r == -ECANCELED && round % 4 == 1 ? 0 : r;
	return got == 40 ? 0 : -EBADMSG;
}

static void *send_numbers(void *data)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	int r = 0;

	for (number.value = 1; number.value <= 40 && r == 0; number.value++)
		r = streams_twice_send(data, SECONDS(20), &number);
	if (r == 0)
		r = ipc_stream_end(data);
	return (void *)(intptr_t)r;
}

/* A thread sends while another thread receives. */
static int talk_both_ways(unsigned int round)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	const Stream__Number *number;
	uint64_t got = 0;
	pthread_t sender;
	void *result;
	int r;

	if (round % 4)
		return 0;
	r = streams_twice_open(streams, NULL, &stream, NULL);
	if (r < 0)
		return r;
	ck_assert_int_eq(pthread_create(&sender, NULL, send_numbers, stream), 0);
	while ((r = streams_twice_receive(stream, SECONDS(20), &number, NULL)) > 0)
		got += number->value == 2 * (got + 1);
	pthread_join(sender, &result);
	if (r == 0)
		r = (int)(intptr_t)result;
	return r < 0 ? r : got == 40 ? 0 : -EBADMSG;
}

/* --- Objects -------------------------------------------------------------------------- */

static atomic_uint watching;

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	(void)userdata;
}

/* Called whether or not the watch fired. */
static void watch_ended(void *unused)
{
	(void)unused;
	atomic_fetch_sub(&watching, 1);
}

static int watch(unsigned int round)
{
	ipc_auto(server_new_counter_reply_free) E2e__NewCounterReply *reply = NULL;
	ipc_auto(counter_unref) struct counter *counter = NULL;
	struct ipc_slot *death = NULL, *other = NULL;
	int r;

	r = server_new_counter(client.server, &reply, NULL);
	if (r == 0)
		r = counter_take(client.ipc, reply->counter, &counter);
	if (r == 0)
		r = counter_on_death(counter, on_death, NULL, &other);
	if (r < 0)
		return r;
	atomic_fetch_add(&watching, 1);
	r = counter_on_death(counter, on_death, NULL, &death);
	if (r < 0) {
		atomic_fetch_sub(&watching, 1);
	} else {
		ipc_slot_set_destroy(death, watch_ended);
		ipc_slot_end(death);
	}
	if (round % 2)
		ipc_slot_end_async(other);
	else
		ipc_slot_detach(other);
	return r;
}

static void on_space(struct ipc *ipc, void *userdata)
{
	(void)ipc;
	(void)userdata;
}

/* Metadata that may be changed and read at any time. */
static int look_around(unsigned int round)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *manager = NULL;
	struct ipc_object_info info = { .size = sizeof(info) };
	struct ipc_slot *slot;
	int r;

	r = ipc_set_timeout(client.ipc, SECONDS(30 + round % 3));
	if (r == 0)
		r = ipc_proxy_set_timeout(server_proxy(client.server), SECONDS(30 + round % 5));
	if (r == 0)
		r = ipc_get_manager(client.ipc, &manager);
	if (r == 0)
		r = ipc_proxy_ping(manager, NULL);
	if (r == 0)
		r = ipc_object_info(visitor, &info);
	if (r == 0)
		r = ipc_wait_event(client.ipc, 0);
	if (r >= 0)
		r = ipc_on_writable(client.ipc, on_space, NULL, &slot);
	if (r == 0)
		ipc_slot_end(slot);
	ipc_object_unref(ipc_object_ref(visitor));
	return r;
}

/* --- The whole test --------------------------------------------------------------------- */

static int (*const acts[])(unsigned int round) = {
	say,	    visit,	  hang,		  finish, call_async,
	log_number, count_stream, talk_both_ways, watch,  look_around,
};

#define WORKERS (2 * sizeof(acts) / sizeof(acts[0]))

static atomic_bool dying;

/* Results that are possible if the server dies during the test. */
static bool is_gone(int r)
{
	/* A sender on a stream only gets -ECANCELED or -EPIPE. */
	return r == -EOWNERDEAD || r == -ENOTCONN ||
	       (atomic_load(&dying) && (r == -ECANCELED || r == -EPIPE));
}

static void *work(void *data)
{
	int (*act)(unsigned int round) = acts[(uintptr_t)data % (WORKERS / 2)];
	unsigned int rounds = atomic_load(&dying) ? UINT32_MAX : ROUNDS;
	int r = 0;

	for (unsigned int round = 0; round < rounds && r == 0; round++)
		r = act(round);
	return (void *)(intptr_t)r;
}

static void *run(void *unused)
{
	ck_assert_int_eq(ipc_run(client.ipc), 0);
	atomic_fetch_add(&stopped, 1);
	return unused;
}

/* Two threads serve the client's connection, a third cancels, and each activity has two threads. */
struct crowd {
	pthread_t workers[WORKERS], others[3];
};

static void start_crowd(struct crowd *crowd)
{
	atomic_store(&finished, false);
	atomic_store(&stopped, 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(
			pthread_create(&crowd->others[i], NULL, i ? run : cancel_often, NULL), 0);
	for (uintptr_t i = 0; i < WORKERS; i++)
		ck_assert_int_eq(pthread_create(&crowd->workers[i], NULL, work, (void *)i), 0);
}

static void join_crowd(struct crowd *crowd)
{
	void *result;

	for (unsigned int i = 0; i < WORKERS; i++) {
		int r;

		pthread_join(crowd->workers[i], &result);
		r = (int)(intptr_t)result;
		ck_assert_msg(atomic_load(&dying) ? is_gone(r) : r == 0, "act %u of thread %u: %s",
			      i % (unsigned int)(WORKERS / 2), i, ipc_strerror(r));
	}
	while (atomic_load(&pending))
		sleep_ms(1);
	while (atomic_load(&watching))
		sleep_ms(1);
	atomic_store(&finished, true);
	/* A thread that calls ipc_run() after all other threads have returned serves again. */
	while (atomic_load(&stopped) < 2) {
		ipc_stop(client.ipc);
		sleep_ms(1);
	}
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(crowd->others[i], NULL);
}

static void await_nothing_hung(void)
{
	for (;;) {
		ipc_auto(server_hung_reply_free) E2e__HungReply *reply = NULL;

		ck_assert_int_eq(server_hung(client.server, &reply, NULL), 0);
		if (!reply->open)
			return;
		sleep_ms(1);
	}
}

START_TEST(everything_at_once)
{
	pid_t pid = start_server(&options);
	struct crowd crowd;

	begin();
	start_crowd(&crowd);
	join_crowd(&crowd);
	await_nothing_hung();
	ck_assert_int_eq(server_stop(client.server, NULL), 0);
	ck_assert_int_eq(wait_server(pid), 0);
	end();
}
END_TEST

START_TEST(server_is_killed_in_the_middle)
{
	pid_t pid = start_server(&options);
	struct crowd crowd;

	begin();
	atomic_store(&dying, true);
	start_crowd(&crowd);
	sleep_ms(200);
	kill_server(pid);
	join_crowd(&crowd);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("threads", everything_at_once, server_is_killed_in_the_middle);
}
