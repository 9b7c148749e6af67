// SPDX-License-Identifier: MIT
/*
 * Servers that never come back, on the only CPU that their caller may use: the boost
 * ends all the same, though the caller cannot run to end it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

/* A boost that does not end by itself is over after this time. */
#define MUCH_MS 3000
/* What it may take: the driver looks each 100 ms for callers that are dying. */
#define LITTLE_MS 700

struct server {
	struct helper helper;
	pid_t victim;
	uint32_t nested;
	bool was_realtime;
	uint64_t spun_ms;
};

static bool is_realtime(void)
{
	return sched_getscheduler(0) & SCHED_FIFO;
}

/* A call that nobody takes, of a secret. */
static void call_nested(uint32_t handle)
{
	static const char secret[REGION / 4];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .handle = handle, .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = sizeof(secret),
	};

	assert_ok(raw_send(&srv, &send, NULL));
}

/* It has the deadline of the call for which it was made, so it may end by that just before. */
static void expect_nested_end(void)
{
	struct ipcbus_event ev;

	raw_take(&srv, IPCBUS_EVENT_FAILED, &ev);
	ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_REPLY);
	if (ev.error != -ETIMEDOUT)
		ck_assert_int_eq(ev.error, -ECANCELED);
}

static void *serve_and_spin(void *arg)
{
	struct server *self = arg;
	struct ipcbus_event ev;
	uint64_t begin;

	use_first_cpu();
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	begin = now_ms();
	self->was_realtime = is_realtime();
	if (self->nested)
		call_nested(self->nested);
	if (self->victim)
		kill(self->victim, SIGKILL);
	while (is_realtime() && now_ms() - begin < MUCH_MS)
		;
	self->spun_ms = now_ms() - begin;
	if (self->nested)
		expect_nested_end();
	return NULL;
}

static void server_start(struct server *s, pid_t victim)
{
	*s = (struct server){ .victim = victim };
	helper_start(&s->helper, serve_and_spin, s);
	wait_asleep(s->helper.tid);
}

static void server_end(struct server *s)
{
	helper_end(&s->helper);
	ck_assert(s->was_realtime);
	ck_assert_msg(s->spun_ms < LITTLE_MS, "the boost lasted %llu ms",
		      (unsigned long long)s->spun_ms);
}

struct caller {
	int priority;
	uint32_t flags;
};

static const struct caller callers[] = {
	{ 50, 0 },
	{ 99, 0 },
	{ 50, IPCBUS_SEND_ASYNC },
};

static void *call_with_deadline(void *arg)
{
	const struct caller *c = arg;
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_SERVE,
		.send = { .kind = IPCBUS_SEND_CALL, .flags = c->flags },
	};

	run_on_first_cpu(SCHED_FIFO, c->priority);
	x.send.deadline = deadline_in(100);
	assert_ok(raw_exchange(&cli, &x));
	ck_assert_int_eq(x.event.kind, IPCBUS_EVENT_FAILED);
	ck_assert_int_eq(x.event.error, -ETIMEDOUT);
	return NULL;
}

START_TEST(deadline_passes)
{
	struct caller c = callers[_i];
	struct server s;
	struct helper h;

	server_start(&s, 0);
	helper_start(&h, call_with_deadline, &c);
	server_end(&s);
	helper_end(&h);
}
END_TEST

/* Whoever ends the boost takes back what the server sent meanwhile. */
START_TEST(nested_call_is_taken_back)
{
	struct caller c = callers[0];
	struct ipcbus_event ev;
	struct server s = { .nested = give_handle(&srv, &oth, raw_node(&oth, 0, 1)) };
	struct helper h;

	helper_start(&s.helper, serve_and_spin, &s);
	wait_asleep(s.helper.tid);
	helper_start(&h, call_with_deadline, &c);
	server_end(&s);
	helper_end(&h);
	raw_none(&oth);
	assert_ok(raw_put(&srv, s.nested, 1));
	raw_take(&oth, IPCBUS_EVENT_IDLE, &ev);
}
END_TEST

static int call_for_ever(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	struct raw r;

	(void)arg;
	raw_open(&r, REGION);
	peer_hear(self);
	run_on_first_cpu(SCHED_FIFO, 50);
	raw_call_wait(&r, 0, 0, NULL, 0, &ev);
	return 1;
}

START_TEST(caller_is_killed)
{
	struct server s;
	struct peer p;

	peer_start(&p, call_for_ever, NULL);
	server_start(&s, p.pid);
	peer_notify(&p, 1);
	server_end(&s);
	peer_kill(&p);
}
END_TEST

/* The one that spins serves an ordinary caller: who waits for it has the deadline. */
START_TEST(waiting_caller_stops_waiting)
{
	struct caller c = { 50, 0 };
	struct ipcbus_event ev;
	struct helper h;
	uint64_t begin;

	raw_call(&oth, 0, 0, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	use_first_cpu();
	helper_start(&h, call_with_deadline, &c);
	begin = now_ms();
	while (!is_realtime() && now_ms() - begin < MUCH_MS)
		;
	begin = now_ms();
	while (is_realtime() && now_ms() - begin < MUCH_MS)
		;
	ck_assert_uint_lt(now_ms() - begin, LITTLE_MS);
	helper_end(&h);
}
END_TEST

static void *take_and_exec(void *arg)
{
	struct ipcbus_event ev;

	raw_wait(arg, IPCBUS_EVENT_CALL, &ev);
	execl("/bin/sleep", "sleep", "5", NULL);
	return NULL;
}

static int serve_and_exec(struct peer *self, void *arg)
{
	struct helper h;
	struct raw r;

	(void)arg;
	raw_open(&r, REGION);
	assert_ok(raw_claim(&r, raw_node(&r, 0, 1)));
	peer_notify(self, 1);
	helper_start(&h, take_and_exec, &r);
	helper_end(&h);
	return 1;
}

static void *call_realtime(void *arg)
{
	struct ipcbus_event ev;

	run_on_first_cpu(SCHED_FIFO, 50);
	raw_call_wait(&cli, 0, 0, NULL, 0, &ev);
	return arg;
}

/* The thread that executes a program gets its process's pid, and no boost. */
START_TEST(boosted_thread_executes)
{
	struct helper h;
	struct peer p;

	peer_start(&p, serve_and_exec, NULL);
	peer_hear(&p);
	raw_open(&cli, REGION);
	helper_start(&h, call_realtime, NULL);
	/* The server is gone with its address space. */
	helper_end(&h);
	ck_assert_int_eq(sched_getscheduler(p.pid) & SCHED_FIFO, 0);
	peer_kill(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spin");
	TCase *tc = add_case(s, "spin", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, deadline_passes, 0, ARRAY_SIZE(callers));
	tcase_add_test(tc, nested_call_is_taken_back);
	tcase_add_test(tc, caller_is_killed);
	tcase_add_test(tc, waiting_caller_stops_waiting);

	tc = add_case(s, "exec", setup_bare);
	tcase_add_test(tc, boosted_thread_executes);
	return suite_main(s);
}
