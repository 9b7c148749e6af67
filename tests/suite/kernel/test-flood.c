// SPDX-License-Identifier: MIT
/*
 * If a user has many messages in the queue of another user's proc, each message of other users
 * waits for at most one of them. The flood keeps its own order. A single thread opens the device
 * under several user ids and sends more than the receiver takes.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "scheduling.h"
#include "users.h"

/* The number of messages that makes a flood: IPCBUS_FLOOD of the driver. */
#define FLOOD 16

/* A message's code: its sender plus its number. */
#define CLI 1000U
#define OTH 2000U

static struct raw root;

static void setup_flood(void)
{
	setup_users();
	open_as(&root, 0);
}

static void teardown_flood(void)
{
	raw_close(&root);
	teardown_users();
}

/* An async call. An empty call has no buffer. */
static void send_call_to(const struct raw *r, uint32_t handle, uint32_t code, bool empty)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = handle,
		.code = code, .cookie = code,
	};

	if (!empty) {
		send.data = PTR64(&code);
		send.data_size = sizeof(code);
	}
	assert_ok(raw_send(r, &send, NULL));
}

static void send_call(const struct raw *r, uint32_t code, bool empty)
{
	send_call_to(r, 0, code, empty);
}

static void send_calls(const struct raw *r, uint32_t code, unsigned int n, bool empty)
{
	for (unsigned int i = 0; i < n; i++)
		send_call(r, code + i, empty);
}

static uint32_t serve_one(void)
{
	struct ipcbus_event ev;

	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
	return ev.code;
}

static void expect(uint32_t code)
{
	ck_assert_uint_eq(serve_one(), code);
}

static void expect_all(uint32_t code, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		expect(code + i);
}

/* Serves all in each user's order. Returns the number of messages before the last of oth's. */
static unsigned int serve_all(unsigned int of_cli, unsigned int of_oth)
{
	uint32_t cli_next = CLI, oth_next = OTH;
	unsigned int before = 0;

	for (unsigned int i = 0; i < of_cli + of_oth; i++) {
		uint32_t code = serve_one();

		if (code >= OTH) {
			ck_assert_uint_eq(code, oth_next++);
			before = i;
		} else {
			ck_assert_uint_eq(code, cli_next++);
		}
	}
	raw_none(&srv);
	return before;
}

START_TEST(flood_gets_every_second_turn)
{
	send_calls(&cli, CLI, 300, _i);
	send_calls(&oth, OTH, 10, _i);
	ck_assert_uint_le(serve_all(300, 10), FLOOD + 2 * 10);
}
END_TEST

/* Messages sent before the flood began are delivered first. */
START_TEST(earlier_messages_go_first)
{
	send_calls(&cli, CLI, FLOOD, _i);
	send_calls(&oth, OTH, 10, _i);
	send_calls(&cli, CLI + FLOOD, 100, _i);
	ck_assert_uint_eq(serve_all(FLOOD + 100, 10), FLOOD + 9);
}
END_TEST

/* If other users keep the queue from becoming empty, the flood is not starved. */
START_TEST(flood_is_not_starved)
{
	unsigned int of_cli = 0;

	send_calls(&cli, CLI, 200, _i);
	send_calls(&oth, OTH, 5, _i);
	expect_all(CLI, FLOOD);
	for (unsigned int i = 0; i < 100; i++) {
		if (serve_one() < OTH)
			of_cli++;
		else
			send_call(&oth, OTH + 5 + i, _i);
	}
	ck_assert_uint_ge(of_cli, 50);
	ck_assert_uint_le(of_cli, 52);
}
END_TEST

START_TEST(second_flood_adds_no_delay)
{
	struct raw third;
	unsigned int before;

	open_as(&third, 1002);
	send_calls(&cli, CLI, 100, _i);
	send_calls(&third, CLI + 100, 100, _i);
	send_calls(&oth, OTH, 10, _i);
	for (before = 0; serve_one() < OTH + 9; before++)
		;
	ck_assert_uint_le(before, 3 * FLOOD + 2 * 10);
	raw_close(&third);
}
END_TEST

/* A flood lasts until none of its messages is queued. */
START_TEST(flood_ends_with_its_last_message)
{
	send_calls(&cli, CLI, 50, _i);
	expect_all(CLI, 49);
	/* The last message of the flood is left: it is still a flood. */
	send_call(&cli, CLI + 50, _i);
	send_call(&oth, OTH, _i);
	expect(CLI + 49);
	expect(OTH);
	expect(CLI + 50);
	/* No message of the flood is left. */
	send_calls(&cli, CLI, FLOOD, _i);
	send_call(&oth, OTH, _i);
	expect_all(CLI, FLOOD);
	expect(OTH);
}
END_TEST

/* Canceled messages, and messages for a destroyed node, no longer count. */
START_TEST(canceled_messages_end_the_flood)
{
	send_calls(&cli, CLI, 50, _i);
	for (uint32_t i = 0; i < 50; i++) {
		assert_ok(raw_cancel(&cli, CLI + i));
		raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	}
	send_calls(&cli, CLI, FLOOD, _i);
	send_call(&oth, OTH, _i);
	expect_all(CLI, FLOOD);
	expect(OTH);
}
END_TEST

START_TEST(destroyed_node_ends_the_flood)
{
	uint64_t node = raw_node(&srv, 0, 7);
	uint32_t handle = give_handle(&cli, &srv, node);

	for (uint32_t i = 0; i < 50; i++)
		send_call_to(&cli, handle, CLI + i, _i);
	assert_ok(raw_destroy(&srv, node, 0));
	send_calls(&cli, CLI, FLOOD, _i);
	send_call(&oth, OTH, _i);
	expect_all(CLI, FLOOD);
	expect(OTH);
}
END_TEST

/* Calls of the region's own user are served in their order. */
START_TEST(the_owner_may)
{
	send_calls(&root, CLI, 100, _i);
	send_calls(&oth, OTH, 5, _i);
	ck_assert_uint_eq(serve_all(100, 5), 104);
}
END_TEST

/* Higher priorities go first and lower priorities last, except for each 65th message. */
START_TEST(priorities_stay)
{
	send_calls(&cli, CLI, 40, _i);
	set_nice(5);
	send_calls(&oth, OTH + 2, 2, _i);
	set_nice(-5);
	send_calls(&oth, OTH, 2, _i);
	set_nice(0);
	expect_all(OTH, 2);
	expect_all(CLI, 40);
	expect_all(OTH + 2, 2);
}
END_TEST

/* The number of realtime messages does not matter: by default no user may be realtime. */
START_TEST(realtime_stays)
{
	set_policy(SCHED_FIFO, 3);
	send_calls(&cli, CLI, 40, _i);
	send_calls(&oth, OTH, 2, _i);
	set_policy(SCHED_OTHER, 0);
	expect_all(CLI, 40);
	expect_all(OTH, 2);
}
END_TEST

/* Oneways of a node stay in order, and a death event comes after all of them. */
START_TEST(events_and_oneways_keep_their_order)
{
	uint32_t handles[2 * FLOOD], watched, next = 0, others = 0;
	struct ipcbus_event ev;

	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		handles[i] = give_handle(&cli, &srv, raw_node(&srv, 0, i));
	watched = give_handle(&srv, &cli, raw_node(&cli, 0, 3));
	assert_ok(raw_watch(&srv, watched, 4));
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		raw_oneway(&cli, handles[i], CLI + i, NULL, 0);
	send_calls(&oth, OTH, 10, _i);
	raw_close(&cli);
	for (;;) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_DEAD)
			break;
		if (ev.kind == IPCBUS_EVENT_IDLE)
			continue;
		if (ev.kind == IPCBUS_EVENT_CALL) {
			ck_assert_uint_eq(ev.code, OTH + others++);
			raw_reply(&srv, ev.call, NULL, 0);
		} else {
			ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
			ck_assert_uint_eq(ev.code, CLI + next++);
		}
		raw_release(&srv, &ev);
	}
	ck_assert_uint_eq(next, ARRAY_SIZE(handles));
	ck_assert_uint_eq(others, 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flood");
	TCase *tc;

	if (geteuid()) {
		fprintf(stderr, "not root, no tests run\n");
		return 77;
	}
	/* Each case runs with payloads and with empty calls. */
	tc = add_case(s, "floods", setup_flood);
	tcase_add_checked_fixture(tc, NULL, teardown_flood);
	tcase_add_loop_test(tc, flood_gets_every_second_turn, 0, 2);
	tcase_add_loop_test(tc, earlier_messages_go_first, 0, 2);
	tcase_add_loop_test(tc, flood_is_not_starved, 0, 2);
	tcase_add_loop_test(tc, second_flood_adds_no_delay, 0, 2);
	tcase_add_loop_test(tc, flood_ends_with_its_last_message, 0, 2);
	tcase_add_loop_test(tc, canceled_messages_end_the_flood, 0, 2);
	tcase_add_loop_test(tc, destroyed_node_ends_the_flood, 0, 2);
	tcase_add_loop_test(tc, the_owner_may, 0, 2);
	tcase_add_loop_test(tc, priorities_stay, 0, 2);
	tcase_add_loop_test(tc, realtime_stays, 0, 2);
	tcase_add_loop_test(tc, events_and_oneways_keep_their_order, 0, 2);
	return suite_main(s);
}
