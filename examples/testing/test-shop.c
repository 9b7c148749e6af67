// SPDX-License-Identifier: MIT
/*
 * Tests of shop.c with Check. Each test has a private bus, on which it plays the warehouse.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/test.h>

#include "shop.h"
#include "shop.ipc.h"

static struct ipc_test_bus *bus;
static struct ipc *warehouse;
static struct ipc *ipc;
static struct ipc_call *kept;
static pthread_t thread;

/* There are 12 screws and no nails. A request for glue never gets a reply. */
static int count(struct ipc_call *call, const Shop__CountRequest *request, void *userdata)
{
	Shop__CountReply reply = SHOP__COUNT_REPLY__INIT;

	(void)userdata;
	if (strcmp(request->article, "glue") == 0) {
		kept = ipc_call_ref(call);
		/* Advances the clock of the bus by two seconds without waiting. */
		return ipc_test_bus_advance(bus, 2000000);
	}
	if (strcmp(request->article, "screws") == 0)
		reply.pieces = 12;
	else if (strcmp(request->article, "nails") != 0)
		return ipc_call_fail(call, 0, "shop.Unknown", "not in the list");
	return shop_stock_reply_count(call, &reply);
}

static const struct shop_stock_ops ops = { .count = count };

static void *serve(void *unused)
{
	ipc_run(warehouse);
	return unused;
}

static void set_up(void)
{
	struct ipc_test_options options = {
		.size = sizeof(options),
		.flags = IPC_TEST_MANUAL_CLOCK,
	};

	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), 0);
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_open(&warehouse, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(shop_stock_register(warehouse, "demo.stock", &ops, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void close_warehouse(void)
{
	if (!warehouse)
		return;
	ipc_stop(warehouse);
	pthread_join(thread, NULL);
	kept = ipc_call_unref(kept);
	warehouse = ipc_unref(warehouse);
}

static void tear_down(void)
{
	close_warehouse();
	ipc = ipc_unref(ipc);
	bus = ipc_test_bus_free(bus);
}

START_TEST(says_what_there_is)
{
	ck_assert_str_eq(shop_say(ipc, "screws"), "in stock");
	ck_assert_str_eq(shop_say(ipc, "nails"), "sold out");
}
END_TEST

START_TEST(knows_the_error)
{
	ck_assert_str_eq(shop_say(ipc, "elephants"), "we do not sell that");
}
END_TEST

START_TEST(does_not_wait_for_ever)
{
	ck_assert_str_eq(shop_say(ipc, "glue"), "please ask again later");
}
END_TEST

START_TEST(lives_on_without_the_warehouse)
{
	close_warehouse();
	ck_assert_str_eq(shop_say(ipc, "screws"), "the shop is closed");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shop");
	TCase *tcase = tcase_create("with a bus");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, says_what_there_is);
	tcase_add_test(tcase, knows_the_error);
	tcase_add_test(tcase, does_not_wait_for_ever);
	tcase_add_test(tcase, lives_on_without_the_warehouse);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
