// SPDX-License-Identifier: MIT
/*
 * Handle 0: which process may be the bus's manager, and for how long.
 *
 * With --claim UID, the program only tries to become the manager and prints the result, for
 * manager-uid.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void call_fails(const struct raw *r, int err)
{
	raw_fails(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, err, IPCBUS_STAGE_TARGET,
		  0);
	raw_fails(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY }, err, IPCBUS_STAGE_TARGET,
		  0);
}

START_TEST(no_manager)
{
	raw_open(&cli, REGION);
	call_fails(&cli, -ENOTCONN);
}
END_TEST

START_TEST(second_claim_is_busy)
{
	uint64_t node = raw_node(&cli, 0, 1);

	assert_result(raw_claim(&cli, node), -EBUSY);
	assert_result(raw_claim(&srv, srv_node), -EBUSY);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
	node = raw_node(&srv, 0, 2);
	assert_result(raw_claim(&srv, node), -EBUSY);
	assert_ok(raw_destroy(&srv, node, IPCBUS_NODE_IF_IDLE));
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(manager_calls_itself)
{
	call_fails(&srv, -EINVAL);
	raw_none(&srv);
}
END_TEST

START_TEST(destroying_the_node_makes_space)
{
	assert_ok(raw_destroy(&srv, srv_node, 0));
	call_fails(&cli, -ENOTCONN);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 8)));
	raw_round_trip(&cli, 0, &srv, "next", 4);
}
END_TEST

START_TEST(managing_refers_to_the_node)
{
	assert_result(raw_destroy(&srv, srv_node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	raw_none(&srv);
}
END_TEST

START_TEST(successive_managers)
{
	raw_open(&cli, REGION);
	for (int i = 0; i < 50; i++) {
		raw_open(&srv, 65536);
		assert_ok(raw_claim(&srv, raw_node(&srv, 0, i)));
		raw_round_trip(&cli, 0, &srv, "x", 1);
		raw_close(&srv);
		call_fails(&cli, -ENOTCONN);
	}
}
END_TEST

/* Calls to the old manager do not reach the new manager. */
START_TEST(queued_call_stays_with_the_old_manager)
{
	raw_call(&cli, 0, 1, "old", 3);
	raw_close(&srv);
	assert_ok(raw_claim(&oth, raw_node(&oth, 0, 9)));
	raw_none(&oth);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	raw_round_trip(&cli, 0, &oth, "new", 3);
}
END_TEST

/* Users */

struct attempt {
	uid_t uid;
	int want;
};

static int claim_as(struct peer *self, void *arg)
{
	const struct attempt *a = arg;
	struct raw r;

	(void)self;
	if (setresuid(a->uid, a->uid, a->uid) < 0)
		return 98;
	raw_open(&r, 65536);
	return raw_claim(&r, raw_node(&r, 0, 1)) != a->want;
}

/* The effective user at the time of the claim counts. */
static int claim_after_open_as(struct peer *self, void *arg)
{
	const struct attempt *a = arg;
	struct raw r;

	(void)self;
	raw_open(&r, 65536);
	if (setresuid(-1, a->uid, -1) < 0)
		return 98;
	return raw_claim(&r, raw_node(&r, 0, 1)) != a->want;
}

static void expect_claim(uid_t uid, int want, int (*how)(struct peer *, void *))
{
	struct attempt a = { uid, want };
	struct peer p;

	peer_start(&p, how, &a);
	peer_end(&p);
	expect_nothing_left();
}

START_TEST(other_users_may_not_claim)
{
	int mode;

	if (geteuid()) {
		case_skip("needs root");
		return;
	}
	mode = dev_set_mode(0666);
	ck_assert_int_ge(mode, 0);
	/* The same user may not claim before there was a manager. */
	expect_claim(1000, -EPERM, claim_as);
	expect_claim(0, 0, claim_as);
	expect_claim(1001, -EPERM, claim_as);
	expect_claim(1001, -EPERM, claim_after_open_as);
	expect_claim(0, 0, claim_after_open_as);
	dev_set_mode(mode);
}
END_TEST

#define NOBODY 4294967295U

START_TEST(administrator_names_the_user)
{
	int mode;

	if (geteuid()) {
		case_skip("needs root");
		return;
	}
	mode = dev_set_mode(0666);
	dev_set_param("manager_uid", 1000);
	expect_claim(1001, -EPERM, claim_as);
	expect_claim(1000, 0, claim_as);
	expect_claim(1001, -EPERM, claim_after_open_as);
	expect_claim(1000, 0, claim_after_open_as);
	expect_claim(0, 0, claim_as);
	/* The uid of the previous manager has no effect. */
	dev_set_param("manager_uid", 1001);
	expect_claim(1000, -EPERM, claim_as);
	expect_claim(1001, 0, claim_as);
	dev_set_param("manager_uid", NOBODY);
	expect_claim(1001, -EPERM, claim_as);
	dev_set_mode(mode);
}
END_TEST

/* A process without permission gets EPERM, whether or not there is a manager. */
START_TEST(strangers_get_only_EPERM)
{
	struct attempt a = { 1000, -EPERM };
	struct peer p;
	int mode;

	if (geteuid()) {
		case_skip("needs root");
		return;
	}
	mode = dev_set_mode(0666);
	peer_start(&p, claim_as, &a);
	peer_end(&p);
	dev_set_mode(mode);
}
END_TEST

/* Prints the errno's name, or "ok". */
static int claim_and_report(uid_t uid)
{
	struct ipcbus_node n = { 0 };
	struct raw r = { .fd = dev_open(O_RDWR) };
	int e = r.fd;

	if (e >= 0 && setresuid(uid, uid, uid) < 0)
		e = -errno;
	if (e >= 0)
		e = raw_node_ioctl(&r, IPCBUS_IOC_NODE_CREATE, &n);
	if (e >= 0)
		e = raw_claim(&r, n.node);
	puts(e ? errname(e) : "ok");
	return 0;
}

int main(int argc, char **argv)
{
	Suite *s = suite_create("manager");
	TCase *tc;

	if (argc == 3 && !strcmp(argv[1], "--claim"))
		return claim_and_report(atoi(argv[2]));

	tc = add_case(s, "one", setup_bus);
	tcase_add_test(tc, second_claim_is_busy);
	tcase_add_test(tc, manager_calls_itself);
	tcase_add_test(tc, destroying_the_node_makes_space);
	tcase_add_test(tc, managing_refers_to_the_node);
	tcase_add_test(tc, queued_call_stays_with_the_old_manager);
	tcase_add_test(tc, strangers_get_only_EPERM);

	tc = add_case(s, "none", setup_bare);
	tcase_add_test(tc, no_manager);
	tcase_add_test(tc, successive_managers);
	tcase_add_test(tc, other_users_may_not_claim);
	tcase_add_test(tc, administrator_names_the_user);
	return suite_main(s);
}
