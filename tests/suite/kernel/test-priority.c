// SPDX-License-Identifier: MIT
/*
 * Priorities: while a caller waits, the thread that serves its call inherits the caller's
 * priority. A node can request a minimum. Queued work is ordered by priority.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "scheduling.h"

/* A call or oneway of cli from a thread with this priority; nice counts if policy is 0. Handle 0 is
 * srv_node. */
struct caller {
	int policy;
	int priority;
	int nice;
	uint32_t handle;
	uint32_t code;
	bool oneway;
};

static void *call_as(void *arg)
{
	struct caller c = *(const struct caller *)arg;

	set_nice(c.nice);
	if (c.policy)
		set_policy(c.policy, c.priority);
	if (c.oneway)
		raw_oneway(&cli, c.handle, c.code, NULL, 0);
	else
		raw_call(&cli, c.handle, c.code, NULL, 0);
	return NULL;
}

/* The message is queued when this returns. Its thread has ended, so a reply is discarded. */
static void queue(struct caller c)
{
	struct helper h;

	helper_start(&h, call_as, &c);
	helper_end(&h);
}

/* Returns the kind of the event that ends the call. */
static void *call_and_wait_as(void *arg)
{
	const struct caller *c = arg;
	struct ipcbus_event ev;

	set_nice(c->nice);
	if (c->policy)
		set_policy(c->policy, c->priority);
	raw_call_wait(&cli, c->handle, c->code, NULL, 0, &ev);
	return (void *)(uintptr_t)ev.kind;
}

/* A node with a minimum. For SCHED_OTHER, priority is a nice value. */
static uint64_t node_with(const struct raw *r, int policy, int priority)
{
	struct ipcbus_node n = {
		.flags = IPCBUS_NODE_PRIORITY, .sched_policy = policy, .priority = priority,
	};

	assert_ok(raw_node_ioctl(r, IPCBUS_IOC_NODE_CREATE, &n));
	return n.node;
}

static uint32_t handle_to(int policy, int priority)
{
	return give_handle(&cli, &srv, node_with(&srv, policy, priority));
}

START_TEST(nice_is_inherited_until_the_reply)
{
	static const int nices[] = { -7, 5, 0, 19, -20 };
	struct caller c = { .nice = nices[_i] };
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, call_and_wait_as, &c);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	/* A thread's priority is never lowered. */
	ck_assert_int_eq(nice_of(0), c.nice < 0 ? c.nice : 0);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
	ck_assert_uint_eq((uintptr_t)helper_end(&h), IPCBUS_EVENT_REPLY);
}
END_TEST

START_TEST(realtime_is_inherited_until_the_reply)
{
	struct caller c = { .policy = _i ? SCHED_RR : SCHED_FIFO, .priority = 33 };
	struct ipcbus_event ev;
	struct helper h;

	set_nice(3);
	helper_start(&h, call_and_wait_as, &c);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, c.policy, 33);
	/* Children do not inherit the boost. */
	ck_assert(sched_getscheduler(0) & SCHED_RESET_ON_FORK);
	raw_error(&srv, ev.call, EIO, NULL, 0);
	expect_policy_of(0, SCHED_OTHER, 0);
	ck_assert_int_eq(nice_of(0), 3);
	ck_assert(!(sched_getscheduler(0) & SCHED_RESET_ON_FORK));
	ck_assert_uint_eq((uintptr_t)helper_end(&h), IPCBUS_EVENT_ERROR);
}
END_TEST

START_TEST(realtime_server_is_never_lowered)
{
	struct caller better = { .policy = SCHED_RR, .priority = 30 };
	struct ipcbus_event ev;
	struct helper h;

	set_policy(SCHED_FIFO, 20);
	queue((struct caller){ .nice = -5 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_FIFO, 20);
	raw_reply(&srv, ev.call, NULL, 0);
	queue((struct caller){ .policy = SCHED_FIFO, .priority = 10 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_FIFO, 20);
	raw_reply(&srv, ev.call, NULL, 0);
	helper_start(&h, call_and_wait_as, &better);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_RR, 30);
	raw_reply(&srv, ev.call, NULL, 0);
	expect_policy_of(0, SCHED_FIFO, 20);
	ck_assert_uint_eq((uintptr_t)helper_end(&h), IPCBUS_EVENT_REPLY);
}
END_TEST

START_TEST(reply_and_wait_in_one_exchange)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK };
	struct ipcbus_event ev;

	queue((struct caller){ .nice = -5, .code = 1 });
	queue((struct caller){ .nice = -5, .code = 2 });
	queue((struct caller){ .nice = 4, .code = 3 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	for (uint32_t i = 1; i <= 3; i++) {
		ck_assert_uint_eq(ev.code, i);
		ck_assert_int_eq(nice_of(0), i < 3 ? -5 : 0);
		x.send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call };
		assert_ok(raw_exchange(&srv, &x));
		ev = x.event;
	}
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

/* A thread that waits again without a reply no longer serves the call. */
START_TEST(waiting_ends_the_boost)
{
	struct ipcbus_event ev;

	queue((struct caller){ .nice = -5 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(nice_of(0), -5);
	raw_none(&srv);
	ck_assert_int_eq(nice_of(0), 0);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

/* Takes a call, does not reply, and sleeps until a oneway comes. */
static void *wait_as(void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	return NULL;
}

START_TEST(sleeping_ends_the_boost)
{
	struct ipcbus_event ev;
	struct helper h;

	queue((struct caller){ .nice = -5 });
	helper_start(&h, wait_as, NULL);
	wait_asleep(h.tid);
	ck_assert_int_eq(nice_of(h.tid), 0);
	raw_oneway(&cli, 0, 1, NULL, 0);
	helper_end(&h);
	raw_take(&srv, IPCBUS_EVENT_NONE, &ev);
}
END_TEST

START_TEST(failed_reply_keeps_the_boost)
{
	struct ipcbus_send bad = { .kind = IPCBUS_SEND_REPLY, .data = 8, .data_size = 8 };
	struct ipcbus_event ev;

	queue((struct caller){ .nice = -5 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	bad.call = ev.call;
	assert_result(raw_send(&srv, &bad, NULL), -EFAULT);
	ck_assert_int_eq(nice_of(0), -5);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

static void *reply_to(void *arg)
{
	raw_reply(&srv, *(uint64_t *)arg, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
	return NULL;
}

START_TEST(another_thread_replies)
{
	struct ipcbus_event ev;
	struct helper h, other;
	struct caller c = { .nice = -5 };

	helper_start(&h, call_and_wait_as, &c);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(nice_of(0), -5);
	helper_start(&other, reply_to, &ev.call);
	helper_end(&other);
	helper_end(&h);
	/* Until the thread waits again. */
	ck_assert_int_eq(nice_of(0), -5);
	raw_none(&srv);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

START_TEST(thread_exit_ends_the_boost)
{
	struct ipcbus_event ev;

	queue((struct caller){ .policy = SCHED_FIFO, .priority = 5 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_FIFO, 5);
	assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	expect_policy_of(0, SCHED_OTHER, 0);
	raw_reply(&srv, ev.call, NULL, 0);
}
END_TEST

START_TEST(closing_ends_the_boost)
{
	struct ipcbus_event ev;

	queue((struct caller){ .policy = SCHED_FIFO, .priority = 5 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_FIFO, 5);
	raw_close(&srv);
	expect_policy_of(0, SCHED_OTHER, 0);
}
END_TEST

static const struct ipcbus_send call_with_cookie = { .kind = IPCBUS_SEND_CALL, .cookie = 5 };

static void *call_until_canceled(void *arg)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT, .send = call_with_cookie };

	(void)arg;
	set_nice(-5);
	assert_ok(raw_exchange(&cli, &x));
	ck_assert_int_eq(x.event.error, -ECANCELED);
	return NULL;
}

START_TEST(canceled_call_boosts_until_the_reply)
{
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, call_until_canceled, NULL);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(nice_of(0), -5);
	assert_ok(raw_cancel(&cli, 5));
	helper_end(&h);
	ck_assert_int_eq(nice_of(0), -5);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

START_TEST(destroyed_node_keeps_the_boost)
{
	struct ipcbus_event ev;

	queue((struct caller){ .nice = -5 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	ck_assert_int_eq(nice_of(0), -5);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

/* Chains */

static void *serve_from_oth(void *arg)
{
	uint32_t *handle = arg;
	struct ipcbus_event ev, back;

	raw_wait(&oth, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(nice_of(0), -5);
	/* A call back to the waiting thread, with a higher priority than it inherited before. */
	raw_call_wait(&oth, *handle, 77, NULL, 0, &back);
	raw_reply(&oth, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
	return NULL;
}

START_TEST(call_back_in_a_chain)
{
	struct caller c = { .nice = -5 };
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	uint32_t better = give_handle(&oth, &srv, node_with(&srv, SCHED_OTHER, -9));
	struct ipcbus_event ev, back, inner;
	struct helper h, o;

	helper_start(&h, call_and_wait_as, &c);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_call(&srv, handle, 0, NULL, 0);
	helper_start(&o, serve_from_oth, &better);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &back);
	ck_assert_uint_eq(back.code, 77);
	ck_assert_int_eq(nice_of(0), -9);
	raw_reply(&srv, back.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), -5);
	raw_wait(&srv, IPCBUS_EVENT_REPLY, &inner);
	raw_reply(&srv, ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(0), 0);
	helper_end(&o);
	helper_end(&h);
}
END_TEST

/* A node's minimum */

START_TEST(node_lifts_its_callers)
{
	uint32_t handle = handle_to(SCHED_OTHER, -3);
	static const int nices[] = { 0, 10, -8 }, want[] = { -3, -3, -8 };
	struct ipcbus_event ev;

	for (size_t i = 0; i < ARRAY_SIZE(nices); i++) {
		queue((struct caller){ .handle = handle, .nice = nices[i] });
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		ck_assert_int_eq(nice_of(0), want[i]);
		raw_reply(&srv, ev.call, NULL, 0);
		ck_assert_int_eq(nice_of(0), 0);
	}
}
END_TEST

START_TEST(node_of_a_realtime_class)
{
	int policy = _i ? SCHED_RR : SCHED_FIFO;
	uint32_t handle = handle_to(policy, 12);
	struct ipcbus_event ev;

	queue((struct caller){ .handle = handle });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, policy, 12);
	raw_reply(&srv, ev.call, NULL, 0);
	expect_policy_of(0, SCHED_OTHER, 0);
	queue((struct caller){ .handle = handle, .policy = SCHED_FIFO, .priority = 40 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_policy_of(0, SCHED_FIFO, 40);
	raw_reply(&srv, ev.call, NULL, 0);
	expect_policy_of(0, SCHED_OTHER, 0);
}
END_TEST

START_TEST(oneways_have_the_nodes_alone)
{
	uint32_t handle = handle_to(SCHED_OTHER, -3);
	struct ipcbus_event ev;

	queue((struct caller){ .handle = handle, .nice = -8, .oneway = true });
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_int_eq(nice_of(0), -3);
	raw_release(&srv, &ev);
	ck_assert_int_eq(nice_of(0), -3);
	raw_none(&srv);
	ck_assert_int_eq(nice_of(0), 0);
	queue((struct caller){ .nice = -8, .oneway = true });
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_int_eq(nice_of(0), 0);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(oneway_that_calls_keeps_the_nodes)
{
	uint32_t handle = handle_to(SCHED_OTHER, -3);
	uint32_t other = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev, inner, reply;

	raw_oneway(&cli, handle, 0, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_call(&srv, other, 0, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_CALL, &inner);
	ck_assert_int_eq(nice_of(0), -3);
	raw_reply(&oth, inner.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &reply);
	ck_assert_int_eq(nice_of(0), -3);
	raw_release(&srv, &ev);
	raw_none(&srv);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

static const struct {
	uint32_t flags;
	uint32_t policy;
	int32_t priority;
} bad_nodes[] = {
	{ 0, 0, 1 },
	{ 0, SCHED_FIFO, 0 },
	{ IPCBUS_NODE_PRIORITY, SCHED_OTHER, -21 },
	{ IPCBUS_NODE_PRIORITY, SCHED_OTHER, 20 },
	{ IPCBUS_NODE_PRIORITY, SCHED_OTHER, -2147483647 - 1 },
	{ IPCBUS_NODE_PRIORITY, SCHED_FIFO, 0 },
	{ IPCBUS_NODE_PRIORITY, SCHED_FIFO, 100 },
	{ IPCBUS_NODE_PRIORITY, SCHED_RR, -1 },
	{ IPCBUS_NODE_PRIORITY, 3, 0 },
	{ IPCBUS_NODE_PRIORITY, 5, 0 },
	{ IPCBUS_NODE_PRIORITY, 6, 0 },
	{ IPCBUS_NODE_PRIORITY, SCHED_RESET_ON_FORK, 0 },
	{ IPCBUS_NODE_PRIORITY, ~0U, 0 },
};

START_TEST(bad_node)
{
	struct ipcbus_node n = {
		.flags = bad_nodes[_i].flags,
		.sched_policy = bad_nodes[_i].policy,
		.priority = bad_nodes[_i].priority,
	};

	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_CREATE, &n), -EINVAL);
	n.node = srv_node;
	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_DESTROY, &n), -EINVAL);
	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_SET_MANAGER, &n), -EINVAL);
}
END_TEST

/* The queue */

/* Takes all messages of srv, which must have these codes in this order; replies to calls. */
static void expect_order(const char *codes)
{
	struct ipcbus_event ev;

	for (; *codes; codes++) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		ck_assert_msg(ev.code == (uint32_t)*codes, "'%c' came, wanted '%c'", ev.code,
			      *codes);
		if (ev.kind == IPCBUS_EVENT_CALL)
			raw_reply(&srv, ev.call, NULL, 0);
		else
			ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
		raw_release(&srv, &ev);
	}
	raw_none(&srv);
}

START_TEST(better_work_overtakes)
{
	queue((struct caller){ .code = 'e' });
	queue((struct caller){ .code = 'g', .nice = 5 });
	queue((struct caller){ .code = 'f' });
	queue((struct caller){ .code = 'c', .nice = -5 });
	queue((struct caller){ .code = 'b', .policy = SCHED_FIFO, .priority = 1 });
	queue((struct caller){ .code = 'd', .nice = -5, .oneway = true });
	queue((struct caller){ .code = 'a', .policy = SCHED_RR, .priority = 2 });
	queue((struct caller){ .code = 'h', .nice = 19 });
	expect_order("abcdefgh");
}
END_TEST

START_TEST(node_lifts_in_the_queue)
{
	uint32_t handle = handle_to(SCHED_FIFO, 1);

	queue((struct caller){ .code = 'b' });
	queue((struct caller){ .code = 'c' });
	queue((struct caller){ .code = 'a', .handle = handle, .nice = 19 });
	expect_order("abc");
}
END_TEST

/* A node never gets two oneways at once, from any sender. */
START_TEST(oneways_of_a_node_keep_their_order)
{
	queue((struct caller){ .code = 'b', .nice = 5, .oneway = true });
	queue((struct caller){ .code = 'c', .nice = 10, .oneway = true });
	queue((struct caller){ .code = 'd', .nice = -10, .oneway = true });
	queue((struct caller){ .code = 'a' });
	expect_order("abcd");
}
END_TEST

/* After 64 messages of higher priority, the oldest message is served. Realtime still goes first. */
START_TEST(lowest_priority_is_not_starved)
{
	struct ipcbus_event ev;

	queue((struct caller){ .code = 5000, .nice = 5 });
	for (uint32_t i = 0; i < 70; i++)
		queue((struct caller){ .code = i });
	queue((struct caller){ .code = 6000, .policy = SCHED_FIFO, .priority = 1 });
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.code, 6000);
	raw_reply(&srv, ev.call, NULL, 0);
	for (uint32_t i = 0; i < 71; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		ck_assert_uint_eq(ev.code, i < 64 ? i : i == 64 ? 5000 : i - 1);
		raw_reply(&srv, ev.call, NULL, 0);
	}
}
END_TEST

/* Many low messages take one of 65 turns. Higher priorities need not wait for all of them. */
START_TEST(flood_of_low_priority_hardly_delays)
{
	struct ipcbus_event ev;
	uint32_t low = 0;

	for (uint32_t i = 0; i < 200; i++)
		queue((struct caller){ .code = 5000, .nice = 19 });
	for (uint32_t i = 0; i < 130; i++)
		queue((struct caller){ .code = i });
	for (uint32_t i = 0; i < 132; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		if (ev.code == 5000)
			low++;
		else
			ck_assert_uint_eq(ev.code, i - low);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	ck_assert_uint_eq(low, 2);
}
END_TEST

/* Canceling the first or the last message of a priority keeps the order. */
START_TEST(taken_back_from_the_middle)
{
	static const int nices[] = { 5, 5, 0, 10, 0, 10, 5, 0 };
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < ARRAY_SIZE(nices); i++)
		queue((struct caller){ .code = 'a' + i, .nice = nices[i] });
	expect_order("cehabgdf");
	for (uint32_t i = 0; i < ARRAY_SIZE(nices); i++) {
		struct ipcbus_send s = {
			.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC,
			.code = 'a' + i, .cookie = i + 1,
		};

		set_nice(nices[i]);
		assert_ok(raw_send(&cli, &s, NULL));
	}
	set_nice(0);
	/* The first of all, the last of its priority, and the only one of its priority. */
	assert_ok(raw_cancel(&cli, 3));
	assert_ok(raw_cancel(&cli, 7));
	assert_ok(raw_cancel(&cli, 4));
	assert_ok(raw_cancel(&cli, 6));
	expect_order("ehab");
	for (uint32_t i = 0; i < ARRAY_SIZE(nices); i++)
		assert_ok(raw_next(&cli, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
}
END_TEST

/* A death event comes after all messages of the dead proc, at any priority. */
START_TEST(events_do_not_overtake)
{
	struct caller low = { .nice = 10, .code = 1 };
	struct ipcbus_event ev;
	struct raw dead;
	uint32_t handle;

	raw_open(&dead, REGION);
	handle = give_handle(&srv, &dead, raw_node(&dead, 0, 3));
	assert_ok(raw_watch(&srv, handle, 4));
	low.oneway = true;
	queue(low);
	raw_close(&dead);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	raw_take(&srv, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, 4);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("priority");
	TCase *tc = add_case(s, "inherited", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	tcase_add_loop_test(tc, nice_is_inherited_until_the_reply, 0, 5);
	tcase_add_loop_test(tc, realtime_is_inherited_until_the_reply, 0, 2);
	tcase_add_test(tc, realtime_server_is_never_lowered);
	tcase_add_test(tc, reply_and_wait_in_one_exchange);
	tcase_add_test(tc, waiting_ends_the_boost);
	tcase_add_test(tc, sleeping_ends_the_boost);
	tcase_add_test(tc, failed_reply_keeps_the_boost);
	tcase_add_test(tc, another_thread_replies);
	tcase_add_test(tc, thread_exit_ends_the_boost);
	tcase_add_test(tc, closing_ends_the_boost);
	tcase_add_test(tc, canceled_call_boosts_until_the_reply);
	tcase_add_test(tc, destroyed_node_keeps_the_boost);
	tcase_add_test(tc, call_back_in_a_chain);

	tc = add_case(s, "minimum", setup_bus);
	tcase_add_test(tc, node_lifts_its_callers);
	tcase_add_loop_test(tc, node_of_a_realtime_class, 0, 2);
	tcase_add_test(tc, oneways_have_the_nodes_alone);
	tcase_add_test(tc, oneway_that_calls_keeps_the_nodes);
	tcase_add_loop_test(tc, bad_node, 0, ARRAY_SIZE(bad_nodes));

	tc = add_case(s, "queue", setup_bus);
	tcase_add_test(tc, better_work_overtakes);
	tcase_add_test(tc, node_lifts_in_the_queue);
	tcase_add_test(tc, oneways_of_a_node_keep_their_order);
	tcase_add_test(tc, lowest_priority_is_not_starved);
	tcase_add_test(tc, flood_of_low_priority_hardly_delays);
	tcase_add_test(tc, taken_back_from_the_middle);
	tcase_add_test(tc, events_do_not_overtake);
	return suite_main(s);
}
