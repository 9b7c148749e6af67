// SPDX-License-Identifier: MIT
/*
 * A message that waits long for a thread is counted.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* Reads a counter since the driver was loaded. */
static long total(const char *name)
{
	static char text[16384];
	char *at;
	long value;

	assert_ok(dev_debug("stats", text, sizeof(text)));
	at = strstr(text, name);
	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, "%*s %*s %ld", &value), 1);
	return value;
}

START_TEST(message_that_waits_long_is_counted)
{
	long before = total("starved");
	struct ipcbus_event ev;

	raw_call(&cli, 0, 4, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	ck_assert_int_eq(total("starved"), before);

	raw_call(&cli, 0, 5, NULL, 0);
	usleep(200000);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(total("starved"), before + 1);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* A oneway behind another of its node does not count as waiting for a thread. */
START_TEST(oneways_in_order_do_not_starve)
{
	long before = total("starved");
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 1, NULL, 0);
	raw_oneway(&cli, 0, 2, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	usleep(200000);
	raw_release(&srv, &ev);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	ck_assert_int_eq(total("starved"), before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("starved");
	TCase *tc = add_case(suite, "starved", setup_bus);

	tcase_add_test(tc, message_that_waits_long_is_counted);
	tcase_add_test(tc, oneways_in_order_do_not_starve);
	return suite_main(suite);
}
