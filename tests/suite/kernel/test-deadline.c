// SPDX-License-Identifier: MIT
/*
 * Deadlines: the caller times out at the deadline and not before, the server gets an event,
 * its late reply is discarded, and nested calls inherit the deadline. In a time namespace,
 * deadlines use the clock of that namespace.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

static struct ipcbus_send call_by(uint64_t deadline)
{
	return (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .code = 1, .deadline = deadline, .cookie = 77,
	};
}

/* Sends and waits. Must not time out earlier than requested. */
static void expires(const struct raw *r, int ms)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT };
	int ret;

	/* On a slow machine the deadline may pass before the call is sent. */
	do {
		x.send = call_by(deadline_in(ms));
		ret = raw_exchange(r, &x);
		ms *= 2;
	} while (ret == -ETIMEDOUT && ms < 10000);
	assert_ok(ret);
	ck_assert_uint_ge(deadline_in(0), x.send.deadline);
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_FAILED);
	ck_assert_int_eq(x.event.error, -ETIMEDOUT);
	ck_assert_uint_eq(x.event.stage, IPCBUS_STAGE_REPLY);
	ck_assert_uint_eq(x.event.cookie, 77);
}

START_TEST(call_that_is_never_taken)
{
	expires(&cli, 20);
	/* The call was taken back: the server never receives it. */
	raw_none(&srv);
	raw_none(&cli);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(passed_before_it_was_sent)
{
	struct ipcbus_send send = call_by(1);

	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_QUEUE, 0);
	send.deadline = deadline_in(-1);
	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_QUEUE, 0);
	send.flags = IPCBUS_SEND_ASYNC;
	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_QUEUE, 0);
	raw_none(&srv);
}
END_TEST

static void *late_client(void *arg)
{
	(void)arg;
	expires(&cli, 1000);
	return NULL;
}

START_TEST(reply_after_deadline_is_dropped)
{
	struct ipcbus_call_info info;
	struct ipcbus_event ev, end;
	struct helper h;

	helper_start(&h, late_client, NULL);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_lt(ev.deadline, deadline_in(10000));
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.deadline, ev.deadline);
	raw_wait(&srv, IPCBUS_EVENT_CANCELED, &end);
	ck_assert_uint_eq(end.call, ev.call);
	ck_assert_uint_eq(end.cookie, SRV_COOKIE);
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.flags, IPCBUS_CALL_CANCELED);
	helper_end(&h);
	raw_reply(&srv, ev.call, "late", 4);
	assert_result(raw_call_info(&srv, ev.call, &info), -ESRCH);
	raw_none(&cli);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* If the server replies before it takes the event, the event is dropped. */
START_TEST(event_of_a_finished_call_does_not_come)
{
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, late_client, NULL);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	helper_end(&h);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_none(&srv);
}
END_TEST

/* A nonblocking wait returns the event too, and poll wakes up for it. */
START_TEST(nonblocking_wait_and_poll_report_the_deadline)
{
	struct ipcbus_send send = call_by(deadline_in(1000));
	struct pollfd p = { .fd = cli.fd, .events = POLLIN };

	assert_ok(raw_send(&cli, &send, NULL));
	raw_none(&cli);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(poll(&p, 1, -1), 1);
	ck_assert_uint_ge(deadline_in(0), send.deadline);
	raw_failed(&cli, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	none_but_ended(&srv);
}
END_TEST

START_TEST(deadline_at_the_end_of_time)
{
	const uint64_t ends[] = { ~0ULL, 1ULL << 63, (1ULL << 63) - 1, 1ULL << 62 };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		for (uint32_t flags = 0; flags <= IPCBUS_SEND_ASYNC; flags += IPCBUS_SEND_ASYNC) {
			struct ipcbus_send send = call_by(ends[i]);
			struct ipcbus_event ev;

			send.flags = flags;
			assert_ok(raw_send(&cli, &send, NULL));
			raw_none(&cli);
			raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
			ck_assert_uint_eq(ev.deadline, ends[i]);
			raw_reply(&srv, ev.call, NULL, 0);
			raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
		}
	}
}
END_TEST

static void *endless_client(void *arg)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT, .send = call_by(*(uint64_t *)arg) };

	assert_ok(raw_exchange(&cli, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_REPLY);
	return NULL;
}

START_TEST(sleeps_until_the_end_of_time)
{
	uint64_t ends[] = { ~0ULL, (1ULL << 63) - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct ipcbus_event ev;
		struct helper h;

		helper_start(&h, endless_client, &ends[i]);
		raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
		wait_asleep(h.tid);
		raw_reply(&srv, ev.call, NULL, 0);
		helper_end(&h);
	}
}
END_TEST

/* A call made while serving gets the smaller of both deadlines. */
START_TEST(nested_call_inherits)
{
	const uint64_t outer = deadline_in(60000), later = deadline_in(90000),
		       sooner = deadline_in(30000);
	const struct {
		uint64_t outer, own, effective;
		uint32_t flags;
	} cases[] = {
		{ outer, 0, outer, 0 }, { outer, later, outer, 0 }, { outer, sooner, sooner, 0 },
		{ 0, sooner, sooner, 0 }, { 0, 0, 0, 0 },
		{ outer, 0, 0, IPCBUS_SEND_DETACHED },
		{ outer, later, later, IPCBUS_SEND_DETACHED },
	};
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));

	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		struct ipcbus_send send = call_by(cases[i / 2].outer);
		struct ipcbus_event first, second, ev;

		assert_ok(raw_send(&cli, &send, NULL));
		raw_take(&srv, IPCBUS_EVENT_CALL, &first);
		send = call_by(cases[i / 2].own);
		send.handle = to_oth;
		send.flags = cases[i / 2].flags | (i % 2 ? IPCBUS_SEND_ASYNC : 0);
		assert_ok(raw_send(&srv, &send, NULL));
		raw_take(&oth, IPCBUS_EVENT_CALL, &second);
		ck_assert_uint_eq(second.deadline, cases[i / 2].effective);
		raw_reply(&oth, second.call, NULL, 0);
		/* The reply of an async call is for a thread that serves no other call. */
		if (i % 2)
			raw_reply(&srv, first.call, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
		if (!(i % 2))
			raw_reply(&srv, first.call, NULL, 0);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	}
}
END_TEST

/* The thread serves a call and polls in the meantime. */
START_TEST(expires_below_a_nested_call)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT, .send = call_by(deadline_in(1000)) };
	struct pollfd p = { .fd = cli.fd, .events = POLLIN };
	struct ipcbus_event outer, ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, back, 2, NULL, 0);
	assert_ok(raw_exchange(&cli, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_CALL);
	ck_assert_int_eq(poll(&p, 1, -1), 1);
	ck_assert_uint_ge(deadline_in(0), x.send.deadline);
	raw_failed(&cli, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	raw_reply(&cli, x.event.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, outer.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	none_but_ended(&srv);
}
END_TEST

/* A thread inherits deadlines only from the call that it serves, not from its own calls. */
START_TEST(second_call_does_not_inherit)
{
	const uint64_t deadline = deadline_in(60000);
	struct ipcbus_send send = call_by(deadline);
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &send, NULL));
	send.deadline = 0;
	assert_ok(raw_send(&cli, &send, NULL));
	send.flags = IPCBUS_SEND_ASYNC;
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.deadline, deadline);
	for (int i = 0; i < 2; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		ck_assert_uint_eq(ev.deadline, 0);
	}
}
END_TEST

/* The inherited deadline ends the nested call, and the call below it. */
START_TEST(whole_chain_expires)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_send send = call_by(deadline_in(1000));
	struct ipcbus_event first, second, ev;

	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	raw_call(&srv, to_oth, 2, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_CALL, &second);
	assert_ok(raw_next(&srv, 0, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_FAILED);
	ck_assert(ev.error == -ETIMEDOUT || ev.error == -ECANCELED);
	assert_ok(raw_next(&cli, 0, &ev));
	ck_assert_int_eq(ev.error, -ETIMEDOUT);
	raw_wait(&oth, IPCBUS_EVENT_CANCELED, &ev);
	ck_assert_uint_eq(ev.call, second.call);
	raw_wait(&srv, IPCBUS_EVENT_CANCELED, &ev);
	ck_assert_uint_eq(ev.call, first.call);
	raw_reply(&oth, second.call, NULL, 0);
	raw_reply(&srv, first.call, NULL, 0);
	raw_none(&cli);
	raw_none(&srv);
}
END_TEST

/* A reply and the deadline at the same time: the caller gets exactly one of them. */
static void *hasty_client(void *arg)
{
	unsigned int *timed_out = arg;

	for (int i = 0; i < 300; i++) {
		struct ipcbus_exchange x = {
			.flags = IPCBUS_WAIT, .send = call_by(deadline_in(1) - 700000 + i * 2000),
		};

		int r = raw_exchange(&cli, &x);

		if (!r && x.event.kind == IPCBUS_EVENT_REPLY) {
			raw_release(&cli, &x.event);
			continue;
		}
		/* The deadline may have passed before the call was sent. */
		ck_assert(!r || r == -ETIMEDOUT);
		ck_assert_int_eq(x.event.error, -ETIMEDOUT);
		++*timed_out;
	}
	struct ipcbus_event ev;

	raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	return NULL;
}

START_TEST(reply_races_with_the_deadline)
{
	unsigned int timed_out = 0;
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, hasty_client, &timed_out);
	for (;;) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE, &ev));
		if (ev.kind == IPCBUS_EVENT_CANCELED)
			continue;
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
		while (ev.deadline > deadline_in(0))
			;
		raw_reply(&srv, ev.call, "y", 1);
		if (ev.code == QUIT)
			break;
	}
	helper_end(&h);
}
END_TEST

/* --- Time namespaces -------------------------------------------------------------- */

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define HOUR_MS 3600000
#define SECOND 1000000000LL

/* The current time namespace, and a namespace with a clock that is ahead by some seconds. */
struct clocks {
	int here;
	int there;
	int64_t ahead;
};

/* Returns false if this kernel has no time namespaces. */
static bool clocks_make(struct clocks *c, int64_t ahead)
{
	char text[64];

	if (unshare(CLONE_NEWTIME) < 0)
		return false;
	c->ahead = ahead;
	snprintf(text, sizeof(text), "monotonic %lld 0", (long long)ahead);
	assert_ok(write_file("/proc/self/timens_offsets", text));
	c->here = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	c->there = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	ck_assert(c->here >= 0 && c->there >= 0);
	return true;
}

static void clocks_end(const struct clocks *c)
{
	ck_assert_int_eq(setns(c->here, CLONE_NEWTIME), 0);
	close(c->here);
	close(c->there);
}

/* The clock of the namespace may be behind, but not before its start. */
static int64_t some_seconds(bool ahead)
{
	if (ahead)
		return 86400;
	while (now_ms() < 3000)
		usleep(100000);
	return -(int64_t)(now_ms() / 2000);
}

static void enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWTIME), 0);
}

/* The server is in the current namespace, the client in the other. */
START_TEST(clock_of_a_time_namespace)
{
	struct ipcbus_call_info info;
	struct ipcbus_send send;
	struct ipcbus_event ev;
	struct clocks c;

	if (!clocks_make(&c, some_seconds(_i))) {
		case_skip("no time namespaces");
		return;
	}
	enter(c.there);
	send = call_by(deadline_in(HOUR_MS));
	assert_ok(raw_send(&cli, &send, NULL));
	enter(c.here);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.deadline, send.deadline - c.ahead * SECOND);
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.deadline, ev.deadline);
	enter(c.there);
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.deadline, send.deadline);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	clocks_end(&c);
}
END_TEST

START_TEST(expires_in_a_time_namespace)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT };
	struct ipcbus_send send;
	struct clocks c;
	int r;

	if (!clocks_make(&c, some_seconds(_i))) {
		case_skip("no time namespaces");
		return;
	}
	enter(c.there);
	x.send = call_by(deadline_in(50));
	r = raw_exchange(&cli, &x);
	ck_assert_uint_ge(deadline_in(0), x.send.deadline);
	/* The deadline may have passed before the call was sent. */
	ck_assert(!r || r == -ETIMEDOUT);
	ck_assert_int_eq(x.event.error, -ETIMEDOUT);
	none_but_ended(&srv);
	send = call_by(deadline_in(-1));
	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_QUEUE, 0);
	/* Times before the start of a clock, and the largest time. */
	send.deadline = 1;
	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_QUEUE, 0);
	send.deadline = ~0ULL;
	send.flags = IPCBUS_SEND_ASYNC;
	assert_ok(raw_send(&cli, &send, NULL));
	assert_ok(raw_cancel(&cli, send.cookie));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	clocks_end(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deadline");
	TCase *bus = add_case(suite, "bus", setup_bus);

	tcase_add_test(bus, call_that_is_never_taken);
	tcase_add_test(bus, passed_before_it_was_sent);
	tcase_add_test(bus, reply_after_deadline_is_dropped);
	tcase_add_test(bus, event_of_a_finished_call_does_not_come);
	tcase_add_test(bus, nonblocking_wait_and_poll_report_the_deadline);
	tcase_add_test(bus, deadline_at_the_end_of_time);
	tcase_add_test(bus, sleeps_until_the_end_of_time);
	tcase_add_test(bus, nested_call_inherits);
	tcase_add_test(bus, expires_below_a_nested_call);
	tcase_add_test(bus, second_call_does_not_inherit);
	tcase_add_test(bus, whole_chain_expires);
	tcase_add_test(bus, reply_races_with_the_deadline);
	tcase_add_loop_test(bus, clock_of_a_time_namespace, 0, 2);
	tcase_add_loop_test(bus, expires_in_a_time_namespace, 0, 2);
	return suite_main(suite);
}
