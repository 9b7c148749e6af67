// SPDX-License-Identifier: MIT
/*
 * Chains of calls: calls back to a waiting proc, through two and three parties, up to the
 * depth limit. Also which of a proc's threads receives such a call.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void take_reply(const struct raw *r)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_REPLY, &ev);
	raw_release(r, &ev);
}

static uint64_t take_call(const struct raw *r, uint32_t code)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.code, code);
	raw_release(r, &ev);
	return ev.call;
}

/* Takes a call as a thread in a call may, without offering to serve. */
static uint64_t take_nested(const struct raw *r, uint32_t code)
{
	struct ipcbus_event ev;

	assert_ok(raw_next(r, IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(ev.code, code);
	raw_release(r, &ev);
	return ev.call;
}

START_TEST(comes_back_through_a_third_party)
{
	uint32_t srv_to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	uint32_t oth_to_cli = give_handle(&oth, &cli, raw_node(&cli, 0, 2));
	uint64_t first, second, third;

	raw_call(&cli, 0, 1, NULL, 0);
	first = take_call(&srv, 1);
	raw_call(&srv, srv_to_oth, 2, NULL, 0);
	second = take_call(&oth, 2);
	raw_call(&oth, oth_to_cli, 3, NULL, 0);
	third = take_nested(&cli, 3);
	raw_reply(&cli, third, NULL, 0);
	take_reply(&oth);
	raw_reply(&oth, second, NULL, 0);
	take_reply(&srv);
	raw_reply(&srv, first, NULL, 0);
	take_reply(&cli);
}
END_TEST

/* A call of another chain waits for a thread that serves. */
START_TEST(strange_call_does_not_disturb_a_caller)
{
	uint32_t to_cli = give_handle(&oth, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event ev;
	uint64_t call, strange;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_call(&oth, to_cli, 2, NULL, 0);
	assert_ok(raw_next(&cli, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	call = take_call(&srv, 1);
	raw_reply(&srv, call, NULL, 0);
	take_reply(&cli);
	strange = take_call(&cli, 2);
	raw_reply(&cli, strange, NULL, 0);
	take_reply(&oth);
}
END_TEST

/* A oneway never goes to a waiting caller either. */
START_TEST(oneway_back_waits_its_turn)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event ev;
	uint64_t call;

	raw_call(&cli, 0, 1, NULL, 0);
	call = take_call(&srv, 1);
	raw_oneway(&srv, back, 5, "x", 1);
	assert_ok(raw_next(&cli, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	raw_reply(&srv, call, NULL, 0);
	take_reply(&cli);
	raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 5);
	raw_release(&cli, &ev);
}
END_TEST

struct chain {
	uint32_t there, back;
	uint64_t calls[IPCBUS_MAX_DEPTH];
};

/* Two procs call each other, each call inside the previous one. */
static void go_down(struct chain *c, unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++) {
		const struct raw *from = i % 2 ? &srv : &cli, *to = i % 2 ? &cli : &srv;

		raw_call(from, i % 2 ? c->back : c->there, i, &i, sizeof(i));
		c->calls[i] = i ? take_nested(to, i) : take_call(to, i);
	}
}

static void come_up(struct chain *c, unsigned int depth)
{
	while (depth--) {
		const struct raw *from = depth % 2 ? &srv : &cli, *to = depth % 2 ? &cli : &srv;

		raw_reply(to, c->calls[depth], &depth, sizeof(depth));
		take_reply(from);
	}
}

START_TEST(recursion)
{
	static const unsigned int depths[] = { 1, 2, 3, 10, IPCBUS_MAX_DEPTH };
	struct chain c = { .back = give_handle(&srv, &cli, raw_node(&cli, 0, 1)) };

	for (int round = 0; round < 3; round++) {
		go_down(&c, depths[_i]);
		come_up(&c, depths[_i]);
	}
}
END_TEST

START_TEST(too_deep)
{
	struct chain c = { .back = give_handle(&srv, &cli, raw_node(&cli, 0, 1)) };
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL };
	struct ipcbus_event ev;

	go_down(&c, IPCBUS_MAX_DEPTH);
	ck_assert_int_eq(IPCBUS_MAX_DEPTH % 2, 0);
	assert_result(raw_send(&cli, &send, &ev), -ELOOP);
	send.data = PTR64("x");
	send.data_size = 1;
	assert_result(raw_send(&cli, &send, &ev), -ELOOP);
	/* A oneway is not part of the chain. */
	raw_oneway(&cli, 0, 1, "x", 1);
	come_up(&c, IPCBUS_MAX_DEPTH);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	raw_none(&cli);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

START_TEST(chain_ends_with_its_middle)
{
	uint32_t srv_to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	take_call(&srv, 1);
	raw_call(&srv, srv_to_oth, 2, NULL, 0);
	take_call(&oth, 2);
	raw_close(&srv);
	raw_take(&cli, IPCBUS_EVENT_FAILED, &ev);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
	raw_none(&cli);
}
END_TEST

START_TEST(chain_ends_with_its_end)
{
	uint32_t srv_to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev;
	uint64_t call;

	raw_call(&cli, 0, 1, NULL, 0);
	call = take_call(&srv, 1);
	raw_call(&srv, srv_to_oth, 2, NULL, 0);
	take_call(&oth, 2);
	raw_close(&oth);
	raw_take(&srv, IPCBUS_EVENT_FAILED, &ev);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
	raw_error(&srv, call, EIO, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_ERROR, &ev);
	ck_assert_int_eq(ev.error, -EIO);
}
END_TEST

START_TEST(chain_ends_with_its_start)
{
	uint32_t srv_to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	uint32_t oth_to_cli = give_handle(&oth, &cli, raw_node(&cli, 0, 2));
	uint64_t first, second;

	raw_call(&cli, 0, 1, NULL, 0);
	first = take_call(&srv, 1);
	raw_call(&srv, srv_to_oth, 2, NULL, 0);
	second = take_call(&oth, 2);
	raw_call(&oth, oth_to_cli, 3, NULL, 0);
	raw_close(&cli);
	/* All these calls are canceled: their replies have no receiver. */
	raw_failed(&oth, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_reply(&oth, second, NULL, 0);
	raw_failed(&srv, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_reply(&srv, first, NULL, 0);
	raw_none(&srv);
	raw_none(&oth);
}
END_TEST

/* A deferred call is not the parent of calls that its thread makes later. */
START_TEST(deferred_call_leaves_the_chain)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct ipcbus_event ev;
	uint64_t deferred, strange;

	raw_call(&cli, 0, 1, NULL, 0);
	deferred = take_call(&srv, 1);
	raw_none(&srv);
	raw_call(&srv, back, 2, NULL, 0);
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	raw_reply(&srv, deferred, NULL, 0);
	take_reply(&cli);
	strange = take_call(&cli, 2);
	raw_reply(&cli, strange, NULL, 0);
	take_reply(&srv);
}
END_TEST

/* If both the reply and a call of the chain are queued, the call comes first. */
START_TEST(nested_call_left_open_under_a_reply)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	uint64_t outer, inner;

	raw_call(&cli, 0, 1, NULL, 0);
	outer = take_call(&srv, 1);
	raw_call(&srv, back, 2, NULL, 0);
	inner = take_nested(&cli, 2);
	raw_reply(&srv, outer, NULL, 0);
	take_reply(&cli);
	raw_reply(&cli, inner, NULL, 0);
	take_reply(&srv);
}
END_TEST

START_TEST(thread_exit_in_the_middle_of_a_call)
{
	struct ipcbus_event ev;
	uint64_t call;

	raw_call(&cli, 0, 1, NULL, 0);
	call = take_call(&srv, 1);
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	raw_reply(&srv, call, "late", 4);
	raw_none(&cli);

	/* A nested call that was not taken yet may be canceled or delivered. */
	raw_call(&cli, 0, 2, "x", 1);
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	if (ev.kind == IPCBUS_EVENT_CALL) {
		raw_release(&srv, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	raw_none(&cli);
	raw_round_trip(&cli, 0, &srv, "again", 5);
}
END_TEST

START_TEST(server_thread_exits_over_a_call)
{
	uint64_t call;

	raw_call(&cli, 0, 1, NULL, 0);
	call = take_call(&srv, 1);
	assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	raw_none(&cli);
	raw_reply(&srv, call, NULL, 0);
	take_reply(&cli);
}
END_TEST

START_TEST(thread_exit_over_a_reply)
{
	uint64_t call;
	char data[5000] = "";

	raw_call(&cli, 0, 1, NULL, 0);
	call = take_call(&srv, 1);
	raw_reply(&srv, call, data, sizeof(data));
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	raw_none(&cli);
}
END_TEST

START_TEST(thread_exit_with_a_nested_call_queued)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	uint64_t outer;

	raw_call(&cli, 0, 1, NULL, 0);
	outer = take_call(&srv, 1);
	raw_call(&srv, back, 2, NULL, 0);
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	/* The nested call below a canceled call is canceled too. */
	raw_failed(&srv, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_reply(&srv, outer, NULL, 0);
	raw_none(&cli);
	raw_none(&srv);
}
END_TEST

/* With real threads: a call back goes to A's waiting thread, not to its idle thread. */

struct who {
	const struct raw *r;
	pid_t nested, served;
	struct ipcbus_event reply;
};

static void *call_and_serve_nested(void *arg)
{
	struct who *w = arg;

	raw_call_wait(w->r, 0, 1, NULL, 0, &w->reply);
	if (w->reply.kind == IPCBUS_EVENT_CALL) {
		w->nested = w->reply.call;
		raw_reply(w->r, w->reply.call, NULL, 0);
		raw_wait(w->r, IPCBUS_EVENT_REPLY, &w->reply);
	}
	return NULL;
}

static void *serve_one(void *arg)
{
	struct who *w = arg;
	struct ipcbus_event ev;

	raw_wait(w->r, IPCBUS_EVENT_CALL, &ev);
	w->served = ev.code;
	raw_reply(w->r, ev.call, NULL, 0);
	return NULL;
}

START_TEST(waiting_thread_gets_the_call_back)
{
	uint64_t node = raw_node(&cli, 0, 1);
	uint32_t back = give_handle(&srv, &cli, node), other = give_handle(&oth, &cli, node);
	struct who w = { .r = &cli };
	struct helper caller, idle;
	struct ipcbus_event ev;
	uint64_t outer;

	helper_start(&idle, serve_one, &w);
	wait_asleep(idle.tid);
	helper_start(&caller, call_and_serve_nested, &w);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	outer = ev.call;
	wait_asleep(caller.tid);
	raw_call_wait(&srv, back, 2, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
	ck_assert_uint_eq(ev.tid, caller.tid);
	raw_reply(&srv, outer, NULL, 0);
	helper_end(&caller);
	ck_assert_int_ne(w.nested, 0);
	ck_assert_uint_eq(w.reply.kind, IPCBUS_EVENT_REPLY);

	/* The idle thread is still available for other calls. */
	raw_call_wait(&oth, other, 3, NULL, 0, &ev);
	ck_assert_uint_eq(ev.tid, idle.tid);
	helper_end(&idle);
	ck_assert_int_eq(w.served, 3);
}
END_TEST

static void *call_and_end(void *arg)
{
	raw_call(&cli, 0, 1, NULL, 0);
	return arg;
}

/* The calling thread ended, so any thread may take a call back. */
START_TEST(ended_thread_gets_no_calls)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	struct helper caller;
	uint64_t outer, inner;

	helper_start(&caller, call_and_end, NULL);
	helper_end(&caller);
	outer = take_call(&srv, 1);
	raw_call(&srv, back, 2, NULL, 0);
	inner = take_call(&cli, 2);
	raw_reply(&cli, inner, NULL, 0);
	take_reply(&srv);
	raw_reply(&srv, outer, NULL, 0);
	raw_none(&cli);
}
END_TEST

/* Directed calls: a thread joins a chain before it makes a call itself. */

struct listener {
	atomic_uint number;
	uint32_t back;
	int ms;
	struct ipcbus_event event;
};

static void *listen_and_call_back(void *arg)
{
	struct listener *l = arg;
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT };
	struct ipcbus_event ev;

	assert_ok(raw_next(&srv, IPCBUS_NONBLOCK, &ev));
	atomic_store(&l->number, ev.thread);
	x.send.deadline = deadline_in(l->ms);
	assert_ok(raw_exchange(&srv, &x));
	l->event = x.event;
	if (x.event.kind != IPCBUS_EVENT_CALL)
		return NULL;
	raw_call_wait(&srv, l->back, 2, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
	raw_reply(&srv, x.event.call, NULL, 0);
	return NULL;
}

static void begin_listening(struct helper *helper, struct listener *l)
{
	helper_start(helper, listen_and_call_back, l);
	while (!atomic_load(&l->number))
		usleep(1000);
	wait_asleep(helper->tid);
}

START_TEST(directed_call_makes_the_chain_of_its_thread)
{
	struct listener l = { .ms = 10000 };
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 7 };
	struct ipcbus_event ev;
	struct helper helper;
	uint64_t inner;

	l.back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	begin_listening(&helper, &l);
	/* Undirected calls wait for a thread that serves. */
	assert_ok(raw_send(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, NULL));
	send.call = l.number;
	assert_ok(raw_send(&cli, &send, NULL));
	/* This thread waits in the chain, so it gets the call back. */
	assert_ok(raw_next(&cli, 0, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(ev.code, 2);
	inner = ev.call;
	raw_reply(&cli, inner, NULL, 0);
	raw_wait(&cli, IPCBUS_EVENT_REPLY, &ev);
	helper_end(&helper);
	ck_assert_uint_eq(l.event.code, 7);
	raw_reply(&srv, take_call(&srv, 0), NULL, 0);
	take_reply(&oth);
}
END_TEST

START_TEST(directed_call_fails_unless_its_thread_listens)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL };
	struct who w = { .r = &srv };
	struct ipcbus_event ev;
	struct helper idle;

	/* A working thread, threads that do not exist, and a serving thread. */
	assert_ok(raw_next(&srv, IPCBUS_NONBLOCK, &ev));
	send.call = ev.thread;
	raw_fails(&cli, &send, -ESRCH, IPCBUS_STAGE_QUEUE, 0);
	send.call = 1000;
	raw_fails(&cli, &send, -ESRCH, IPCBUS_STAGE_QUEUE, 0);
	send.call = UINT64_MAX;
	raw_fails(&cli, &send, -ESRCH, IPCBUS_STAGE_QUEUE, 0);
	helper_start(&idle, serve_one, &w);
	wait_asleep(idle.tid);
	for (send.call = 1; send.call < 10; send.call++)
		raw_fails(&cli, &send, -ESRCH, IPCBUS_STAGE_QUEUE, 0);
	raw_call_wait(&cli, 0, 3, NULL, 0, &ev);
	helper_end(&idle);
	raw_none(&cli);
}
END_TEST

START_TEST(listening_ends_at_its_deadline)
{
	struct listener l = { .ms = 30 };
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL };
	uint64_t end = deadline_in(30);
	struct helper helper;

	helper_start(&helper, listen_and_call_back, &l);
	helper_end(&helper);
	ck_assert_uint_eq(l.event.kind, IPCBUS_EVENT_INTERRUPTED);
	ck_assert_uint_ge(deadline_in(0), end);
	send.call = l.number;
	raw_fails(&cli, &send, -ESRCH, IPCBUS_STAGE_QUEUE, 0);
}
END_TEST

static void *listen_once(void *arg)
{
	struct listener *l = arg;
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT };
	struct ipcbus_event ev;

	raw_call(&cli, l->back, 1, NULL, 0);
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	atomic_store(&l->number, ev.thread);
	x.send.deadline = deadline_in(l->ms);
	assert_ok(raw_exchange(&cli, &x));
	l->event = x.event;
	if (x.event.kind == IPCBUS_EVENT_CALL)
		raw_reply(&cli, x.event.call, NULL, 0);
	raw_wait(&cli, IPCBUS_EVENT_REPLY, &ev);
	return NULL;
}

/* Without the deadline the thread would wait until the end of its call. */
START_TEST(listening_in_a_call_ends_at_its_deadline)
{
	struct listener l = { .ms = 30 };
	struct helper helper;

	helper_start(&helper, listen_once, &l);
	while (!atomic_load(&l.number))
		usleep(1000);
	/* The call ends only after the thread has stopped listening. */
	usleep(300000);
	raw_reply(&srv, take_call(&srv, 1), NULL, 0);
	helper_end(&helper);
	ck_assert_uint_eq(l.event.kind, IPCBUS_EVENT_INTERRUPTED);
}
END_TEST

START_TEST(listening_thread_in_a_call_gets_one_directed_call)
{
	struct listener l = { .ms = 10000 };
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 7, .cookie = 5 };
	struct ipcbus_event ev;
	struct helper helper;

	send.handle = give_handle(&oth, &cli, raw_node(&cli, 0, 1));
	helper_start(&helper, listen_once, &l);
	while (!atomic_load(&l.number))
		usleep(1000);
	wait_asleep(helper.tid);
	send.call = l.number;
	assert_ok(raw_send(&oth, &send, NULL));
	raw_wait(&oth, IPCBUS_EVENT_REPLY, &ev);
	raw_fails(&oth, &send, -ESRCH, IPCBUS_STAGE_QUEUE, 0);
	raw_reply(&srv, take_call(&srv, 1), NULL, 0);
	helper_end(&helper);
	ck_assert_uint_eq(l.event.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(l.event.code, 7);
}
END_TEST

/* The calls that one thread is in are limited, whichever way they came to be on its stack. */

static int call_from(const struct raw *r)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 1, .cookie = 9 };

	return raw_send(r, &send, NULL);
}

/* Makes calls, and lets @come_in bring another call to the thread after each of them. */
static void expect_limit(const struct raw *r, void (*come_in)(void *arg), void *arg)
{
	int e = 0, calls = 0;

	while (!e && calls <= IPCBUS_MAX_DEPTH) {
		e = call_from(r);
		if (e)
			break;
		calls++;
		come_in(arg);
	}
	assert_result(e, -ELOOP);
	ck_assert_int_le(calls, IPCBUS_MAX_DEPTH);
	ck_assert_int_gt(calls, 1);
}

struct director {
	const struct raw *from;
	uint32_t handle;
	atomic_uint number;
	atomic_uint listens; /* how many times */
	atomic_bool done;
};

static void *direct_calls(void *arg)
{
	struct director *d = arg;
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = d->handle,
		.cookie = 5,
	};

	for (unsigned int sent = 0; !atomic_load(&d->done);) {
		send.call = atomic_load(&d->number);
		if (sent == atomic_load(&d->listens) || raw_send(d->from, &send, NULL))
			usleep(100);
		else
			sent++;
	}
	return NULL;
}

static void listen_for_a_call(void *arg)
{
	struct director *d = arg;
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT, .send.deadline = deadline_in(60000) };

	atomic_fetch_add(&d->listens, 1);
	assert_ok(raw_exchange(&cli, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_CALL);
}

START_TEST(directed_calls_on_a_thread_are_limited)
{
	struct director d = { .from = &oth };
	struct ipcbus_event ev;
	struct helper helper;

	d.handle = give_handle(&oth, &cli, raw_node(&cli, 0, 1));
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	atomic_store(&d.number, ev.thread);
	helper_start(&helper, direct_calls, &d);
	expect_limit(&cli, listen_for_a_call, &d);
	atomic_store(&d.done, true);
	helper_end(&helper);
}
END_TEST

/* srv calls back in the first call, and cancels that after cli has taken it. */
static void call_back_and_cancel(void *back)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .handle = *(uint32_t *)back, .code = 2, .cookie = 5,
	};

	assert_ok(raw_send(&srv, &send, NULL));
	take_nested(&cli, 2);
	assert_ok(raw_cancel(&srv, 5));
	raw_failed(&srv, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
}

START_TEST(canceled_calls_back_on_a_thread_are_limited)
{
	uint32_t back = give_handle(&srv, &cli, raw_node(&cli, 0, 1));

	raw_call(&cli, 0, 0, NULL, 0);
	take_call(&srv, 0);
	expect_limit(&cli, call_back_and_cancel, &back);
}
END_TEST

/* A reply that fails puts its call on top of the calls that the thread made in the meantime. */
static void fail_to_reply(void *call)
{
	struct ipcbus_send bad = {
		.kind = IPCBUS_SEND_REPLY, .call = *(uint64_t *)call, .data = 8, .data_size = 8,
	};

	raw_fails(&oth, &bad, -EFAULT, IPCBUS_STAGE_COPY, 0);
}

START_TEST(calls_under_a_failed_reply_are_limited)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 3 };
	uint64_t call;

	send.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	assert_ok(raw_send(&cli, &send, NULL));
	call = take_call(&oth, 3);
	expect_limit(&oth, fail_to_reply, &call);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nested");
	TCase *tc = add_case(s, "chains", setup_bus);

	tcase_add_test(tc, comes_back_through_a_third_party);
	tcase_add_test(tc, strange_call_does_not_disturb_a_caller);
	tcase_add_test(tc, oneway_back_waits_its_turn);
	tcase_add_loop_test(tc, recursion, 0, 5);
	tcase_add_test(tc, too_deep);
	tcase_add_test(tc, deferred_call_leaves_the_chain);
	tcase_add_test(tc, nested_call_left_open_under_a_reply);

	tc = add_case(s, "ends", setup_bus);
	tcase_add_test(tc, chain_ends_with_its_middle);
	tcase_add_test(tc, chain_ends_with_its_end);
	tcase_add_test(tc, chain_ends_with_its_start);
	tcase_add_test(tc, thread_exit_in_the_middle_of_a_call);
	tcase_add_test(tc, server_thread_exits_over_a_call);
	tcase_add_test(tc, thread_exit_over_a_reply);
	tcase_add_test(tc, thread_exit_with_a_nested_call_queued);

	tc = add_case(s, "threads", setup_bus);
	tcase_add_test(tc, waiting_thread_gets_the_call_back);
	tcase_add_test(tc, ended_thread_gets_no_calls);
	tcase_add_test(tc, directed_call_makes_the_chain_of_its_thread);
	tcase_add_test(tc, directed_call_fails_unless_its_thread_listens);
	tcase_add_test(tc, listening_ends_at_its_deadline);
	tcase_add_test(tc, listening_in_a_call_ends_at_its_deadline);
	tcase_add_test(tc, listening_thread_in_a_call_gets_one_directed_call);

	tc = add_case(s, "stack", setup_bus);
	tcase_add_test(tc, directed_calls_on_a_thread_are_limited);
	tcase_add_test(tc, canceled_calls_back_on_a_thread_are_limited);
	tcase_add_test(tc, calls_under_a_failed_reply_are_limited);
	return suite_main(s);
}
