// SPDX-License-Identifier: MIT
/*
 * A message that waits long for a thread is counted and recorded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "ipcbus-monitor.h"

static struct raw mon = { .fd = -1 };

static void setup_starved(void)
{
	setup_bus();
	raw_open(&mon, REGION);
	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_DELAYS, 0, 0));
}

static void teardown_starved(void)
{
	raw_close(&mon);
}

/* How often this ever happened. */
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

static const struct ipcbus_monitor_record *take(uint32_t kind, struct ipcbus_event *ev)
{
	const struct ipcbus_monitor_record *record;

	raw_take(&mon, IPCBUS_EVENT_RECORD, ev);
	record = (const void *)(mon.map + ev->offset);
	ck_assert_uint_eq(record->kind, kind);
	return record;
}

START_TEST(message_that_waits_long_is_recorded)
{
	long before = total("starved");
	const struct ipcbus_monitor_record *record;
	struct ipcbus_event ev, came;

	raw_call(&cli, 0, 4, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_none(&mon);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);

	raw_call(&cli, 0, 5, NULL, 0);
	usleep(200000);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(total("starved"), before + 1);
	record = take(IPCBUS_RECORD_STARVED, &came);
	ck_assert_uint_ne(record->id, 0);
	ck_assert_uint_eq(record->code, 5);
	ck_assert_uint_eq(record->node, srv_node);
	ck_assert_uint_ge(record->value, 190);
	ck_assert_uint_eq(record->from_pid, getpid());
	ck_assert_uint_eq(record->to_tid, syscall(SYS_gettid));
	raw_release(&mon, &came);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* A oneway that waits for the one before it waits for no thread. */
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
	raw_none(&mon);
}
END_TEST

static int send_one(struct peer *self, void *arg)
{
	struct raw r;

	(void)self, (void)arg;
	raw_open(&r, 4096);
	raw_oneway(&r, 0, 1, NULL, 0);
	raw_close(&r);
	return 0;
}

static int do_nothing(struct peer *self, void *arg)
{
	(void)arg;
	peer_hear(self);
	return 0;
}

/* Makes the number the next one to be given, where root may. */
static bool next_pid(pid_t pid)
{
	FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");

	if (!file)
		return false;
	fprintf(file, "%d", pid - 1);
	return !fclose(file);
}

/* A oneway may be there longer than who sent it, whose number then is another's. */
START_TEST(sender_is_gone)
{
	const struct ipcbus_monitor_record *record;
	struct ipcbus_event ev;
	struct peer sender, other;
	bool same;

	peer_start(&sender, send_one, NULL);
	peer_end(&sender);
	same = next_pid(sender.pid);
	peer_start(&other, do_nothing, NULL);
	usleep(200000);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	record = take(IPCBUS_RECORD_STARVED, &ev);
	ck_assert_uint_eq(record->from_pid, 0);
	ck_assert_uint_eq(record->from_tid, 0);
	raw_release(&mon, &ev);
	peer_notify(&other, 1);
	peer_end(&other);
	if (same && other.pid != sender.pid)
		fprintf(stderr, "the number was not given again: %d\n", other.pid);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("starved");
	TCase *tc = add_case(suite, "starved", setup_starved);

	tcase_add_checked_fixture(tc, NULL, teardown_starved);
	tcase_add_test(tc, message_that_waits_long_is_recorded);
	tcase_add_test(tc, oneways_in_order_do_not_starve);
	tcase_add_test(tc, sender_is_gone);
	return suite_main(suite);
}
