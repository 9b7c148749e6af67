// SPDX-License-Identifier: MIT
/*
 * Boosts: a boost never exceeds the limits of the server's thread, and its end restores the
 * thread's former priority. How calls pass on priorities is in test-priority.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "scheduling.h"

/* cli calls. This thread, which is also the server's, has that priority during the call. */
static void call_with(int policy, int priority, uint32_t handle)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = handle, .cookie = 1,
	};

	if (policy == SCHED_OTHER)
		set_nice(priority);
	else
		set_policy(policy, priority);
	assert_ok(raw_send(&cli, &send, NULL));
	set_policy(SCHED_OTHER, 0);
	set_nice(0);
}

static void expect_own(int nice)
{
	expect_policy_of(0, SCHED_OTHER, 0);
	ck_assert_int_eq(nice_of(0), nice);
	ck_assert(!(sched_getscheduler(0) & SCHED_RESET_ON_FORK));
}

static void set_limit(int which, rlim_t limit)
{
	struct rlimit l = { .rlim_cur = limit, .rlim_max = RLIM_INFINITY };

	ck_assert_int_eq(setrlimit(which, &l), 0);
}

/* --- Limits of the thread ------------------------------------------------------- */

static const struct {
	rlim_t limit_nice;
	rlim_t limit_rtprio;
	int policy;
	int priority;
	int want_policy;
	int want_priority;
} limits[] = {
	{ 0, 0, SCHED_OTHER, -9, SCHED_OTHER, 0 },
	{ 20, 0, SCHED_OTHER, -9, SCHED_OTHER, 0 },
	{ 25, 0, SCHED_OTHER, -9, SCHED_OTHER, -5 },
	{ 40, 0, SCHED_OTHER, -9, SCHED_OTHER, -9 },
	{ RLIM_INFINITY, 0, SCHED_OTHER, -20, SCHED_OTHER, -20 },
	{ 0, 99, SCHED_OTHER, -9, SCHED_OTHER, 0 },
	{ 0, 0, SCHED_FIFO, 50, SCHED_OTHER, 0 },
	{ 25, 0, SCHED_FIFO, 50, SCHED_OTHER, -5 },
	{ 0, 10, SCHED_FIFO, 50, SCHED_FIFO, 10 },
	{ 40, 60, SCHED_RR, 50, SCHED_RR, 50 },
	{ 0, RLIM_INFINITY, SCHED_FIFO, 99, SCHED_FIFO, 99 },
};

START_TEST(boost_ends_at_the_servers_limits)
{
	struct ipcbus_event ev;

	call_with(limits[_i].policy, limits[_i].priority, 0);
	set_limit(RLIMIT_NICE, limits[_i].limit_nice);
	set_limit(RLIMIT_RTPRIO, limits[_i].limit_rtprio);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	if (limits[_i].want_policy == SCHED_OTHER) {
		expect_policy_of(0, SCHED_OTHER, 0);
		ck_assert_int_eq(nice_of(0), limits[_i].want_priority);
	} else {
		expect_policy_of(0, limits[_i].want_policy, limits[_i].want_priority);
	}
	/* The thread gets its own priority back, even if it would not be allowed to set it. */
	raw_reply(&srv, ev.call, NULL, 0);
	expect_own(0);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	set_limit(RLIMIT_NICE, 0);
	set_limit(RLIMIT_RTPRIO, 0);
}
END_TEST

START_TEST(limit_below_the_current_priority_changes_nothing)
{
	struct ipcbus_event ev;

	call_with(SCHED_FIFO, 50, 0);
	set_limit(RLIMIT_RTPRIO, 10);
	set_policy(SCHED_RR, 20);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_RR, 20);
	raw_reply(&srv, ev.call, NULL, 0);
	expect_policy_of(0, SCHED_RR, 20);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	set_policy(SCHED_OTHER, 0);
	set_limit(RLIMIT_RTPRIO, 0);
}
END_TEST

START_TEST(limits_hold_for_a_nodes_priority)
{
	struct ipcbus_node n = {
		.flags = IPCBUS_NODE_PRIORITY, .sched_policy = SCHED_OTHER, .priority = -9,
	};
	struct ipcbus_event ev;

	/* A node may request any priority, regardless of the thread's limits. */
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	assert_ok(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_CREATE, &n));
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	raw_oneway(&cli, give_handle(&cli, &srv, n.node), 0, NULL, 0);
	set_limit(RLIMIT_NICE, 23);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_int_eq(nice_of(0), -3);
	raw_none(&srv);
	expect_own(0);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	set_limit(RLIMIT_NICE, 0);
}
END_TEST

/* --- The thread's own priority ---------------------------------------------------- */

START_TEST(priority_set_during_a_boost_stays)
{
	struct ipcbus_event ev;

	call_with(SCHED_OTHER, -5, 0);
	set_nice(2);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(nice_of(0), -5);
	set_nice(-10);
	raw_reply(&srv, ev.call, NULL, 0);
	expect_own(-10);
	set_nice(0);
}
END_TEST

START_TEST(thread_that_resets_on_fork_is_not_boosted)
{
	struct ipcbus_event ev;

	call_with(SCHED_OTHER, -5, 0);
	set_policy(SCHED_OTHER | SCHED_RESET_ON_FORK, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(nice_of(0), 0);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert(sched_getscheduler(0) & SCHED_RESET_ON_FORK);
	set_policy(SCHED_OTHER, 0);
}
END_TEST

/* The first file's boost ends first, or the second file is closed first. */
START_TEST(one_file_at_a_time_boosts_a_thread)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event first, second;

	call_with(SCHED_OTHER, -5, 0);
	call_with(SCHED_OTHER, -9, handle);
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	raw_take(&oth, IPCBUS_EVENT_CALL, &second);
	ck_assert_int_eq(nice_of(0), -5);
	if (_i) {
		raw_reply(&srv, first.call, NULL, 0);
		expect_own(0);
		raw_reply(&oth, second.call, NULL, 0);
	} else {
		raw_reply(&oth, second.call, NULL, 0);
		ck_assert_int_eq(nice_of(0), -5);
		raw_reply(&srv, first.call, NULL, 0);
	}
	expect_own(0);
}
END_TEST

/* Another thread closes the file. The boosted thread keeps its boost. */
static void *close_srv(void *arg)
{
	raw_close(&srv);
	return arg;
}

START_TEST(boost_outlasts_a_file_that_another_thread_closes)
{
	struct ipcbus_event ev;
	struct helper h;

	call_with(SCHED_OTHER, -5, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	helper_start(&h, close_srv, NULL);
	helper_end(&h);
	ck_assert_int_eq(nice_of(0), -5);
	set_policy(SCHED_OTHER, 0);
	set_nice(0);
	expect_own(0);
}
END_TEST

/* --- Nested calls ----------------------------------------------------------------- */

static void send_by(const struct raw *raw, uint32_t handle, bool oneway)
{
	struct ipcbus_send send = {
		.kind = oneway ? IPCBUS_SEND_ONEWAY : IPCBUS_SEND_CALL, .handle = handle,
		.flags = oneway ? 0 : IPCBUS_SEND_ASYNC,
	};

	assert_ok(raw_send(raw, &send, NULL));
}

START_TEST(async_call_keeps_the_boost_of_its_sender)
{
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev, passed;

	call_with(SCHED_OTHER, -5, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send_by(&srv, handle, false);
	send_by(&srv, handle, true);
	raw_reply(&srv, ev.call, NULL, 0);
	expect_own(0);
	raw_take(&oth, IPCBUS_EVENT_CALL, &passed);
	ck_assert_int_eq(nice_of(0), -5);
	raw_reply(&oth, passed.call, NULL, 0);
	/* A oneway never boosts its receiver. */
	raw_take(&oth, IPCBUS_EVENT_ONEWAY, &passed);
	expect_own(0);
}
END_TEST

static void *serve_unboosted(void *arg)
{
	uint32_t *back = arg;
	struct ipcbus_event ev;

	set_policy(SCHED_OTHER | SCHED_RESET_ON_FORK, 0);
	raw_wait(&oth, IPCBUS_EVENT_CALL, &ev);
	raw_call_wait(&oth, *back, 0, NULL, 0, &ev);
	return NULL;
}

/* The outer caller waits for the inner call. */
START_TEST(worse_call_that_comes_back_keeps_the_boost)
{
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	uint32_t back = give_handle(&oth, &srv, raw_node(&srv, 0, 1));
	struct ipcbus_event ev, inner;
	struct helper h;

	call_with(SCHED_OTHER, -5, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	helper_start(&h, serve_unboosted, &back);
	raw_call(&srv, handle, 0, NULL, 0);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &inner);
	ck_assert_int_eq(nice_of(0), -5);
	raw_reply(&srv, inner.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), -5);
	helper_end(&h);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_none(&srv);
	expect_own(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boost");
	TCase *tc = add_case(s, "limits", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	tcase_add_loop_test(tc, boost_ends_at_the_servers_limits, 0, ARRAY_SIZE(limits));
	tcase_add_test(tc, limit_below_the_current_priority_changes_nothing);
	tcase_add_test(tc, limits_hold_for_a_nodes_priority);

	tc = add_case(s, "owned", setup_bus);
	tcase_add_test(tc, priority_set_during_a_boost_stays);
	tcase_add_test(tc, thread_that_resets_on_fork_is_not_boosted);
	tcase_add_loop_test(tc, one_file_at_a_time_boosts_a_thread, 0, 2);
	tcase_add_test(tc, boost_outlasts_a_file_that_another_thread_closes);

	tc = add_case(s, "passed on", setup_bus);
	tcase_add_test(tc, async_call_keeps_the_boost_of_its_sender);
	tcase_add_test(tc, worse_call_that_comes_back_keeps_the_boost);
	return suite_main(s);
}
