// SPDX-License-Identifier: MIT
/*
 * Freezing and thawing a process.
 *
 * The target is a peer that follows commands, step by step. It serves a node, for which srv,
 * the manager, has a handle.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

#define COOKIE 0xf203e7ULL

enum step {
	TAKE = 1,	/* an event that is there now; reports its kind */
	WAIT,		/* the same, but waits for the event */
	FINISH,		/* replies to the call that was taken last */
	CALL,		/* calls the manager */
	POLL,		/* reports 1 if the file is readable */
	LEAVE,
};

static struct peer target;
static uint32_t handle;

static uint64_t take(uint32_t flags, uint64_t *call)
{
	struct ipcbus_event ev;

	do
		assert_ok(raw_next(&oth, IPCBUS_SERVE | flags, &ev));
	while (ev.kind == IPCBUS_EVENT_INTERRUPTED);
	if (ev.kind == IPCBUS_EVENT_CALL)
		*call = ev.call;
	raw_release(&oth, &ev);
	return ev.kind;
}

static uint64_t do_step(enum step step, uint64_t *call)
{
	switch (step) {
	case TAKE:
		return take(IPCBUS_NONBLOCK, call);
	case WAIT:
		return take(0, call);
	case FINISH:
		raw_reply(&oth, *call, "done", 4);
		return 0;
	case CALL:
		raw_call(&oth, 0, 1, "mine", 4);
		return 0;
	case POLL:
		return !!(dev_poll(oth.fd, 0) & POLLIN);
	default:
		return 0;
	}
}

static int be_target(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	struct ipcbus_object o;
	enum step step;
	uint64_t call = 0;

	if (arg && setresuid(*(uid_t *)arg, *(uid_t *)arg, *(uid_t *)arg) < 0)
		return 98;
	raw_open(&oth, REGION);
	o = object_node(raw_node(&oth, 0, 1));
	assert_ok(raw_send(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	raw_wait(&oth, IPCBUS_EVENT_REPLY, &ev);
	peer_notify(self, 1);
	while ((step = peer_hear(self)) != LEAVE)
		peer_notify(self, do_step(step, &call));
	return 0;
}

static uint64_t step(enum step step)
{
	peer_notify(&target, step);
	return peer_hear(&target);
}

static void start_target(uid_t *uid)
{
	struct ipcbus_event ev;

	peer_start(&target, be_target, uid);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(raw_objects(&srv, &ev)->type, IPCBUS_OBJECT_HANDLE);
	handle = raw_objects(&srv, &ev)->value;
	raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
	peer_hear(&target);
}

static void end_target(void)
{
	peer_notify(&target, LEAVE);
	peer_end(&target);
}

static void setup_target(void)
{
	setup_bus();
	start_target(NULL);
}

static int act(uint32_t flags, struct ipcbus_freeze *ret)
{
	return raw_freeze(&cli, flags, target.pid, 0, ret);
}

static void freeze(void)
{
	struct ipcbus_freeze f;

	assert_ok(act(0, &f));
	ck_assert_uint_eq(f.pending, 0);
	ck_assert(f.received & IPCBUS_FROZEN_NOW);
}

static void thaw(uint32_t received)
{
	struct ipcbus_freeze f;

	assert_ok(act(IPCBUS_FREEZE_THAW, &f));
	ck_assert_uint_eq(f.received, received);
}

static void expect_state(uint32_t received, uint32_t pending)
{
	struct ipcbus_freeze f;

	assert_ok(act(IPCBUS_FREEZE_QUERY, &f));
	ck_assert_uint_eq(f.received, received);
	ck_assert_uint_eq(f.pending, pending);
}

static void call_is_refused(void)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .handle = handle,
				    .data = PTR64("no"), .data_size = 2 };

	raw_fails(&srv, &send, -EHOSTDOWN, IPCBUS_STAGE_QUEUE, 0);
}

static void call_works(void)
{
	struct ipcbus_event ev;

	raw_call(&srv, handle, 1, "yes", 3);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_CALL);
	step(FINISH);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&srv, &ev);
}

/* Frozen */

START_TEST(calls_fail_and_oneways_wait)
{
	call_works();
	expect_state(0, 0);
	freeze();
	expect_state(IPCBUS_FROZEN_NOW, 0);
	call_is_refused();
	expect_state(IPCBUS_FROZEN_NOW | IPCBUS_FROZEN_CALL, 0);
	for (int i = 0; i < 3; i++)
		raw_oneway(&srv, handle, i, "kept", 4);
	expect_state(IPCBUS_FROZEN_NOW | IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY, 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_NONE);
	ck_assert_uint_eq(step(POLL), 0);
	thaw(IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY);
	ck_assert_uint_eq(step(POLL), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_ONEWAY);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_NONE);
	call_works();
	end_target();
}
END_TEST

START_TEST(the_next_freeze_resets_the_reported_messages)
{
	freeze();
	call_is_refused();
	thaw(IPCBUS_FROZEN_CALL);
	expect_state(IPCBUS_FROZEN_CALL, 0);
	freeze();
	expect_state(IPCBUS_FROZEN_NOW, 0);
	thaw(0);
	end_target();
}
END_TEST

START_TEST(second_freeze_has_no_effect)
{
	thaw(0);
	freeze();
	call_is_refused();
	freeze();
	expect_state(IPCBUS_FROZEN_NOW | IPCBUS_FROZEN_CALL, 0);
	thaw(IPCBUS_FROZEN_CALL);
	thaw(IPCBUS_FROZEN_CALL);
	call_works();
	end_target();
}
END_TEST

START_TEST(oneways_that_waited_before_are_kept)
{
	raw_oneway(&srv, handle, 1, "one", 3);
	raw_oneway(&srv, handle, 2, "two", 3);
	freeze();
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_NONE);
	thaw(0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_ONEWAY);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_ONEWAY);
	end_target();
}
END_TEST

/* A waiting thread is not woken by messages, but by the thaw. */
START_TEST(waiting_thread_gets_no_message_while_frozen)
{
	struct pollfd pfd = { .fd = target.hear, .events = POLLIN };

	peer_notify(&target, WAIT);
	usleep(20000);
	freeze();
	raw_oneway(&srv, handle, 1, "kept", 4);
	ck_assert_int_eq(poll(&pfd, 1, 50), 0);
	thaw(IPCBUS_FROZEN_ONEWAY);
	ck_assert_uint_eq(peer_hear(&target), IPCBUS_EVENT_ONEWAY);
	end_target();
}
END_TEST

START_TEST(the_reply_to_its_own_call_is_kept)
{
	struct ipcbus_event ev;

	step(CALL);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	freeze();
	raw_reply(&srv, ev.call, "kept", 4);
	raw_release(&srv, &ev);
	ck_assert_uint_eq(step(POLL), 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_NONE);
	thaw(0);
	ck_assert_uint_eq(step(POLL), 1);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_REPLY);
	end_target();
}
END_TEST

/* A call back into the target's own chain is refused like any other call. */
START_TEST(a_call_that_comes_back_is_refused)
{
	struct ipcbus_event ev;

	step(CALL);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	freeze();
	call_is_refused();
	thaw(IPCBUS_FROZEN_CALL);
	raw_call(&srv, handle, 1, NULL, 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_CALL);
	step(FINISH);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_REPLY);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&srv, &ev);
	end_target();
}
END_TEST

START_TEST(frozen_process_is_killed)
{
	struct ipcbus_event ev;

	assert_ok(raw_watch(&srv, handle, COOKIE));
	freeze();
	raw_oneway(&srv, handle, 1, "lost", 4);
	peer_kill(&target);
	raw_wait(&srv, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = handle },
		  -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
	assert_ok(raw_put(&srv, handle, 1));
}
END_TEST

START_TEST(frozen_process_is_stopped)
{
	freeze();
	kill(target.pid, SIGSTOP);
	call_is_refused();
	for (int i = 0; i < 10; i++)
		raw_oneway(&srv, handle, i, "kept", 4);
	thaw(IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY);
	freeze();
	thaw(0);
	kill(target.pid, SIGCONT);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_ONEWAY);
	call_works();
	end_target();
}
END_TEST

/* Freezes all files of a process, including the caller's own. */
START_TEST(a_process_may_freeze_itself)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL };
	struct ipcbus_freeze f;

	raw_oneway(&cli, 0, 1, "kept", 4);
	assert_ok(raw_freeze(&cli, 0, getpid(), 0, &f));
	raw_none(&srv);
	raw_fails(&cli, &send, -EHOSTDOWN, IPCBUS_STAGE_QUEUE, 0);
	assert_ok(raw_freeze(&oth, IPCBUS_FREEZE_THAW, getpid(), 0, &f));
	ck_assert_uint_eq(f.received, IPCBUS_FROZEN_CALL);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &(struct ipcbus_event){ 0 });
}
END_TEST

/* Waiting for open calls */

START_TEST(a_call_that_was_taken)
{
	struct ipcbus_freeze f;
	struct ipcbus_event ev;

	raw_call(&srv, handle, 1, NULL, 0);
	assert_result(act(0, &f), -EAGAIN);
	ck_assert_uint_eq(f.pending, 1);
	ck_assert_uint_eq(f.received, 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_CALL);
	assert_result(act(0, &f), -EAGAIN);
	ck_assert_uint_eq(f.pending, 1);
	expect_state(0, 1);
	step(FINISH);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&srv, &ev);
	call_works();
	freeze();
	thaw(0);
	end_target();
}
END_TEST

START_TEST(the_time_is_over)
{
	struct rusage before, after;
	uint64_t begin = now_ms();
	struct ipcbus_freeze f;

	raw_call(&srv, handle, 1, NULL, 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_CALL);
	getrusage(RUSAGE_THREAD, &before);
	assert_result(raw_freeze(&cli, 0, target.pid, 60, &f), -EAGAIN);
	getrusage(RUSAGE_THREAD, &after);
	ck_assert_uint_ge(now_ms() - begin, 59);
	/* It checks every 2 ms, and sleeps in between. */
	ck_assert_int_lt(after.ru_nvcsw - before.ru_nvcsw, 45);
	ck_assert_uint_eq(f.pending, 1);
	step(FINISH);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &(struct ipcbus_event){ 0 });
	call_works();
	end_target();
}
END_TEST

struct attempt {
	struct ipcbus_freeze f;
	int result;
};

static void *try_to_freeze(void *arg)
{
	struct attempt *a = arg;

	/* Longer than a test may take. */
	a->result = raw_freeze(&oth, 0, target.pid, 600000, &a->f);
	return NULL;
}

/* Starts a thread that waits until the target has ended the call that it took. */
static void begin_to_freeze(struct helper *h, struct attempt *a)
{
	raw_call(&srv, handle, 1, NULL, 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_CALL);
	helper_start(h, try_to_freeze, a);
	wait_asleep(h->tid);
}

static void reply_last_call(void)
{
	step(FINISH);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &(struct ipcbus_event){ 0 });
}

/* Returns cli's handle for the target's node, which srv passes on. */
static uint32_t pass_handle_on(void)
{
	struct ipcbus_object o = object_handle(handle);
	struct ipcbus_event ev;
	uint32_t passed;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_send(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	passed = raw_objects(&cli, &ev)->value;
	raw_release(&cli, &ev);
	return passed;
}

START_TEST(freeze_waits_for_the_reply)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .handle = pass_handle_on() };
	struct attempt a;
	struct helper h;

	begin_to_freeze(&h, &a);
	/* In the meantime new calls are refused, although the target is not frozen yet. */
	raw_fails(&cli, &send, -EHOSTDOWN, IPCBUS_STAGE_QUEUE, 0);
	expect_state(IPCBUS_FROZEN_CALL, 1);
	raw_oneway(&srv, handle, 1, NULL, 0);
	ck_assert_uint_eq(step(TAKE), IPCBUS_EVENT_ONEWAY);
	reply_last_call();
	helper_end(&h);
	assert_ok(a.result);
	ck_assert_uint_eq(a.f.pending, 0);
	ck_assert_uint_eq(a.f.received,
			  IPCBUS_FROZEN_NOW | IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY);
	thaw(IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY);
	end_target();
}
END_TEST

START_TEST(concurrent_freeze_is_busy)
{
	struct ipcbus_freeze f;
	struct attempt a;
	struct helper h;

	begin_to_freeze(&h, &a);
	assert_result(act(0, &f), -EBUSY);
	reply_last_call();
	helper_end(&h);
	assert_ok(a.result);
	thaw(0);
	end_target();
}
END_TEST

START_TEST(thawed_before_it_was_frozen)
{
	struct attempt a;
	struct helper h;

	begin_to_freeze(&h, &a);
	thaw(0);
	helper_end(&h);
	assert_result(a.result, -EAGAIN);
	reply_last_call();
	call_works();
	end_target();
}
END_TEST

START_TEST(killed_before_it_was_frozen)
{
	struct attempt a;
	struct helper h;

	begin_to_freeze(&h, &a);
	peer_kill(&target);
	helper_end(&h);
	assert_result(a.result, -ESRCH);
	raw_take(&srv, IPCBUS_EVENT_FAILED, &(struct ipcbus_event){ 0 });
}
END_TEST

static void on_signal(int sig)
{
	(void)sig;
}

START_TEST(signal_interrupts_the_freeze)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct attempt a;
	struct helper h;

	sigaction(SIGUSR1, &act, NULL);
	begin_to_freeze(&h, &a);
	pthread_kill(h.thread, SIGUSR1);
	helper_end(&h);
	assert_result(a.result, -EINTR);
	ck_assert_uint_eq(a.f.pending, 1);
	reply_last_call();
	call_works();
	end_target();
}
END_TEST

/* Permissions */

struct try {
	uid_t uid;
	int want;
	pid_t pid;
};

static int freeze_as(struct peer *self, void *arg)
{
	const struct try *t = arg;
	struct ipcbus_freeze f;
	struct raw r;

	(void)self;
	if (setresuid(t->uid, t->uid, t->uid) < 0)
		return 98;
	raw_open(&r, 0);
	assert_result(raw_freeze(&r, 0, t->pid, 0, &f), t->want);
	assert_result(raw_freeze(&r, IPCBUS_FREEZE_QUERY, t->pid, 0, &f), t->want);
	assert_result(raw_freeze(&r, IPCBUS_FREEZE_THAW, t->pid, 0, &f), t->want);
	raw_close(&r);
	return 0;
}

static void try_as(uid_t uid, int want)
{
	struct try t = { uid, want, target.pid };
	struct peer p;

	peer_start(&p, freeze_as, &t);
	peer_end(&p);
}

START_TEST(other_users_may_not)
{
	uid_t uid = 1000;
	int mode;

	if (geteuid()) {
		case_skip("needs root");
		return;
	}
	mode = dev_set_mode(0666);
	start_target(NULL);
	try_as(1000, -EPERM);
	try_as(0, 0);
	end_target();
	start_target(&uid);
	try_as(1000, 0);
	try_as(1001, -EPERM);
	try_as(0, 0);
	end_target();
	dev_set_mode(mode);
}
END_TEST

static int do_nothing(struct peer *self, void *arg)
{
	(void)arg;
	peer_hear(self);
	return 0;
}

START_TEST(process_without_a_connection_is_unknown)
{
	struct ipcbus_freeze f;
	struct peer p;

	peer_start(&p, do_nothing, NULL);
	assert_result(raw_freeze(&cli, 0, p.pid, 0, &f), -ESRCH);
	assert_result(raw_freeze(&cli, IPCBUS_FREEZE_THAW, p.pid, 0, &f), -ESRCH);
	assert_result(raw_freeze(&cli, IPCBUS_FREEZE_QUERY, p.pid, 0, &f), -ESRCH);
	peer_notify(&p, 1);
	peer_end(&p);
	assert_result(raw_freeze(&cli, 0, p.pid, 0, &f), -ESRCH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("freeze");
	TCase *tc = add_case(s, "frozen", setup_target);

	tcase_add_test(tc, calls_fail_and_oneways_wait);
	tcase_add_test(tc, the_next_freeze_resets_the_reported_messages);
	tcase_add_test(tc, second_freeze_has_no_effect);
	tcase_add_test(tc, oneways_that_waited_before_are_kept);
	tcase_add_test(tc, waiting_thread_gets_no_message_while_frozen);
	tcase_add_test(tc, the_reply_to_its_own_call_is_kept);
	tcase_add_test(tc, a_call_that_comes_back_is_refused);
	tcase_add_test(tc, frozen_process_is_killed);
	tcase_add_test(tc, frozen_process_is_stopped);

	tc = add_case(s, "freezing", setup_target);
	tcase_add_test(tc, a_call_that_was_taken);
	tcase_add_test(tc, the_time_is_over);
	tcase_add_test(tc, freeze_waits_for_the_reply);
	tcase_add_test(tc, concurrent_freeze_is_busy);
	tcase_add_test(tc, thawed_before_it_was_frozen);
	tcase_add_test(tc, killed_before_it_was_frozen);
	tcase_add_test(tc, signal_interrupts_the_freeze);

	tc = add_case(s, "who", setup_bus);
	tcase_add_test(tc, other_users_may_not);
	tcase_add_test(tc, process_without_a_connection_is_unknown);
	tcase_add_test(tc, a_process_may_freeze_itself);
	return suite_main(s);
}
