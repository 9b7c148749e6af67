// SPDX-License-Identifier: MIT
/*
 * Canceling: by another thread, by the caller's death, down a chain of calls, and against a
 * reply at the same time.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

static void send_call(const struct raw *r, uint32_t handle, uint64_t cookie)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .handle = handle, .code = 1, .cookie = cookie,
	};

	assert_ok(raw_send(r, &send, NULL));
}

static void take_canceled(const struct raw *r, uint64_t call)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_CANCELED, &ev);
	ck_assert_uint_eq(ev.call, call);
}

START_TEST(queued_request)
{
	send_call(&cli, 0, 5);
	assert_ok(raw_cancel(&cli, 5));
	raw_none(&srv);
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	assert_result(raw_cancel(&cli, 5), -ENOENT);
}
END_TEST

START_TEST(call_that_was_taken)
{
	struct ipcbus_call_info info;
	struct ipcbus_event ev;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.flags, 0);
	assert_ok(raw_cancel(&cli, 5));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.flags, IPCBUS_CALL_CANCELED);
	take_canceled(&srv, ev.call);
	raw_reply(&srv, ev.call, "late", 4);
	raw_none(&cli);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(reply_before_the_cancel_wins)
{
	struct ipcbus_event ev;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	assert_result(raw_cancel(&cli, 5), -ENOENT);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	ck_assert_uint_eq(ev.cookie, 5);
	raw_none(&srv);
}
END_TEST

START_TEST(only_calls_with_the_cookie)
{
	struct ipcbus_event ev[3];

	send_call(&cli, 0, 5);
	send_call(&oth, 0, 6);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev[0]);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev[1]);
	assert_result(raw_cancel(&cli, 6), -ENOENT);
	assert_result(raw_cancel(&oth, 5), -ENOENT);
	assert_result(raw_cancel(&srv, 5), -ENOENT);
	raw_none(&cli);
	raw_reply(&srv, ev[0].call, NULL, 0);
	raw_reply(&srv, ev[1].call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev[0]);
	raw_take(&oth, IPCBUS_EVENT_REPLY, &ev[0]);
}
END_TEST

/* A refused reply leaves the call open. The server still gets the cancel event. */
START_TEST(after_a_reply_that_failed)
{
	struct ipcbus_send bad = { .kind = IPCBUS_SEND_REPLY, .data = 8, .data_size = 8 };
	struct ipcbus_event ev;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	bad.call = ev.call;
	raw_fails(&srv, &bad, -EFAULT, IPCBUS_STAGE_COPY, 0);
	assert_ok(raw_cancel(&cli, 5));
	take_canceled(&srv, ev.call);
	/* The call has no caller any more: an invalid reply succeeds like any other. */
	assert_ok(raw_send(&srv, &bad, NULL));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
}
END_TEST

static void reply_with_a_node(uint64_t call, uint64_t node)
{
	struct ipcbus_object o = object_node(node);
	struct ipcbus_send reply = {
		.kind = IPCBUS_SEND_REPLY, .call = call, .objects = PTR64(&o), .object_count = 1,
	};

	assert_ok(raw_send(&srv, &reply, NULL));
}

/* The node of a reply without a receiver becomes idle, or the server would keep it forever. */
START_TEST(node_in_a_reply_without_receiver_becomes_idle)
{
	uint64_t node = raw_node(&srv, 0, 77);
	struct ipcbus_event ev;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_cancel(&cli, 5));
	if (_i)
		take_canceled(&srv, ev.call);
	reply_with_a_node(ev.call, node);
	raw_take(&srv, IPCBUS_EVENT_IDLE, &ev);
	ck_assert_uint_eq(ev.cookie, 77);
	raw_none(&srv);
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
}
END_TEST

START_TEST(node_in_a_reply_without_receiver_with_other_handles)
{
	uint64_t node = raw_node(&srv, 0, 77);
	struct ipcbus_event ev;

	give_handle(&oth, &srv, node);
	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_cancel(&cli, 5));
	take_canceled(&srv, ev.call);
	reply_with_a_node(ev.call, node);
	raw_none(&srv);
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
}
END_TEST

START_TEST(cancel_reaches_the_end_of_the_chain)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event first, second;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	send_call(&srv, to_oth, 9);
	raw_take(&oth, IPCBUS_EVENT_CALL, &second);
	assert_ok(raw_cancel(&cli, 5));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_failed(&srv, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	take_canceled(&oth, second.call);
	raw_reply(&oth, second.call, NULL, 0);
	raw_reply(&srv, first.call, NULL, 0);
	raw_none(&srv);
	raw_none(&cli);
}
END_TEST

/* Nor is a call affected that its target's thread made in the meantime, back in the same chain. */
START_TEST(detached_nested_call_goes_on)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	uint32_t back = give_handle(&oth, &srv, raw_node(&srv, 0, 2));
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_DETACHED, .handle = to_oth,
	};
	struct ipcbus_event first, nested, above, ev;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&oth, IPCBUS_EVENT_CALL, &nested);
	send_call(&oth, back, 9);
	assert_ok(raw_next(&srv, IPCBUS_NONBLOCK, &above));
	ck_assert_uint_eq(above.kind, IPCBUS_EVENT_CALL);
	send_call(&srv, to_oth, 10);
	assert_ok(raw_next(&oth, IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);

	assert_ok(raw_cancel(&cli, 5));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_reply(&oth, ev.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, above.call, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&oth, nested.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	/* The served call is canceled nevertheless. A call made from now on is sent. */
	take_canceled(&srv, first.call);
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&oth, IPCBUS_EVENT_CALL, &nested);
	raw_reply(&oth, nested.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, first.call, NULL, 0);
	raw_none(&srv);
	raw_none(&cli);
}
END_TEST

/* Only open calls are canceled: a nested call that was replied to keeps its reply. */
START_TEST(nested_reply_before_the_cancel_wins)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event first, nested;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	send_call(&srv, to_oth, 9);
	raw_take(&oth, IPCBUS_EVENT_CALL, &nested);
	raw_reply(&oth, nested.call, "done", 4);
	assert_ok(raw_cancel(&cli, 5));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &nested);
	ck_assert_uint_eq(nested.cookie, 9);
	raw_holds(&srv, &nested, "done", 4);
	raw_release(&srv, &nested);
	raw_none(&oth);
	raw_reply(&srv, first.call, NULL, 0);
	raw_none(&cli);
}
END_TEST

/* Calls of the same server for other callers go on. */
START_TEST(cancel_does_not_reach_other_calls_of_the_server)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event first, nested;

	send_call(&srv, to_oth, 9);
	raw_take(&oth, IPCBUS_EVENT_CALL, &nested);
	send_call(&cli, 0, 5);
	assert_ok(raw_cancel(&cli, 5));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_none(&srv);
	raw_reply(&oth, nested.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &first);
}
END_TEST

/* Makes a call, and dies or exits during the call. */
static int call_and_wait(struct peer *self, void *arg)
{
	struct raw r;

	raw_open(&r, REGION);
	send_call(&r, 0, 5);
	peer_notify(self, 1);
	if (arg)
		assert_ok(dev_ioctl(r.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	else
		peer_hear(self);
	raw_close(&r);
	return 0;
}

START_TEST(node_in_a_reply_for_the_dead_is_idle)
{
	uint64_t node = raw_node(&srv, 0, 77);
	struct ipcbus_event ev, canceled;
	struct peer p;

	peer_start(&p, call_and_wait, NULL);
	peer_hear(&p);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	peer_kill(&p);
	if (_i)
		raw_wait(&srv, IPCBUS_EVENT_CANCELED, &canceled);
	reply_with_a_node(ev.call, node);
	do
		raw_next(&srv, IPCBUS_SERVE, &ev);
	while (ev.kind == IPCBUS_EVENT_CANCELED);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_IDLE);
	ck_assert_uint_eq(ev.cookie, 77);
}
END_TEST

START_TEST(calling_thread_exits)
{
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, call_and_wait, "");
	peer_hear(&p);
	peer_end(&p);
	/* The caller left before a thread took the call. */
	raw_none(&srv);
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	take_canceled(&srv, ev.call);
	raw_reply(&srv, ev.call, NULL, 0);
}
END_TEST

/* The server closes and never reads the event. */
START_TEST(server_closes_with_an_unread_cancellation)
{
	struct ipcbus_event ev;

	send_call(&cli, 0, 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_cancel(&cli, 5));
	raw_close(&srv);
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_none(&cli);
}
END_TEST

static void *canceller(void *arg)
{
	const bool *done = arg;

	while (!__atomic_load_n(done, __ATOMIC_RELAXED)) {
		int r = raw_cancel(&cli, 5);

		ck_assert(!r || r == -ENOENT);
		sched_yield();
	}
	return NULL;
}

static void *echo_server(void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	for (;;) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE, &ev));
		if (ev.kind != IPCBUS_EVENT_CALL)
			continue;
		raw_release(&srv, &ev);
		raw_reply(&srv, ev.call, "y", 1);
		if (ev.code == QUIT)
			return NULL;
	}
}

START_TEST(races_with_the_reply)
{
	unsigned int rounds = from_environment("CANCEL_ROUNDS", 2000);
	struct helper server, h;
	bool done = false;
	struct ipcbus_event ev;

	helper_start(&server, echo_server, NULL);
	helper_start(&h, canceller, &done);
	for (unsigned int i = 0; i < rounds; i++) {
		struct ipcbus_exchange x = {
			.flags = IPCBUS_WAIT,
			.send = { .kind = IPCBUS_SEND_CALL, .code = 1, .cookie = 5 },
		};

		assert_ok(raw_exchange(&cli, &x));
		if (x.event.kind == IPCBUS_EVENT_FAILED)
			ck_assert_int_eq(x.event.error, -ECANCELED);
		else
			ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_REPLY);
		raw_release(&cli, &x.event);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	helper_end(&h);
	raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	raw_release(&cli, &ev);
	helper_end(&server);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cancel");
	TCase *tc = add_case(s, "bus", setup_bus);

	tcase_add_test(tc, queued_request);
	tcase_add_test(tc, call_that_was_taken);
	tcase_add_test(tc, reply_before_the_cancel_wins);
	tcase_add_test(tc, only_calls_with_the_cookie);
	tcase_add_test(tc, after_a_reply_that_failed);
	tcase_add_loop_test(tc, node_in_a_reply_without_receiver_becomes_idle, 0, 2);
	tcase_add_test(tc, node_in_a_reply_without_receiver_with_other_handles);
	tcase_add_test(tc, cancel_reaches_the_end_of_the_chain);
	tcase_add_test(tc, detached_nested_call_goes_on);
	tcase_add_test(tc, nested_reply_before_the_cancel_wins);
	tcase_add_test(tc, cancel_does_not_reach_other_calls_of_the_server);
	tcase_add_loop_test(tc, node_in_a_reply_for_the_dead_is_idle, 0, 2);
	tcase_add_test(tc, calling_thread_exits);
	tcase_add_test(tc, server_closes_with_an_unread_cancellation);
	tcase_add_test(tc, races_with_the_reply);
	return suite_main(s);
}
