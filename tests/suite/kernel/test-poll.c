// SPDX-License-Identifier: MIT
/*
 * poll: a file is readable exactly if a nonblocking wait would return an event, including
 * events that the same thread queued.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fixture.h"

/* A worker may wake the pollers, later. */
#define SOON_MS 5000

static bool readable(const struct raw *r)
{
	int revents = dev_poll(r->fd, 0);

	ck_assert_int_ge(revents, 0);
	ck_assert_int_eq(revents & ~(POLLIN | POLLOUT), 0);
	return revents & POLLIN;
}

/* Readable, still readable (level-triggered), and then the event. */
static void expect_event(const struct raw *r, uint32_t kind, struct ipcbus_event *ev)
{
	ck_assert_msg(readable(r), "not readable, event %u was expected", kind);
	ck_assert_msg(readable(r), "not readable any more");
	raw_take(r, kind, ev);
}

static void expect_quiet(const struct raw *r)
{
	ck_assert_msg(!readable(r), "readable without an event");
	raw_none(r);
	ck_assert_msg(!readable(r), "readable after a wait found no event");
}

START_TEST(not_readable_without_events)
{
	expect_quiet(&srv);
	expect_quiet(&cli);
}
END_TEST

START_TEST(call_and_reply)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, "x", 1);
	ck_assert(!readable(&cli));
	expect_event(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_quiet(&srv);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, "y", 1);
	expect_event(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
	expect_quiet(&cli);
}
END_TEST

START_TEST(error_reply)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_error(&srv, ev.call, EIO, NULL, 0);
	expect_event(&cli, IPCBUS_EVENT_ERROR, &ev);
	expect_quiet(&cli);
}
END_TEST

START_TEST(failed_call)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_close(&srv);
	expect_event(&cli, IPCBUS_EVENT_FAILED, &ev);
	expect_quiet(&cli);
}
END_TEST

/* The next oneway of a node is readable after the release of the previous oneway. */
START_TEST(oneways)
{
	struct ipcbus_event ev;

	for (int i = 0; i < 3; i++)
		raw_oneway(&cli, 0, i, "x", 1);
	for (int i = 0; i < 3; i++) {
		expect_event(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		expect_quiet(&srv);
		raw_release(&srv, &ev);
	}
	expect_quiet(&srv);
}
END_TEST

START_TEST(nested_call)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event outer, inner, ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, back, 2, NULL, 0);
	expect_event(&cli, IPCBUS_EVENT_CALL, &inner);
	raw_reply(&cli, inner.call, NULL, 0);
	expect_event(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, outer.call, NULL, 0);
	expect_event(&cli, IPCBUS_EVENT_REPLY, &ev);
	expect_quiet(&cli);
	expect_quiet(&srv);
}
END_TEST

/* Work for the proc does not make the file readable for a thread that waits for its reply. */
START_TEST(work_while_in_a_call)
{
	uint32_t handle = give_handle(&oth, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event call, ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_oneway(&oth, handle, 2, "x", 1);
	raw_none(&cli);
	raw_take(&srv, IPCBUS_EVENT_CALL, &call);
	raw_reply(&srv, call.call, NULL, 0);
	expect_event(&cli, IPCBUS_EVENT_REPLY, &ev);
	expect_event(&cli, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&cli, &ev);
	expect_quiet(&cli);
}
END_TEST

START_TEST(death_and_idle)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 5));
	struct ipcbus_event ev;

	assert_ok(raw_put(&cli, handle, 1));
	expect_event(&oth, IPCBUS_EVENT_IDLE, &ev);
	expect_quiet(&oth);
	assert_ok(raw_watch(&cli, 0, 6));
	expect_quiet(&cli);
	raw_close(&srv);
	expect_event(&cli, IPCBUS_EVENT_DEAD, &ev);
	expect_quiet(&cli);
}
END_TEST

START_TEST(taken_back_events)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 5));

	assert_ok(raw_watch(&cli, handle, 6));
	raw_close(&oth);
	ck_assert(readable(&cli));
	assert_ok(raw_unwatch(&cli, handle));
	expect_quiet(&cli);
}
END_TEST

START_TEST(nonblocking_file)
{
	struct ipcbus_event ev;

	ck_assert_int_eq(fcntl(srv.fd, F_SETFL, O_NONBLOCK), 0);
	assert_ok(raw_next(&srv, IPCBUS_SERVE, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	assert_ok(raw_next(&srv, 0, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	raw_oneway(&cli, 0, 1, "x", 1);
	assert_ok(raw_next(&srv, IPCBUS_SERVE, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(wait_without_serve_takes_no_work)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 1, "x", 1);
	assert_ok(raw_next(&srv, IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

/* Sleeping in poll and epoll */

static void *call_soon(void *arg)
{
	usleep(30000);
	raw_oneway(arg, 0, 3, "wake", 4);
	return NULL;
}

static void expect_wake(void)
{
	struct ipcbus_event ev;

	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&srv, &ev, "wake", 4);
	raw_release(&srv, &ev);
}

static void *poll_it(void *unused)
{
	struct pollfd p = { .fd = srv.fd, .events = POLLIN };

	(void)unused;
	ck_assert_int_eq(poll(&p, 1, -1), 1);
	return NULL;
}

START_TEST(many_polls_are_woken)
{
	struct helper h[40];

	for (int i = 0; i < 3; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(h); j++) {
			helper_start(&h[j], poll_it, NULL);
			wait_asleep(h[j].tid);
		}
		raw_oneway(&cli, 0, 1, "wake", 4);
		for (size_t j = 0; j < ARRAY_SIZE(h); j++)
			helper_end(&h[j]);
		expect_wake();
	}
}
END_TEST

static int epoll_on(const struct raw *r, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int e = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(e, 0);
	ck_assert_int_eq(epoll_ctl(e, EPOLL_CTL_ADD, r->fd, &ev), 0);
	return e;
}

START_TEST(epoll_is_woken)
{
	int e = epoll_on(&srv, EPOLLIN);
	struct epoll_event ev;
	struct helper h;

	ck_assert_int_eq(epoll_wait(e, &ev, 1, 0), 0);
	for (int i = 0; i < 5; i++) {
		helper_start(&h, call_soon, &cli);
		ck_assert_int_eq(epoll_wait(e, &ev, 1, 5000), 1);
		ck_assert_int_eq(epoll_wait(e, &ev, 1, 5000), 1);
		helper_end(&h);
		expect_wake();
		ck_assert_int_eq(epoll_wait(e, &ev, 1, 0), 0);
	}
	close(e);
}
END_TEST

/* Work that the same thread queued through another of its procs. */
START_TEST(epoll_sees_own_work)
{
	int e = epoll_on(&srv, EPOLLIN), edge = epoll_on(&srv, EPOLLIN | EPOLLET);
	struct epoll_event ev;

	for (int i = 0; i < 5; i++) {
		raw_oneway(&cli, 0, 3, "wake", 4);
		ck_assert_int_eq(epoll_wait(e, &ev, 1, SOON_MS), 1);
		ck_assert_int_eq(epoll_wait(edge, &ev, 1, SOON_MS), 1);
		expect_wake();
		ck_assert_int_eq(epoll_wait(e, &ev, 1, 0), 0);
	}
	close(edge);
	close(e);
}
END_TEST

START_TEST(epoll_sees_the_reply)
{
	int e = epoll_on(&cli, EPOLLIN);
	struct epoll_event got;
	struct ipcbus_event ev;

	for (int i = 0; i < 5; i++) {
		raw_call(&cli, 0, 1, NULL, 0);
		ck_assert_int_eq(epoll_wait(e, &got, 1, 0), 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
		ck_assert_int_eq(epoll_wait(e, &got, 1, SOON_MS), 1);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
		ck_assert_int_eq(epoll_wait(e, &got, 1, 0), 0);
	}
	close(e);
}
END_TEST

/* A wait abandons the served call and finds the reply below it; so does poll. */
START_TEST(reply_below_a_nested_call)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event outer, inner, ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, back, 2, NULL, 0);
	expect_event(&cli, IPCBUS_EVENT_CALL, &inner);
	raw_reply(&srv, outer.call, NULL, 0);
	expect_event(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&cli, inner.call, NULL, 0);
	expect_event(&srv, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* The wait queue outlives all its waiters, in whatever order files are closed. */
START_TEST(epoll_outlives_the_file)
{
	struct epoll_event ev;

	for (int i = 0; i < 20; i++) {
		struct raw r;
		int e;

		raw_open(&r, 4096);
		e = epoll_on(&r, EPOLLIN);
		assert_ok(dev_ioctl(r.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
		raw_close(&r);
		ck_assert_int_eq(epoll_wait(e, &ev, 1, 0), 0);
		close(e);
	}
}
END_TEST

static void *poll_for_ever(void *arg)
{
	struct raw r = *(struct raw *)arg;
	struct pollfd p = { .fd = r.fd, .events = POLLIN };

	return (void *)(intptr_t)poll(&p, 1, 300);
}

START_TEST(closed_while_polled)
{
	struct helper h;

	helper_start(&h, poll_for_ever, &oth);
	wait_asleep(h.tid);
	raw_close(&oth);
	helper_end(&h);
}
END_TEST

/* One thread in the ioctl and one in poll: exactly one gets each event. */
static void *serve_few(void *arg)
{
	struct ipcbus_event ev;

	for (int i = 0; i < 20; i++) {
		raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	return arg;
}

START_TEST(pollers_and_waiters_together)
{
	struct helper waiter, poller;

	helper_start(&poller, poll_for_ever, &srv);
	helper_start(&waiter, serve_few, NULL);
	for (int i = 0; i < 20; i++) {
		raw_oneway(&cli, 0, i, "x", 1);
		if (i % 3 == 0)
			wait_asleep(waiter.tid);
	}
	helper_end(&waiter);
	helper_end(&poller);
	raw_none(&srv);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("poll");
	TCase *tc = add_case(s, "level", setup_bus);

	tcase_add_test(tc, not_readable_without_events);
	tcase_add_test(tc, call_and_reply);
	tcase_add_test(tc, error_reply);
	tcase_add_test(tc, failed_call);
	tcase_add_test(tc, oneways);
	tcase_add_test(tc, nested_call);
	tcase_add_test(tc, reply_below_a_nested_call);
	tcase_add_test(tc, work_while_in_a_call);
	tcase_add_test(tc, death_and_idle);
	tcase_add_test(tc, taken_back_events);
	tcase_add_test(tc, nonblocking_file);
	tcase_add_test(tc, wait_without_serve_takes_no_work);

	tc = add_case(s, "sleep", setup_bus);
	tcase_add_test(tc, many_polls_are_woken);
	tcase_add_test(tc, epoll_is_woken);
	tcase_add_test(tc, epoll_sees_own_work);
	tcase_add_test(tc, epoll_sees_the_reply);
	tcase_add_test(tc, epoll_outlives_the_file);
	tcase_add_test(tc, closed_while_polled);
	tcase_add_test(tc, pollers_and_waiters_together);
	return suite_main(s);
}
