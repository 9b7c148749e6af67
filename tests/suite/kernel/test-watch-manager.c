// SPDX-License-Identifier: MIT
/*
 * Watches for new managers: IPCBUS_WATCH_MANAGER.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "fixture.h"

#define COOKIE 0xa441f00dULL

static int watch_manager_watch(const struct raw *r, uint64_t cookie)
{
	return raw_watch_for(r, 0, IPCBUS_WATCH_MANAGER, cookie);
}

static int unwatch_manager_watch(const struct raw *r)
{
	return raw_unwatch_for(r, 0, IPCBUS_WATCH_MANAGER);
}

static void expect_manager(const struct raw *r)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_MANAGER, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	raw_none(r);
}

static void claim_anew(const struct raw *r)
{
	assert_ok(raw_claim(r, raw_node(r, 0, SRV_COOKIE)));
}

START_TEST(notified_of_each_manager)
{
	raw_open(&cli, REGION);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	raw_none(&cli);
	for (int i = 0; i < 5; i++) {
		raw_open(&srv, 65536);
		raw_none(&cli);
		claim_anew(&srv);
		expect_manager(&cli);
		raw_round_trip(&cli, 0, &srv, "x", 1);
		raw_close(&srv);
		raw_none(&cli);
	}
}
END_TEST

START_TEST(several_managers_are_one_event)
{
	raw_open(&cli, REGION);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	for (int i = 0; i < 3; i++) {
		raw_open(&srv, 65536);
		claim_anew(&srv);
		raw_close(&srv);
	}
	expect_manager(&cli);
	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, -ENOTCONN,
		  IPCBUS_STAGE_TARGET, 0);
}
END_TEST

START_TEST(new_node_of_the_old_manager_counts_as_new)
{
	assert_ok(watch_manager_watch(&cli, COOKIE));
	expect_manager(&cli);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	raw_none(&cli);
	claim_anew(&srv);
	expect_manager(&cli);
}
END_TEST

START_TEST(refused_claim_does_not_notify)
{
	uint64_t node = raw_node(&oth, 0, 1);

	assert_ok(watch_manager_watch(&cli, COOKIE));
	expect_manager(&cli);
	assert_result(raw_claim(&oth, node), -EBUSY);
	raw_none(&cli);
}
END_TEST

START_TEST(the_manager_is_notified_of_itself)
{
	raw_open(&srv, REGION);
	assert_ok(watch_manager_watch(&srv, COOKIE));
	claim_anew(&srv);
	expect_manager(&srv);
}
END_TEST

START_TEST(one_watch_per_proc)
{
	assert_ok(watch_manager_watch(&cli, COOKIE));
	assert_result(watch_manager_watch(&cli, COOKIE + 1), -EBUSY);
	expect_manager(&cli);
	assert_result(watch_manager_watch(&cli, COOKIE + 1), -EBUSY);
	assert_ok(watch_manager_watch(&oth, COOKIE));
	expect_manager(&oth);
	assert_ok(unwatch_manager_watch(&cli));
	assert_result(unwatch_manager_watch(&cli), -ENOENT);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	expect_manager(&cli);
}
END_TEST

START_TEST(ended_before_it_was_taken)
{
	assert_ok(watch_manager_watch(&cli, COOKIE));
	assert_ok(unwatch_manager_watch(&cli));
	raw_none(&cli);
	raw_close(&srv);
	raw_open(&srv, REGION);
	claim_anew(&srv);
	raw_none(&cli);
}
END_TEST

/* This watch and the death watch of handle 0 are independent. */
START_TEST(beside_the_death_watch)
{
	struct ipcbus_event ev;

	assert_ok(raw_watch(&cli, 0, 1));
	assert_ok(watch_manager_watch(&cli, COOKIE));
	expect_manager(&cli);
	raw_close(&srv);
	raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, 1);
	raw_open(&srv, REGION);
	claim_anew(&srv);
	expect_manager(&cli);
	assert_ok(raw_watch(&cli, 0, 2));
	assert_ok(unwatch_manager_watch(&cli));
	assert_ok(raw_unwatch(&cli, 0));
	assert_result(raw_unwatch(&cli, 0), -ENOENT);
}
END_TEST

START_TEST(not_for_a_thread_in_a_call)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	raw_none(&cli);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	expect_manager(&cli);
}
END_TEST

START_TEST(poll_notifies)
{
	raw_open(&cli, 0);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	ck_assert_int_eq(dev_poll(cli.fd, 0) & POLLIN, 0);
	raw_open(&srv, REGION);
	claim_anew(&srv);
	ck_assert_int_eq(dev_poll(cli.fd, 0) & POLLIN, POLLIN);
	expect_manager(&cli);
	ck_assert_int_eq(dev_poll(cli.fd, 0) & POLLIN, 0);
}
END_TEST

START_TEST(closed_with_the_event_untaken)
{
	assert_ok(watch_manager_watch(&cli, COOKIE));
	raw_close(&cli);
	assert_ok(watch_manager_watch(&oth, COOKIE));
	raw_close(&srv);
	raw_close(&oth);
}
END_TEST

static void *wait_for_manager(void *arg)
{
	struct ipcbus_event *ev = arg;

	raw_wait(&cli, IPCBUS_EVENT_MANAGER, ev);
	return NULL;
}

START_TEST(wakes_waiting_threads)
{
	struct ipcbus_event ev;
	struct helper h;

	raw_open(&cli, REGION);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	helper_start(&h, wait_for_manager, &ev);
	wait_asleep(h.tid);
	raw_open(&srv, REGION);
	claim_anew(&srv);
	helper_end(&h);
	ck_assert_uint_eq(ev.cookie, COOKIE);
}
END_TEST

static int be_manager(struct peer *self, void *arg)
{
	(void)arg;
	raw_open(&srv, 65536);
	claim_anew(&srv);
	peer_notify(self, 1);
	serve_echo(&srv);
	return 1;
}

/* As the owner of a name survives restarts of the manager. */
START_TEST(managers_are_killed_and_come_again)
{
	struct ipcbus_event ev;
	struct peer p;

	raw_open(&cli, REGION);
	assert_ok(watch_manager_watch(&cli, COOKIE));
	for (int i = 0; i < 5; i++) {
		peer_start(&p, be_manager, NULL);
		peer_hear(&p);
		raw_wait(&cli, IPCBUS_EVENT_MANAGER, &ev);
		raw_call_wait(&cli, 0, 1, "register", 8, &ev);
		raw_holds(&cli, &ev, "register", 8);
		ck_assert_uint_eq(ev.pid, p.pid);
		raw_release(&cli, &ev);
		peer_kill(&p);
	}
	raw_none(&cli);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("manager watch");
	TCase *tc = add_case(s, "watch", setup_bus);

	tcase_add_test(tc, new_node_of_the_old_manager_counts_as_new);
	tcase_add_test(tc, refused_claim_does_not_notify);
	tcase_add_test(tc, one_watch_per_proc);
	tcase_add_test(tc, ended_before_it_was_taken);
	tcase_add_test(tc, beside_the_death_watch);
	tcase_add_test(tc, not_for_a_thread_in_a_call);
	tcase_add_test(tc, closed_with_the_event_untaken);

	tc = add_case(s, "managers", setup_bare);
	tcase_add_test(tc, notified_of_each_manager);
	tcase_add_test(tc, several_managers_are_one_event);
	tcase_add_test(tc, the_manager_is_notified_of_itself);
	tcase_add_test(tc, poll_notifies);
	tcase_add_test(tc, wakes_waiting_threads);
	tcase_add_test(tc, managers_are_killed_and_come_again);
	return suite_main(s);
}
