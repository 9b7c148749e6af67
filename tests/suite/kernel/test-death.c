// SPDX-License-Identifier: MIT
/*
 * Death: of servers during a call, of callers, of processes by kill -9; and death watches.
 * Death under random load is in tests/suite/crash.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define COOKIE 0xdeadULL

static void expect_dead(const struct raw *r, uint64_t cookie)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, cookie);
}

/* Calls in flight */

START_TEST(server_closes_over_the_call)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_close(&srv);
	raw_take(&cli, IPCBUS_EVENT_FAILED, &ev);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
	raw_none(&cli);
}
END_TEST

static int call_and_hang(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	char data[9000];

	(void)arg;
	memset(data, 'k', sizeof(data));
	raw_open(&cli, REGION);
	peer_notify(self, 1);
	raw_call_wait(&cli, 0, 1, data, sizeof(data), &ev);
	return 1;
}

START_TEST(caller_is_killed_while_the_server_works)
{
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, call_and_hang, NULL);
	peer_hear(&p);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	peer_kill(&p);
	raw_reply(&srv, ev.call, "nobody reads this", 17);
	raw_release(&srv, &ev);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

static int serve_and_hang(struct peer *self, void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, SRV_COOKIE)));
	peer_notify(self, 1);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	peer_notify(self, 2);
	pause();
	return 1;
}

static void *wait_for_failure(void *arg)
{
	struct ipcbus_event *ev = arg;

	raw_call_wait(&cli, 0, 1, "x", 1, ev);
	return NULL;
}

START_TEST(server_is_killed_while_the_caller_waits)
{
	struct ipcbus_event ev;
	struct helper h;
	struct peer p;

	peer_start(&p, serve_and_hang, NULL);
	peer_hear(&p);
	raw_open(&cli, REGION);
	helper_start(&h, wait_for_failure, &ev);
	ck_assert_uint_eq(peer_hear(&p), 2);
	wait_asleep(h.tid);
	peer_kill(&p);
	helper_end(&h);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_FAILED);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
}
END_TEST

/*
 * A child of the server keeps the file open, but no thread can serve any more. With an arg,
 * the server closes its own fd before it dies.
 */
static int serve_and_fork(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	pid_t child;

	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, SRV_COOKIE)));
	child = fork();
	if (!child) {
		for (;;)
			pause();
	}
	peer_notify(self, child);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	if (arg)
		dev_close(srv.fd);
	peer_notify(self, 2);
	pause();
	return 1;
}

static void server_dies_and_its_child_lives(void *closed)
{
	struct ipcbus_event ev = { 0 };
	uint64_t end = now_ms() + 2000;
	pid_t child;
	struct peer p;

	peer_start(&p, serve_and_fork, closed);
	child = peer_hear(&p);
	raw_open(&cli, REGION);
	assert_ok(raw_watch(&cli, 0, COOKIE));
	raw_call(&cli, 0, 1, "x", 1);
	ck_assert_uint_eq(peer_hear(&p), 2);
	peer_kill(&p);
	while (ev.kind != IPCBUS_EVENT_FAILED && now_ms() < end) {
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
		usleep(5000);
	}
	kill(child, SIGKILL);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_FAILED);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
	expect_dead(&cli, COOKIE);
}

START_TEST(server_dies_leaving_a_forked_child)
{
	server_dies_and_its_child_lives(NULL);
}
END_TEST

START_TEST(server_closes_and_dies_leaving_a_forked_child)
{
	server_dies_and_its_child_lives(&srv);
}
END_TEST

static int hold_much(struct peer *self, void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	raw_open(&oth, REGION);
	raw_call_wait(&oth, 0, 1, "x", 1, &ev);
	raw_node(&oth, 0, 1);
	peer_notify(self, 1);
	pause();
	return 1;
}

/* It holds a reply's buffer and handles, has open calls and queued work. */
START_TEST(killed_process_with_everything_open)
{
	struct ipcbus_object o[4];
	struct ipcbus_event ev;
	struct peer p;

	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		o[i] = object_node(raw_node(&srv, 0, i));
	peer_start(&p, hold_much, NULL);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	assert_ok(raw_send(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
							.objects = PTR64(o),
							.object_count = ARRAY_SIZE(o) }, NULL));
	peer_hear(&p);
	peer_kill(&p);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		raw_wait(&srv, IPCBUS_EVENT_IDLE, &ev);
		ck_assert_uint_eq(ev.cookie, i);
	}
}
END_TEST

/* Watches */

START_TEST(watch_fires_on_destroy)
{
	uint64_t node = raw_node(&oth, 0, 1);
	uint32_t handle = give_handle(&cli, &oth, node);

	assert_ok(raw_watch(&cli, handle, COOKIE));
	assert_ok(raw_destroy(&oth, node, 0));
	expect_dead(&cli, COOKIE);
	raw_none(&cli);
}
END_TEST

static int own_a_node(struct peer *self, void *arg)
{
	struct ipcbus_object o;
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(&o), .object_count = 1,
	};

	(void)arg;
	raw_open(&oth, REGION);
	o = object_node(raw_node(&oth, 0, 1));
	assert_ok(raw_send(&oth, &send, NULL));
	peer_notify(self, 1);
	pause();
	return 1;
}

START_TEST(watch_fires_on_kill)
{
	struct ipcbus_event ev;
	struct peer p;
	uint32_t handle;

	peer_start(&p, own_a_node, NULL);
	peer_hear(&p);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	handle = raw_objects(&srv, &ev)[0].value;
	raw_release(&srv, &ev);
	assert_ok(raw_watch(&srv, handle, COOKIE));
	raw_none(&srv);
	peer_kill(&p);
	raw_wait(&srv, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	assert_ok(raw_put(&srv, handle, 1));
}
END_TEST

START_TEST(watch_of_a_dead_node_fires_at_once)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));

	raw_close(&oth);
	assert_ok(raw_watch(&cli, handle, COOKIE));
	expect_dead(&cli, COOKIE);
	/* The watch is removed; the next watch fires as well. */
	assert_ok(raw_watch(&cli, handle, COOKIE + 1));
	expect_dead(&cli, COOKIE + 1);
	raw_none(&cli);
}
END_TEST

START_TEST(second_watch_of_a_handle_fails)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));

	assert_ok(raw_watch(&cli, handle, COOKIE));
	assert_result(raw_watch(&cli, handle, COOKIE + 1), -EBUSY);
	assert_ok(raw_unwatch(&cli, handle));
	assert_result(raw_unwatch(&cli, handle), -ENOENT);
	assert_ok(raw_watch(&cli, handle, COOKIE + 2));
	raw_close(&oth);
	expect_dead(&cli, COOKIE + 2);
	raw_none(&cli);
	assert_result(raw_unwatch(&cli, handle), -ENOENT);
}
END_TEST

/* The watch fired, but its event was not taken. 0 promises that it never arrives. */
START_TEST(unwatch_after_the_death)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));

	assert_ok(raw_watch(&cli, handle, COOKIE));
	raw_close(&oth);
	assert_ok(raw_unwatch(&cli, handle));
	raw_none(&cli);
	assert_result(raw_unwatch(&cli, handle), -ENOENT);
}
END_TEST

START_TEST(putting_the_handle_ends_the_watch)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));

	assert_ok(raw_watch(&cli, handle, COOKIE));
	assert_ok(raw_put(&cli, handle, 1));
	raw_close(&oth);
	raw_none(&cli);
}
END_TEST

START_TEST(putting_the_handle_ends_a_fired_watch)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));

	assert_ok(raw_watch(&cli, handle, COOKIE));
	raw_close(&oth);
	assert_ok(raw_put(&cli, handle, 1));
	raw_none(&cli);
}
END_TEST

START_TEST(unwatch_unknown_handle)
{
	int r = raw_unwatch(&cli, 77);

	ck_assert_msg(r == -EBADF || r == -ENOENT, "%s", errname(r));
	assert_result(raw_unwatch(&cli, 0), -ENOENT);
}
END_TEST

START_TEST(watching_the_manager)
{
	struct raw *r[2] = { &cli, &oth };

	for (int i = 0; i < 2; i++)
		assert_ok(raw_watch(r[i], 0, COOKIE + i));
	assert_result(raw_watch(&cli, 0, 1), -EBUSY);
	raw_close(&srv);
	for (int i = 0; i < 2; i++) {
		expect_dead(r[i], COOKIE + i);
		raw_none(r[i]);
	}
	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, -ENOTCONN,
		  IPCBUS_STAGE_TARGET, 0);
}
END_TEST

START_TEST(watching_successive_managers)
{
	for (int i = 0; i < 3; i++) {
		assert_ok(raw_watch(&cli, 0, COOKIE + i));
		raw_round_trip(&cli, 0, &srv, "x", 1);
		raw_close(&srv);
		expect_dead(&cli, COOKIE + i);
		raw_open(&srv, REGION);
		assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
		raw_none(&cli);
	}
	assert_ok(raw_watch(&cli, 0, COOKIE));
	assert_ok(raw_unwatch(&cli, 0));
}
END_TEST

/* The next manager is used before the event for the first manager's death is taken. */
START_TEST(fired_watch_survives_a_new_manager)
{
	assert_ok(raw_watch(&cli, 0, COOKIE));
	raw_close(&srv);
	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	raw_oneway(&cli, 0, 1, "x", 1);
	expect_dead(&cli, COOKIE);
	raw_none(&cli);
}
END_TEST

START_TEST(watching_a_missing_manager)
{
	raw_open(&cli, REGION);
	assert_result(raw_watch(&cli, 0, COOKIE), -ENOTCONN);
	raw_none(&cli);
}
END_TEST

START_TEST(many_watchers_of_one_node)
{
	struct raw watchers[30];
	uint64_t node = raw_node(&oth, 0, 1);

	for (size_t i = 0; i < ARRAY_SIZE(watchers); i++) {
		raw_open(&watchers[i], 4096);
		assert_ok(raw_watch(&watchers[i], give_handle(&watchers[i], &oth, node), i + 1));
	}
	raw_close(&watchers[3]);
	raw_close(&oth);
	for (size_t i = 0; i < ARRAY_SIZE(watchers); i++) {
		if (i == 3)
			continue;
		expect_dead(&watchers[i], i + 1);
		raw_none(&watchers[i]);
		raw_close(&watchers[i]);
	}
}
END_TEST

START_TEST(many_nodes_of_one_owner)
{
	uint64_t seen = 0;
	struct ipcbus_event ev;

	for (uint64_t i = 0; i < 40; i++)
		assert_ok(raw_watch(&cli, give_handle(&cli, &oth, raw_node(&oth, 0, 1)), i));
	raw_close(&oth);
	for (int i = 0; i < 40; i++) {
		raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
		ck_assert_uint_lt(ev.cookie, 40);
		ck_assert_uint_eq(seen & 1ULL << ev.cookie, 0);
		seen |= 1ULL << ev.cookie;
	}
	raw_none(&cli);
}
END_TEST

/* Messages that the dead proc sent are delivered before the death event. */
START_TEST(death_comes_after_the_last_oneway)
{
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev;

	assert_ok(raw_watch(&srv, handle, COOKIE));
	raw_oneway(&oth, 0, 7, "last words", 10);
	raw_close(&oth);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&srv, &ev, "last words", 10);
	raw_release(&srv, &ev);
	expect_dead(&srv, COOKIE);
	raw_none(&srv);
}
END_TEST

START_TEST(watcher_that_dies_first)
{
	assert_ok(raw_watch(&cli, give_handle(&cli, &oth, raw_node(&oth, 0, 1)), COOKIE));
	assert_ok(raw_watch(&cli, 0, COOKIE));
	raw_close(&cli);
	raw_close(&oth);
	raw_close(&srv);
}
END_TEST

START_TEST(fired_watch_is_freed_with_its_proc)
{
	assert_ok(raw_watch(&cli, give_handle(&cli, &oth, raw_node(&oth, 0, 1)), COOKIE));
	raw_close(&oth);
	raw_close(&cli);
}
END_TEST

static void *wait_for_death(void *arg)
{
	struct ipcbus_event *ev = arg;

	raw_wait(&cli, IPCBUS_EVENT_DEAD, ev);
	return NULL;
}

START_TEST(death_wakes_a_serving_thread)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev;
	struct helper h;

	assert_ok(raw_watch(&cli, handle, COOKIE));
	helper_start(&h, wait_for_death, &ev);
	wait_asleep(h.tid);
	raw_close(&oth);
	helper_end(&h);
	ck_assert_uint_eq(ev.cookie, COOKIE);
}
END_TEST

/* A thread that waits for a reply gets no death events. They wait for a thread that serves. */
START_TEST(death_does_not_disturb_a_caller)
{
	uint32_t handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev;

	assert_ok(raw_watch(&cli, handle, COOKIE));
	raw_call(&cli, 0, 1, NULL, 0);
	raw_close(&oth);
	raw_none(&cli);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
	expect_dead(&cli, COOKIE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("death");
	TCase *tc = add_case(s, "calls", setup_bus);

	tcase_add_test(tc, server_closes_over_the_call);
	tcase_add_test(tc, caller_is_killed_while_the_server_works);
	tcase_add_test(tc, killed_process_with_everything_open);

	tc = add_case(s, "watches", setup_bus);
	tcase_add_test(tc, watch_fires_on_destroy);
	tcase_add_test(tc, watch_fires_on_kill);
	tcase_add_test(tc, watch_of_a_dead_node_fires_at_once);
	tcase_add_test(tc, second_watch_of_a_handle_fails);
	tcase_add_test(tc, unwatch_after_the_death);
	tcase_add_test(tc, putting_the_handle_ends_the_watch);
	tcase_add_test(tc, putting_the_handle_ends_a_fired_watch);
	tcase_add_test(tc, unwatch_unknown_handle);
	tcase_add_test(tc, watching_the_manager);
	tcase_add_test(tc, watching_successive_managers);
	tcase_add_test(tc, fired_watch_survives_a_new_manager);
	tcase_add_test(tc, many_watchers_of_one_node);
	tcase_add_test(tc, many_nodes_of_one_owner);
	tcase_add_test(tc, death_comes_after_the_last_oneway);
	tcase_add_test(tc, watcher_that_dies_first);
	tcase_add_test(tc, fired_watch_is_freed_with_its_proc);
	tcase_add_test(tc, death_wakes_a_serving_thread);
	tcase_add_test(tc, death_does_not_disturb_a_caller);

	tc = add_case(s, "alone", setup_bare);
	tcase_add_test(tc, server_is_killed_while_the_caller_waits);
	tcase_add_test(tc, watching_a_missing_manager);
	tcase_add_test(tc, server_dies_leaving_a_forked_child);
	tcase_add_test(tc, server_closes_and_dies_leaving_a_forked_child);
	return suite_main(s);
}
