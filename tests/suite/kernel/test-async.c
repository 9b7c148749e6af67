// SPDX-License-Identifier: MIT
/*
 * Async calls: thousands from a single thread. Each ends with exactly one event.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static int send_async(const struct raw *r, uint32_t handle, uint64_t cookie, uint64_t deadline)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = handle,
		.code = 1, .cookie = cookie, .deadline = deadline,
	};

	return raw_send(r, &send, NULL);
}

static void take_ended(const struct raw *r, uint64_t cookie, int error)
{
	struct ipcbus_event ev;

	raw_wait(r, error ? IPCBUS_EVENT_FAILED : IPCBUS_EVENT_REPLY, &ev);
	ck_assert_uint_eq(ev.cookie, cookie);
	ck_assert_int_eq(ev.error, error);
	raw_release(r, &ev);
}

START_TEST(reply_comes_as_an_event)
{
	struct ipcbus_event ev;

	assert_ok(send_async(&cli, 0, 7, 0));
	raw_none(&cli);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, "reply", 5);
	ck_assert_int_eq(dev_poll(cli.fd, 0) & POLLIN, POLLIN);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	ck_assert_uint_eq(ev.cookie, 7);
	raw_holds(&cli, &ev, "reply", 5);
	raw_release(&cli, &ev);
	raw_none(&cli);
}
END_TEST

START_TEST(error_comes_as_an_event)
{
	struct ipcbus_event ev;

	assert_ok(send_async(&cli, 0, 7, 0));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_error(&srv, ev.call, EIO, "why", 3);
	raw_take(&cli, IPCBUS_EVENT_ERROR, &ev);
	ck_assert_uint_eq(ev.cookie, 7);
	ck_assert_int_eq(ev.error, -EIO);
	raw_release(&cli, &ev);
}
END_TEST

/* Only a serving thread gets the event. A thread in a call receives only its own reply. */
START_TEST(thread_waiting_in_a_call_does_not_get_it)
{
	struct ipcbus_event first, second, ev;

	assert_ok(send_async(&cli, 0, 7, 0));
	raw_call(&cli, 0, 2, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	raw_take(&srv, IPCBUS_EVENT_CALL, &second);
	raw_reply(&srv, first.call, NULL, 0);
	raw_none(&cli);
	raw_reply(&srv, second.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	take_ended(&cli, 7, 0);
}
END_TEST

static void *call_and_wait(void *arg)
{
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_SERVE,
		.send = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 7 },
	};

	assert_ok(raw_exchange(&cli, &x));
	*(struct ipcbus_event *)arg = x.event;
	return NULL;
}

/* Sends and waits in a single system call. Any serving thread gets the event. */
START_TEST(sends_and_waits_at_once)
{
	struct ipcbus_event ev, got;
	struct helper h;

	helper_start(&h, call_and_wait, &got);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	wait_asleep(h.tid);
	raw_reply(&srv, ev.call, NULL, 0);
	helper_end(&h);
	ck_assert_uint_eq(got.kind, IPCBUS_EVENT_REPLY);
	ck_assert_uint_eq(got.cookie, 7);
}
END_TEST

/* The same call also takes an event that was queued before it. */
START_TEST(wait_returns_an_event_that_was_queued_before)
{
	struct ipcbus_event ev, got;

	assert_ok(send_async(&cli, 0, 8, 0));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	call_and_wait(&got);
	ck_assert_uint_eq(got.kind, IPCBUS_EVENT_REPLY);
	ck_assert_uint_eq(got.cookie, 8);
}
END_TEST

static void *send_node_and_wait(void *arg)
{
	struct ipcbus_object o = object_node(*(uint64_t *)arg);
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_SERVE,
		.send = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC,
			  .objects = PTR64(&o), .object_count = 1 },
	};

	assert_ok(raw_exchange(&cli, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_REPLY);
	return NULL;
}

/* The wait finds a stale IDLE event, discards it, and must continue to wait. */
START_TEST(waits_after_a_stale_event)
{
	uint64_t node = raw_node(&cli, 0, 5);
	struct ipcbus_event ev;
	struct helper h;

	raw_put(&srv, give_handle(&srv, &cli, node), 1);
	helper_start(&h, send_node_and_wait, &node);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	wait_asleep(h.tid);
	raw_reply(&srv, ev.call, NULL, 0);
	helper_end(&h);
}
END_TEST

START_TEST(thousands_get_replies_backwards)
{
	const unsigned int n = from_environment("ASYNC_CALLS", 3000);
	uint64_t *calls = calloc(n, sizeof(*calls));
	struct ipcbus_event ev;

	for (unsigned int i = 0; i < n; i++)
		assert_ok(send_async(&cli, 0, i, 0));
	for (unsigned int i = 0; i < n; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		calls[i] = ev.call;
	}
	for (unsigned int i = n; i-- > 0;)
		raw_reply(&srv, calls[i], NULL, 0);
	for (unsigned int i = n; i-- > 0;)
		take_ended(&cli, i, 0);
	raw_none(&cli);
	free(calls);
}
END_TEST

START_TEST(limit)
{
	struct ipcbus_event ev;
	unsigned int n = 0;
	int r;

	while (!(r = send_async(&cli, 0, 7, 0)))
		n++;
	ck_assert_uint_ge(n, 10000);
	assert_result(r, -EDQUOT);
	/* A call fewer waits for the server, but the number of open calls is unchanged. */
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_result(send_async(&cli, 0, 7, 0), -EDQUOT);
	/* Other callers, and the wait for a reply, are not affected. */
	assert_ok(send_async(&oth, 0, 7, 0));
	assert_ok(raw_cancel(&oth, 7));
	take_ended(&oth, 7, -ECANCELED);
	/* Cancels all calls with this cookie. Each counts until its event is taken. */
	assert_ok(raw_cancel(&cli, 7));
	assert_result(send_async(&cli, 0, 8, 0), -EDQUOT);
	while (n--)
		take_ended(&cli, 7, -ECANCELED);
	assert_ok(send_async(&cli, 0, 8, 0));
	raw_reply(&srv, ev.call, NULL, 0);
}
END_TEST

START_TEST(expire_in_order)
{
	struct pollfd p = { .fd = cli.fd, .events = POLLIN };
	const uint64_t now = deadline_in(1000), ms = 1000000;

	assert_ok(send_async(&cli, 0, 3, now + 60 * ms));
	assert_ok(send_async(&cli, 0, 1, now + 20 * ms));
	assert_ok(send_async(&cli, 0, 2, now + 40 * ms));
	assert_ok(send_async(&cli, 0, 4, deadline_in(60000)));
	for (uint64_t i = 1; i <= 3; i++) {
		ck_assert_int_eq(poll(&p, 1, -1), 1);
		take_ended(&cli, i, -ETIMEDOUT);
	}
	ck_assert_uint_ge(deadline_in(0), now + 60 * ms);
	raw_none(&cli);
	assert_ok(raw_cancel(&cli, 4));
	take_ended(&cli, 4, -ECANCELED);
	none_but_ended(&srv);
}
END_TEST

START_TEST(server_is_notified_of_the_end)
{
	struct ipcbus_event one, two, ev;

	assert_ok(send_async(&cli, 0, 1, deadline_in(1000)));
	assert_ok(send_async(&cli, 0, 2, 0));
	raw_take(&srv, IPCBUS_EVENT_CALL, &one);
	raw_take(&srv, IPCBUS_EVENT_CALL, &two);
	assert_ok(raw_cancel(&cli, 2));
	raw_wait(&srv, IPCBUS_EVENT_CANCELED, &ev);
	ck_assert_uint_eq(ev.call, two.call);
	raw_wait(&srv, IPCBUS_EVENT_CANCELED, &ev);
	ck_assert_uint_eq(ev.call, one.call);
	raw_reply(&srv, two.call, "late", 4);
	raw_reply(&srv, one.call, "late", 4);
	take_ended(&cli, 2, -ECANCELED);
	take_ended(&cli, 1, -ETIMEDOUT);
	raw_none(&cli);
}
END_TEST

START_TEST(target_dies)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev;

	for (uint64_t i = 0; i < 10; i++)
		assert_ok(send_async(&cli, to_oth, i, i % 2 ? deadline_in(60000) : 0));
	for (int i = 0; i < 5; i++)
		raw_take(&oth, IPCBUS_EVENT_CALL, &ev);
	raw_close(&oth);
	for (int i = 0; i < 10; i++) {
		raw_take(&cli, IPCBUS_EVENT_FAILED, &ev);
		ck_assert_int_eq(ev.error, -EOWNERDEAD);
	}
	raw_none(&cli);
}
END_TEST

/* The caller closes while calls are queued, taken, canceled, or replied to and not yet taken. */
START_TEST(caller_closes)
{
	struct ipcbus_event ev;
	uint64_t call[4];

	for (uint64_t i = 0; i < 4; i++) {
		assert_ok(send_async(&oth, 0, i + 1, i % 2 ? deadline_in(60000) : 0));
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		call[i] = ev.call;
	}
	assert_ok(send_async(&oth, 0, 5, 0));
	raw_reply(&srv, call[0], "unread", 6);
	assert_ok(raw_cancel(&oth, 2));
	raw_close(&oth);
	for (int i = 1; i < 4; i++) {
		raw_wait(&srv, IPCBUS_EVENT_CANCELED, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	raw_none(&srv);
}
END_TEST

START_TEST(caller_dies)
{
	struct ipcbus_event ev;

	assert_ok(send_async(&cli, 0, 7, 0));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_close(&cli);
	raw_wait(&srv, IPCBUS_EVENT_CANCELED, &ev);
	raw_reply(&srv, ev.call, "late", 4);
}
END_TEST

/* A failed send produces no event later. */
START_TEST(failed_send)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 7,
		.data = 8, .data_size = 8,
	};

	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 0);
	send.data_size = 0;
	send.data = 0;
	send.handle = 99;
	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_TARGET, 0);
	assert_result(raw_cancel(&cli, 7), -ENOENT);
	raw_none(&cli);
}
END_TEST

START_TEST(reply_that_cannot_be_delivered)
{
	struct ipcbus_object o = object_fd(0);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;

	assert_ok(send_async(&cli, 0, 7, 0));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	raw_fails(&srv, &send, -EPERM, IPCBUS_STAGE_OBJECT, 0);
	raw_reply(&srv, ev.call, NULL, 0);
	take_ended(&cli, 7, 0);
}
END_TEST

/* A thread that serves receives both replies and requests. */
START_TEST(between_two_that_serve)
{
	uint32_t to_cli = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event ev;

	assert_ok(send_async(&cli, 0, 7, 0));
	assert_ok(send_async(&srv, to_cli, 8, 0));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&cli, ev.call, NULL, 0);
	take_ended(&cli, 7, 0);
	take_ended(&srv, 8, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("async");
	TCase *tc = add_case(s, "bus", setup_bus);

	tcase_add_test(tc, reply_comes_as_an_event);
	tcase_add_test(tc, error_comes_as_an_event);
	tcase_add_test(tc, thread_waiting_in_a_call_does_not_get_it);
	tcase_add_test(tc, sends_and_waits_at_once);
	tcase_add_test(tc, wait_returns_an_event_that_was_queued_before);
	tcase_add_test(tc, waits_after_a_stale_event);
	tcase_add_test(tc, thousands_get_replies_backwards);
	tcase_add_test(tc, limit);
	tcase_add_test(tc, failed_send);
	tcase_add_test(tc, reply_that_cannot_be_delivered);
	tcase_add_test(tc, between_two_that_serve);

	tc = add_case(s, "ends", setup_bus);
	tcase_add_test(tc, expire_in_order);
	tcase_add_test(tc, server_is_notified_of_the_end);
	tcase_add_test(tc, target_dies);
	tcase_add_test(tc, caller_closes);
	tcase_add_test(tc, caller_dies);
	return suite_main(s);
}
