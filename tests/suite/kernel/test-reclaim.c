// SPDX-License-Identifier: MIT
/*
 * Memory pressure: pages without messages return to the kernel, held messages keep their
 * content, and concurrent traffic is not disturbed.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define PAGE 4096
#define PAGES (REGION / PAGE)
#define LARGE (200 * 1024)
#define SMALL_REGION (16 * PAGE)

static uint8_t data[REGION];

static void reclaim(void)
{
	assert_ok(dev_reclaim());
}

/* A call that is replied to; its buffer stays in srv's region. */
static void hold(uint32_t seed, size_t size, struct ipcbus_event *ev)
{
	struct ipcbus_event reply;

	pattern_fill(data, size, seed);
	raw_call(&cli, 0, seed, data, size);
	raw_take(&srv, IPCBUS_EVENT_CALL, ev);
	raw_reply(&srv, ev->call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &reply);
	raw_release(&cli, &reply);
}

static void still_holds(const struct ipcbus_event *ev)
{
	ck_assert(pattern_is(raw_payload(&srv, ev), ev->data_size, ev->code));
}

/* Returns whether the page at @offset can be read, without raising a signal. */
static bool readable(const struct raw *r, size_t offset)
{
	struct peep p;
	uint8_t byte;
	bool is;

	peep_open(&p, r);
	is = peep(&p, offset, &byte, 1);
	peep_close(&p);
	return is;
}

START_TEST(idle_regions_are_reclaimed_completely)
{
	struct ipcbus_event ev;

	raw_round_trip(&cli, 0, &srv, "small", 5);
	hold(1, LARGE, &ev);
	still_holds(&ev);
	raw_release(&srv, &ev);
	ck_assert_int_ge(live("pages"), LARGE / PAGE);
	reclaim();
	ck_assert_int_eq(live("pages"), 0);
	/* A second reclaim finds no page. */
	reclaim();
	ck_assert_int_eq(live("pages"), 0);
}
END_TEST

START_TEST(used_as_before_afterwards)
{
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < 20; i++) {
		hold(i, 1 + i * 7919 % LARGE, &ev);
		still_holds(&ev);
		if (i % 3 == 0)
			reclaim();
		still_holds(&ev);
		raw_release(&srv, &ev);
		if (i % 4 == 0)
			reclaim();
	}
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* Returns the number of pages of srv's region that the messages occupy. */
static long pages_under(const struct ipcbus_event *events, size_t n)
{
	bool under[PAGES] = { false };
	long count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t at = events[i].offset / PAGE;
		     at <= (events[i].offset + events[i].data_size - 1) / PAGE; at++)
			under[at] = true;
	for (size_t i = 0; i < PAGES; i++)
		count += under[i];
	return count;
}

/* Sizes that share pages with their neighbors. */
static size_t some_size(uint32_t i)
{
	static const size_t sizes[] = { 64, 1000, 4096, 5000, 20000, 1, 65536, 4000 };

	return sizes[i % ARRAY_SIZE(sizes)];
}

START_TEST(messages_in_use_stay)
{
	struct ipcbus_event held[48];
	size_t n = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(held); i++)
		hold(i, some_size(i), &held[i]);
	/* Releases every other message, in a scattered order. */
	for (uint32_t i = 0; i < ARRAY_SIZE(held); i++) {
		uint32_t which = i * 7 % ARRAY_SIZE(held);

		if (which % 2)
			raw_release(&srv, &held[which]);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(held); i += 2)
		held[n++] = held[i];
	reclaim();
	for (size_t i = 0; i < n; i++)
		still_holds(&held[i]);
	ck_assert_int_eq(live("pages"), pages_under(held, n));
	for (size_t i = 0; i < n; i++)
		raw_release(&srv, &held[i]);
	reclaim();
	ck_assert_int_eq(live("pages"), 0);
}
END_TEST

START_TEST(messages_on_their_way_stay)
{
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < 16; i++) {
		pattern_fill(data, some_size(i), i);
		raw_oneway(&cli, 0, i, data, some_size(i));
	}
	reclaim();
	for (uint32_t i = 0; i < 16; i++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.code, i);
		still_holds(&ev);
		raw_release(&srv, &ev);
		reclaim();
	}
	ck_assert_int_eq(live("pages"), 0);
}
END_TEST

/* The receiver has the page mapped: it must no longer read the old page. */
START_TEST(reclaimed_page_is_unmapped)
{
	struct ipcbus_event first, second;

	hold(1, 8 * PAGE, &first);
	still_holds(&first);
	raw_release(&srv, &first);
	ck_assert(readable(&srv, first.offset));
	reclaim();
	ck_assert(!readable(&srv, first.offset));

	hold(2, 8 * PAGE, &second);
	ck_assert_uint_eq(second.offset, first.offset);
	still_holds(&second);
	raw_release(&srv, &second);
}
END_TEST

/* A page that returns contains only zeroes and the message. */
START_TEST(new_pages_are_empty)
{
	struct ipcbus_event ev;
	const uint8_t *at;

	hold(1, PAGE, &ev);
	raw_release(&srv, &ev);
	reclaim();
	hold(2, 100, &ev);
	at = raw_payload(&srv, &ev);
	for (size_t i = 100; (ev.offset + i) % PAGE; i++)
		ck_assert_uint_eq(at[i], 0);
	raw_release(&srv, &ev);
}
END_TEST

/*
 * Pages move from region to region by way of the kernel, but their content does not: each
 * receiver sees only zeroes and its own messages.
 */
static void only_own(const struct raw *r, uint8_t own)
{
	uint8_t page[PAGE];
	struct peep p;

	peep_open(&p, r);
	for (size_t at = 0; at < REGION; at += PAGE) {
		if (!peep(&p, at, page, PAGE))
			continue;
		/* Not an assertion per byte: each is a message to Check's parent. */
		for (size_t i = 0; i < PAGE; i++)
			if (page[i] && page[i] != own)
				ck_abort_msg("byte %zu is %#x", at + i, page[i]);
	}
	peep_close(&p);
}

START_TEST(pages_that_change_hands)
{
	const struct raw *to[] = { &cli, &oth };
	uint32_t random = 1;

	for (int i = 0; i < 60; i++) {
		const struct raw *r = to[i % 2];
		uint8_t own = i % 2 ? 0x22 : 0x11;
		size_t size = 1 + next_random(&random) % LARGE;
		struct ipcbus_event ev;

		raw_call(r, 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		memset(data, own, size);
		raw_reply(&srv, ev.call, data, size);
		raw_take(r, IPCBUS_EVENT_REPLY, &ev);
		raw_holds(r, &ev, data, size);
		only_own(r, own);
		raw_release(r, &ev);
		if (i % 3 == 0)
			reclaim();
	}
}
END_TEST

/* The debugfs file shows the same number. */
START_TEST(pages_file_agrees)
{
	static char text[64 * 1024];
	struct ipcbus_event ev;
	long lines = 0;

	hold(1, LARGE, &ev);
	raw_round_trip(&cli, 0, &srv, data, LARGE);
	reclaim();
	assert_ok(dev_debug("pages", text, sizeof(text)));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_int_eq(lines, live("pages"));
	ck_assert_int_eq(lines, pages_under(&ev, 1));
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(dead_owner_with_messages_on_their_way)
{
	struct ipcbus_event ev;

	hold(1, LARGE, &ev);
	raw_oneway(&cli, 0, 1, data, LARGE);
	raw_close(&srv);
	reclaim();
	raw_close(&cli);
	reclaim();
	ck_assert_int_eq(live("pages"), 0);
}
END_TEST

/* --- During traffic --------------------------------------------------------------- */

static bool stop;

static void *reclaim_for_ever(void *unused)
{
	int e = 0;

	(void)unused;
	while (!e && !__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		e = dev_reclaim();
	return e ? (void *)1 : NULL;
}

/* Faults in pages all the time, whether or not they are mapped. */
static void *read_for_ever(void *arg)
{
	struct peep p;
	uint8_t byte;

	peep_open(&p, arg);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		for (size_t at = 0; at < REGION; at += PAGE)
			peep(&p, at, &byte, 1);
	peep_close(&p);
	return NULL;
}

static int serve_peer(struct peer *self, void *arg)
{
	struct helper reader;
	struct raw me;
	uint64_t node;

	(void)arg;
	raw_open(&me, REGION);
	node = raw_node(&me, 0, 1);
	assert_ok(raw_claim(&me, node));
	helper_start(&reader, read_for_ever, &me);
	peer_notify(self, 0);
	serve_echo(&me);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	helper_end(&reader);
	raw_close(&me);
	return 0;
}

/* For @ms milliseconds, and for at least a few round trips. */
static void talk(const struct raw *me, uint32_t seed, unsigned int ms)
{
	uint8_t *mine = malloc(LARGE);
	uint64_t end = now_ms() + ms;
	struct ipcbus_event ev;

	ck_assert_ptr_nonnull(mine);
	for (unsigned int n = 0; n <= 10 || now_ms() < end; n++) {
		uint32_t code = next_random(&seed) >> 1;
		size_t size = 1 + next_random(&seed) % (n % 2 ? 3 * PAGE : LARGE);

		pattern_fill(mine, size, code);
		raw_call_wait(me, 0, code, mine, size, &ev);
		ck_assert_int_eq(ev.kind, IPCBUS_EVENT_REPLY);
		ck_assert_uint_eq(ev.data_size, size);
		ck_assert(pattern_is(raw_payload(me, &ev), size, code));
		raw_release(me, &ev);
	}
	free(mine);
}

/* The server copies each request. Both its region and the client's lose pages. */
START_TEST(traffic_under_pressure)
{
	struct helper reclaimer, reader;
	struct ipcbus_event ev;
	struct peer server;

	peer_start(&server, serve_peer, NULL);
	peer_hear(&server);
	raw_open(&cli, REGION);
	helper_start(&reclaimer, reclaim_for_ever, NULL);
	helper_start(&reader, read_for_ever, &cli);
	talk(&cli, 12345, from_environment("SECONDS_EACH", 2) * 1000);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ck_assert_ptr_null(helper_end(&reclaimer));
	helper_end(&reader);
	raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	peer_end(&server);
}
END_TEST

/* Messages as large as the region: there is space, or there will be in a moment. */
START_TEST(reclaim_is_not_lack_of_space)
{
	struct helper reclaimer;
	struct ipcbus_event ev;

	raw_open(&srv, SMALL_REGION);
	raw_open(&cli, SMALL_REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	helper_start(&reclaimer, reclaim_for_ever, NULL);
	for (uint32_t i = 0; i < 300; i++) {
		hold(i, SMALL_REGION, &ev);
		still_holds(&ev);
		raw_release(&srv, &ev);
		sched_yield();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ck_assert_ptr_null(helper_end(&reclaimer));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reclaim");
	TCase *tc;

	if (geteuid()) {
		fprintf(stderr, "not root, no tests run\n");
		return 77;
	}
	tc = add_case(s, "alone", setup_bus);
	tcase_add_test(tc, idle_regions_are_reclaimed_completely);
	tcase_add_test(tc, used_as_before_afterwards);
	tcase_add_test(tc, messages_in_use_stay);
	tcase_add_test(tc, messages_on_their_way_stay);
	tcase_add_test(tc, reclaimed_page_is_unmapped);
	tcase_add_test(tc, new_pages_are_empty);
	tcase_add_test(tc, pages_that_change_hands);
	tcase_add_test(tc, pages_file_agrees);
	tcase_add_test(tc, dead_owner_with_messages_on_their_way);

	tc = add_case(s, "at the same time", setup_bare);
	tcase_add_test(tc, reclaim_is_not_lack_of_space);
	tcase_add_test(tc, traffic_under_pressure);
	return suite_main(s);
}
