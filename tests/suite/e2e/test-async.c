// SPDX-License-Identifier: MIT
/*
 * Async calls, timeouts, and calls that end before their reply: directly through the driver, and
 * through a process in the middle.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/rpc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* Handlers that block need the pool. threads 0: the server's own epoll loop. */
static const struct server_options pool = { .threads = 8 };
static const struct server_options loop = { .threads = 0 };

static const struct ipc_method *method(const char *name)
{
	for (size_t i = 0; i < server_interface.n_methods; i++)
		if (!strcmp(server_interface.methods[i].name, name))
			return &server_interface.methods[i];
	ck_abort_msg("no method %s", name);
	return NULL;
}

/* --- Async calls ------------------------------------------------------------------ */

/* good: replies with the text "later"; last: result of the last call */
struct ends {
	unsigned int count;
	unsigned int good;
	int last;
};

static void count_end(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		      ipc_rpc_cb cb, void *userdata)
{
	struct ends *ends = userdata;

	(void)cb;
	ck_assert_int_eq(error->code, result < 0 ? result : 0);
	ends->count++;
	ends->last = result;
	if (reply && !strcmp(((E2e__SayReply *)reply)->text, "later"))
		ends->good++;
}

static int later_async(struct client *client, const struct ipc_options *options,
		       unsigned int delay_ms, struct ends *ends)
{
	E2e__LaterRequest request = E2E__LATER_REQUEST__INIT;

	request.text = "later";
	request.delay_ms = delay_ms;
	return ipc_rpc_call_async(server_proxy(client->server), method("Later"), options,
				  &request.base, count_end, (ipc_rpc_cb)count_end, ends,
				  NULL);
}

static int hang_async(struct client *client, const struct ipc_options *options,
		      struct ends *ends)
{
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;

	return ipc_rpc_call_async(server_proxy(client->server), method("Hang"), options,
				  &request.base, count_end, (ipc_rpc_cb)count_end, ends,
				  NULL);
}

/* Runs one loop in a single thread until @count calls have ended. */
static void loop_until(struct client *client, const struct ends *ends, unsigned int count)
{
	while (ends->count < count) {
		ck_assert_int_eq(ipc_wait_event(client->ipc, 20000000), 1);
		while (ipc_process(client->ipc) > 0)
			;
	}
	ck_assert_uint_eq(ends->count, count);
}

START_TEST(many_concurrent_calls_from_one_thread)
{
	struct ends ends = { 0 };
	uint64_t before;

	client_start(&one_thread);
	before = now_ms();
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(later_async(&client, NULL, 300, &ends), 0);
	loop_until(&client, &ends, 200);
	ck_assert_uint_eq(ends.good, 200);
	/* The calls ran concurrently. */
	ck_assert_uint_lt(now_ms() - before, 200 * 300 / 2);
}
END_TEST

START_TEST(pending_calls_end_with_the_server)
{
	struct ends ends = { 0 };

	client_start(&one_thread);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(hang_async(&client, NULL, &ends), 0);
	client_kill_server();
	loop_until(&client, &ends, 10);
	ck_assert_int_eq(ends.last, -EOWNERDEAD);
}
END_TEST

START_TEST(pending_calls_end_with_the_connection)
{
	struct ends ends = { 0 };

	client_start(&one_thread);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(hang_async(&client, NULL, &ends), 0);
	client_close(&client);
	ck_assert_uint_eq(ends.count, 10);
	ck_assert_int_eq(ends.last, -ECANCELED);
}
END_TEST

/* --- Cancel notifications of the server ----------------------------------------------- */

/* Waits until the server has counted that many calls and notifications. */
static void await_hung(struct client *client, uint32_t open, uint32_t notified,
		       uint32_t *ret_had_ms)
{
	for (int i = 0;; i++) {
		ipc_auto(server_hung_reply_free) E2e__HungReply *reply = NULL;

		ck_assert_int_eq(server_hung(client->server, &reply, NULL), 0);
		if (reply->open == open && reply->notified == notified) {
			if (ret_had_ms)
				*ret_had_ms = reply->had_ms;
			return;
		}
		ck_assert_msg(i < 2000, "%u open, %u notified", reply->open, reply->notified);
		sleep_ms(10);
	}
}

START_TEST(canceled_from_another_thread)
{
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;
	struct ends ends = { 0 };
	struct ipc_options options = { 0 };

	client_start(&loop);
	ck_assert_int_eq(ipc_cancellation_new(client.ipc, &options.cancellation), 0);
	ck_assert_int_eq(hang_async(&client, &options, &ends), 0);
	ck_assert_int_eq(hang_async(&client, &options, &ends), 0);
	await_hung(&client, 2, 0, NULL);
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	loop_until(&client, &ends, 2);
	ck_assert_int_eq(ends.last, -ECANCELED);
	await_hung(&client, 0, 2, NULL);
	/* A canceled object stays canceled: later calls with it never reach the server. */
	ck_assert_int_eq(hang_async(&client, &options, &ends), -ECANCELED);
	ck_assert_int_eq(server_hang_with(client.server, &options, &request, NULL), -ECANCELED);
	await_hung(&client, 0, 2, NULL);
	ipc_cancellation_unref(options.cancellation);
}
END_TEST

struct blocked {
	struct client *client;
	struct ipc_cancellation *cancellation;
	E2e__HangRequest__How how;
};

static void *hang_blocked(void *data)
{
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;
	struct blocked *blocked = data;
	struct ipc_options options = { .cancellation = blocked->cancellation };

	request.how = blocked->how;
	return (void *)(intptr_t)ipc_rpc_call_with(server_proxy(blocked->client->server),
						   method("Hang"), &options, &request.base, NULL,
						   NULL);
}

static void cancel_blocked(E2e__HangRequest__How how)
{
	struct blocked blocked = { .how = how };
	pthread_t thread;
	void *result;

	client_start(&pool);
	blocked.client = &client;
	ck_assert_int_eq(ipc_cancellation_new(client.ipc, &blocked.cancellation), 0);
	pthread_create(&thread, NULL, hang_blocked, &blocked);
	await_hung(&client, 1, 0, NULL);
	ck_assert_int_eq(ipc_cancel(blocked.cancellation), 0);
	pthread_join(thread, &result);
	ipc_cancellation_unref(blocked.cancellation);
	ck_assert_int_eq((int)(intptr_t)result, -ECANCELED);
	await_hung(&client, 0, 1, NULL);
}

START_TEST(a_blocked_call_is_canceled)
{
	cancel_blocked(E2E__HANG_REQUEST__HOW__KEPT);
}
END_TEST

START_TEST(a_handler_asks)
{
	cancel_blocked(E2E__HANG_REQUEST__HOW__ASKING);
}
END_TEST

static int die_calling(void *data)
{
	struct ends ends = { 0 };
	struct client client;

	client_open(&client);
	hang_async(&client, NULL, &ends);
	await_hung(&client, 1, 0, NULL);
	(void)data;
	_exit(0);
}

START_TEST(the_caller_dies)
{
	client_start(&one_thread);
	run_child(die_calling, NULL);
	await_hung(&client, 0, 1, NULL);
}
END_TEST

/* --- Time ------------------------------------------------------------------------------ */

START_TEST(time_runs_out)
{
	/* Long enough that the server gets the call before the limit, even on a busy machine. */
	struct ipc_options options = { .timeout_usec = 1000000 };
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;
	struct ends ends = { 0 };
	uint32_t had_ms;

	client_start(&one_thread);
	ck_assert_int_eq(hang_async(&client, &options, &ends), 0);
	loop_until(&client, &ends, 1);
	ck_assert_int_eq(ends.last, -ETIMEDOUT);
	await_hung(&client, 0, 1, &had_ms);
	ck_assert_uint_le(had_ms, 1000);

	/* The same limit, set on the proxy and on the connection. */
	ck_assert_int_eq(ipc_proxy_set_timeout(server_proxy(client.server), 1000000), 0);
	ck_assert_int_eq(server_hang(client.server, &request, NULL), -ETIMEDOUT);
	ck_assert_int_eq(ipc_proxy_set_timeout(server_proxy(client.server), IPC_INHERIT), 0);
	ck_assert_int_eq(ipc_set_timeout(client.ipc, 1000000), 0);
	ck_assert_int_eq(server_hang(client.server, &request, NULL), -ETIMEDOUT);
	ck_assert_int_eq(ipc_set_timeout(client.ipc, IPC_NEVER), 0);
	await_hung(&client, 0, 3, NULL);
}
END_TEST

/* Client -> server in the middle -> this process, which never replies. */
static void through_the_middle(E2e__HangRequest__How how, bool timeout)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	struct ipc_options options = { .timeout_usec = timeout ? 2000000 : 0 };
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;
	Ipc__Object target = IPC__OBJECT__INIT;
	struct ends ends = { 0 };

	client_start(&pool);
	ck_assert_int_eq(ipc_cancellation_new(client.ipc, &options.cancellation), 0);
	ck_assert_int_eq(server_object_new(client.ipc, &server_handlers, NULL, NULL, &object), 0);
	target.id = object_id(object);
	request.target = &target;
	request.how = how;
	ck_assert_int_eq(ipc_rpc_call_async(server_proxy(client.server), method("Hang"), &options,
					    &request.base, count_end,
					    (ipc_rpc_cb)count_end, &ends, NULL), 0);
	while (!local_hanging(client.ipc)) {
		ck_assert_int_eq(ipc_wait_event(client.ipc, 20000000), 1);
		while (ipc_process(client.ipc) > 0)
			;
	}
	if (!timeout)
		ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	loop_until(&client, &ends, 1);
	ipc_cancellation_unref(options.cancellation);
	ck_assert_int_eq(ends.last, timeout ? -ETIMEDOUT : -ECANCELED);
	/* The cancellation is passed on through both calls. */
	while (local_hanging(client.ipc) ||
	       (how == E2E__HANG_REQUEST__HOW__CLEANING_UP && !local_asked(client.ipc))) {
		ck_assert_int_eq(ipc_wait_event(client.ipc, 20000000), 1);
		while (ipc_process(client.ipc) > 0)
			;
	}
	await_hung(&client, 0, 0, NULL);
}

START_TEST(canceled_through_a_waiting_handler)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CALLING, false);
}
END_TEST

START_TEST(canceled_through_an_async_call)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CALLING_ASYNC, false);
}
END_TEST

START_TEST(canceled_through_another_thread)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CALLING_ELSEWHERE, false);
}
END_TEST

START_TEST(a_canceled_handler_cleans_up)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CLEANING_UP, false);
}
END_TEST

START_TEST(a_handler_out_of_time_cleans_up)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CLEANING_UP, true);
}
END_TEST

START_TEST(time_runs_out_through_another_thread)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CALLING_ELSEWHERE, true);
}
END_TEST

START_TEST(time_runs_out_through_a_waiting_handler)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CALLING, true);
}
END_TEST

START_TEST(time_runs_out_through_an_async_call)
{
	through_the_middle(E2E__HANG_REQUEST__HOW__CALLING_ASYNC, true);
}
END_TEST

START_TEST(time_does_not_run_out_for_detached_calls)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	struct ipc_options options = { .timeout_usec = 1000000 };
	E2e__HangRequest request = E2E__HANG_REQUEST__INIT;
	Ipc__Object target = IPC__OBJECT__INIT;

	client_start(&one_thread);
	ck_assert_int_eq(server_object_new(client.ipc, &server_handlers, NULL, NULL, &object), 0);
	target.id = object_id(object);
	request.target = &target;
	request.how = E2E__HANG_REQUEST__HOW__DETACHED;
	ck_assert_int_eq(server_hang_with(client.server, &options, &request, NULL), -ETIMEDOUT);
	while (!local_asked(client.ipc)) {
		ck_assert_int_eq(ipc_wait_event(client.ipc, 20000000), 1);
		while (ipc_process(client.ipc) > 0)
			;
	}
}
END_TEST

/* --- Oneways --------------------------------------------------------------------------- */

START_TEST(a_oneway_waits_for_space)
{
	struct server_options small = { .threads = 1, .region_size = 1 << 20 };
	struct ipc_options patient = { .timeout_usec = 20000000 };
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;
	uint8_t ballast[100000] = { 0 };
	int r;

	client_start(&small);
	request.ballast = (ProtobufCBinaryData){ .data = ballast, .len = sizeof(ballast) };
	request.sleep_ms = 5;
	do
		r = server_log(client.server, &request);
	while (r == 0);
	ck_assert_int_eq(r, -EAGAIN);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(ipc_rpc_oneway_with(server_proxy(client.server), method("Log"),
						     &patient, &request.base), 0);
}
END_TEST

struct patient {
	struct client *client;
	pthread_t thread;
};

static void *send_patiently(void *arg)
{
	struct ipc_options options = { .timeout_usec = IPC_NEVER };
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;
	uint8_t ballast[100000] = { 0 };
	struct patient *patient = arg;

	request.ballast = (ProtobufCBinaryData){ .data = ballast, .len = sizeof(ballast) };
	request.sleep_ms = 1;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(ipc_rpc_oneway_with(server_proxy(patient->client->server),
						     method("Log"), &options, &request.base),
				 0);
	return NULL;
}

/* Two connections with several threads each: every thread notices free space. */
START_TEST(many_threads_wait_for_space)
{
	struct server_options small = { .threads = 1, .region_size = 1 << 20 };
	pid_t pid = start_server(&small);
	struct patient patient[8];
	struct client client[2];

	for (int i = 0; i < 2; i++)
		client_open(&client[i]);
	for (int i = 0; i < 8; i++) {
		patient[i].client = &client[i % 2];
		ck_assert_int_eq(pthread_create(&patient[i].thread, NULL, send_patiently,
						&patient[i]),
				 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(patient[i].thread, NULL);
	for (int i = 0; i < 2; i++)
		client_close(&client[i]);
	kill_server(pid);
}
END_TEST

START_TEST(oneway_replaces_a_queued_oneway)
{
	struct ipc_options replace = { .flags = IPC_REPLACE };
	ipc_auto(server_logged_reply_free) E2e__LoggedReply *reply = NULL;
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;

	client_start(&one_thread);
	request.sleep_ms = 300;
	for (request.number = 0; request.number < 50; request.number++)
		ck_assert_int_eq(ipc_rpc_oneway_with(server_proxy(client.server), method("Log"),
						     &replace, &request.base), 0);
	sleep_ms(700);
	ck_assert_int_eq(server_logged(client.server, &reply, NULL), 0);
	/* The first oneway was taken at once. Most oneways between the first and the last were
	 * replaced. */
	ck_assert_uint_lt(reply->n_numbers, 10);
	ck_assert_uint_eq(reply->numbers[reply->n_numbers - 1], 49);
}
END_TEST

int main(void)
{
	return RUN_TESTS("async", many_concurrent_calls_from_one_thread,
			 pending_calls_end_with_the_server, pending_calls_end_with_the_connection,
			 canceled_from_another_thread, a_blocked_call_is_canceled, a_handler_asks,
			 the_caller_dies, time_runs_out, canceled_through_a_waiting_handler,
			 canceled_through_an_async_call, canceled_through_another_thread,
			 a_canceled_handler_cleans_up, a_handler_out_of_time_cleans_up,
			 time_runs_out_through_another_thread,
			 time_runs_out_through_a_waiting_handler,
			 time_runs_out_through_an_async_call,
			 time_does_not_run_out_for_detached_calls, a_oneway_waits_for_space,
			 many_threads_wait_for_space, oneway_replaces_a_queued_oneway);
}
