// SPDX-License-Identifier: MIT
/*
 * Who floods a receiver gets an error, once, and monitors with it; work that waits
 * long for a thread is reported.
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

/* Oneways may take half of a region: these fill four fifths of that, and one more. */
#define PIECE_SIZE 8192
#define PIECES ((int)(REGION / 2 / PIECE_SIZE * 4 / 5 + 1))

static struct raw mon = { .fd = -1 };

static void setup_reports(void)
{
	setup_bus();
	raw_open(&mon, REGION);
	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_REPORTS, 0, 0));
}

static void teardown_reports(void)
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

/* must: sent; was it too many? */
static bool send_piece(const struct raw *from, size_t size)
{
	static char data[PIECE_SIZE];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data), .data_size = size,
	};
	struct ipcbus_event ev;

	assert_ok(raw_send(from, &send, &ev));
	ck_assert_uint_eq(ev.flags & ~IPCBUS_EVENT_SPAM, 0);
	return ev.flags;
}

static void drain(void)
{
	struct ipcbus_event ev;

	while (!raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev) && ev.kind)
		raw_release(&srv, &ev);
}

/* Fills the space but for less than a fifth; which piece was too many, or -1. */
static int flood(void)
{
	int notified = -1;

	for (int i = 0; i < PIECES; i++)
		if (send_piece(&cli, PIECE_SIZE)) {
			ck_assert_int_eq(notified, -1);
			notified = i;
		}
	return notified;
}

static const struct ipcbus_monitor_record *take(uint32_t kind, struct ipcbus_event *ev)
{
	const struct ipcbus_monitor_record *record;

	raw_take(&mon, IPCBUS_EVENT_RECORD, ev);
	record = (const void *)(mon.map + ev->offset);
	ck_assert_uint_eq(record->kind, kind);
	return record;
}

START_TEST(notified_once)
{
	long before = total("spam");
	const struct ipcbus_monitor_record *record;
	struct ipcbus_event ev;

	ck_assert_int_eq(flood(), PIECES - 1);
	ck_assert_int_eq(total("spam"), before + 1);
	record = take(IPCBUS_RECORD_SPAM, &ev);
	ck_assert_uint_eq(record->from_pid, getpid());
	ck_assert_uint_eq(record->from_tid, syscall(SYS_gettid));
	ck_assert_uint_eq(record->from_uid, geteuid());
	ck_assert_uint_eq(record->to_pid, getpid());
	ck_assert_uint_eq(record->node, srv_node);
	ck_assert_uint_gt(record->value, 1);
	raw_release(&mon, &ev);
	ck_assert(!send_piece(&cli, PIECE_SIZE));
	raw_none(&mon);
	drain();
	ck_assert(!send_piece(&cli, PIECE_SIZE));
	drain();
}
END_TEST

START_TEST(notified_again_after_there_was_space)
{
	long before = total("spam");

	ck_assert_int_eq(flood(), PIECES - 1);
	drain();
	ck_assert_int_eq(flood(), PIECES - 1);
	ck_assert_int_eq(total("spam"), before + 2);
	drain();
}
END_TEST

/* Whoever has little of it is not notified, though the space is nearly gone. */
START_TEST(the_right_one)
{
	for (int i = 0; i < PIECES - 1; i++)
		ck_assert(!send_piece(&cli, PIECE_SIZE));
	ck_assert(!send_piece(&oth, PIECE_SIZE));
	ck_assert(!send_piece(&oth, 1));
	/* Not looked at each time. */
	ck_assert(send_piece(&cli, 1) || send_piece(&cli, 1) || send_piece(&cli, 1) ||
		  send_piece(&cli, 1) || send_piece(&cli, 1) || send_piece(&cli, 1) ||
		  send_piece(&cli, 1) || send_piece(&cli, 1));
	drain();
}
END_TEST

/* Small ones, which fill no space, but their number does. */
START_TEST(many_small_ones)
{
	struct raw big;
	uint64_t node;
	uint32_t handle;
	int notified = 0, sent = 0;
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY };
	struct ipcbus_event ev;

	raw_open(&big, 16 * REGION);
	node = raw_node(&big, 0, 1);
	handle = give_handle(&cli, &big, node);
	send.handle = handle;
	for (; sent < 7000; sent++) {
		assert_ok(raw_send(&cli, &send, &ev));
		notified += !!ev.flags;
	}
	ck_assert_int_eq(notified, 1);
	raw_close(&big);
	assert_ok(raw_put(&cli, handle, 1));
}
END_TEST

START_TEST(batch)
{
	static char data[PIECE_SIZE];
	struct ipcbus_send sends[PIECES + 2];
	struct ipcbus_batch result;

	for (int i = 0; i < PIECES + 2; i++)
		sends[i] = (struct ipcbus_send){
			.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data), .data_size = PIECE_SIZE,
		};
	assert_ok(raw_batch(&cli, sends, PIECES - 1, &result));
	ck_assert_uint_eq(result.flags, 0);
	assert_ok(raw_batch(&cli, sends, 3, &result));
	ck_assert_uint_eq(result.done, 3);
	ck_assert_uint_eq(result.flags, IPCBUS_EVENT_SPAM);
	drain();
}
END_TEST

/* The flag does not get lost when the same exchange brings an event. */
START_TEST(with_an_event)
{
	static char data[PIECE_SIZE];
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
		.send = {
			.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data), .data_size = PIECE_SIZE,
		},
	};
	struct ipcbus_event ev;
	uint32_t handle = give_handle(&srv, &cli, raw_node(&cli, 0, 5));

	for (int i = 0; i < PIECES - 1; i++)
		ck_assert(!send_piece(&cli, PIECE_SIZE));
	raw_call(&srv, handle, 1, NULL, 0);
	assert_ok(raw_exchange(&cli, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(x.event.flags, IPCBUS_EVENT_SPAM);
	raw_reply(&cli, x.event.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	assert_ok(raw_put(&srv, handle, 1));
	drain();
}
END_TEST

START_TEST(starved)
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
	Suite *suite = suite_create("report");
	TCase *tc = add_case(suite, "report", setup_reports);

	tcase_add_checked_fixture(tc, NULL, teardown_reports);
	tcase_add_test(tc, notified_once);
	tcase_add_test(tc, notified_again_after_there_was_space);
	tcase_add_test(tc, the_right_one);
	tcase_add_test(tc, many_small_ones);
	tcase_add_test(tc, batch);
	tcase_add_test(tc, with_an_event);
	tcase_add_test(tc, starved);
	tcase_add_test(tc, oneways_in_order_do_not_starve);
	tcase_add_test(tc, sender_is_gone);
	return suite_main(suite);
}
