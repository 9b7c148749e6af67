// SPDX-License-Identifier: MIT
/*
 * IPCBUS_SEND_REPLACE: a oneway that replaces an older, queued oneway.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define NEWEST 0xf00dU /* a code of oneways */

static struct ipcbus_send newest(uint32_t handle, uint32_t code, const char *text)
{
	return (struct ipcbus_send){
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE, .handle = handle,
		.code = code, .data = PTR64(text), .data_size = strlen(text),
	};
}

static void send_newest(const struct raw *r, uint32_t handle, uint32_t code, const char *text)
{
	struct ipcbus_send send = newest(handle, code, text);

	assert_ok(raw_send(r, &send, NULL));
}

/* Takes the next oneway and releases it, so that the oneway behind it is delivered. */
static void expect(uint32_t code, const char *text)
{
	struct ipcbus_event ev;

	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, code);
	raw_holds(&srv, &ev, text, strlen(text));
	raw_release(&srv, &ev);
}

/* A oneway that srv took and keeps: the next oneways wait behind it. */
static void block(struct ipcbus_event *ev)
{
	raw_oneway(&cli, 0, 0, "block", 5);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, ev);
}

START_TEST(the_first_of_the_queue_is_replaced)
{
	send_newest(&cli, 0, NEWEST, "one");
	send_newest(&cli, 0, NEWEST, "two");
	expect(NEWEST, "two");
	raw_none(&srv);
	send_newest(&cli, 0, NEWEST, "three");
	expect(NEWEST, "three");
}
END_TEST

START_TEST(replacement_is_queued_last)
{
	struct ipcbus_event ev;

	block(&ev);
	send_newest(&cli, 0, NEWEST, "old");
	raw_oneway(&cli, 0, 1, "between", 7);
	send_newest(&cli, 0, 2, "other");
	send_newest(&cli, 0, NEWEST, "new");
	raw_oneway(&cli, 0, 3, "behind", 6);
	raw_release(&srv, &ev);
	expect(1, "between");
	expect(2, "other");
	expect(NEWEST, "new");
	expect(3, "behind");
	raw_none(&srv);
}
END_TEST

START_TEST(the_next_becomes_the_first)
{
	send_newest(&cli, 0, NEWEST, "old");
	raw_oneway(&cli, 0, 1, "next", 4);
	send_newest(&cli, 0, NEWEST, "new");
	expect(1, "next");
	expect(NEWEST, "new");
	raw_none(&srv);
}
END_TEST

START_TEST(taken_oneway_stays)
{
	struct ipcbus_event ev;

	send_newest(&cli, 0, NEWEST, "taken");
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	send_newest(&cli, 0, NEWEST, "new");
	raw_holds(&srv, &ev, "taken", 5);
	raw_none(&srv);
	raw_release(&srv, &ev);
	expect(NEWEST, "new");
	raw_none(&srv);
}
END_TEST

START_TEST(only_a_matching_oneway_is_replaced)
{
	struct ipcbus_event ev;

	block(&ev);
	send_newest(&cli, 0, 1, "another code");
	raw_oneway(&cli, 0, NEWEST, "plain before", 12);
	send_newest(&oth, 0, NEWEST, "another proc");
	send_newest(&cli, 0, NEWEST, "new");
	raw_oneway(&cli, 0, NEWEST, "plain behind", 12);
	raw_release(&srv, &ev);
	expect(1, "another code");
	expect(NEWEST, "plain before");
	expect(NEWEST, "another proc");
	expect(NEWEST, "new");
	expect(NEWEST, "plain behind");
	raw_none(&srv);
}
END_TEST

START_TEST(nodes_have_their_own)
{
	uint32_t a = give_handle(&cli, &srv, raw_node(&srv, 0, 1));
	uint32_t b = give_handle(&cli, &srv, raw_node(&srv, 0, 2));

	send_newest(&cli, a, NEWEST, "a old");
	send_newest(&cli, b, NEWEST, "b");
	send_newest(&cli, a, NEWEST, "a");
	expect(NEWEST, "b");
	expect(NEWEST, "a");
	raw_none(&srv);
}
END_TEST

/* The process closes the sender and opens a new proc. */
START_TEST(oneways_of_an_earlier_proc_are_not_replaced)
{
	send_newest(&oth, 0, NEWEST, "closed");
	raw_close(&oth);
	raw_open(&oth, REGION);
	send_newest(&oth, 0, NEWEST, "new");
	expect(NEWEST, "closed");
	expect(NEWEST, "new");
}
END_TEST

/* Many oneways, so that a match is not by chance. */
START_TEST(many_codes)
{
	enum { CODES = 300 };
	struct ipcbus_event ev;
	uint32_t seed = 5;
	char text[16];

	block(&ev);
	for (uint32_t i = 0; i < 3 * CODES; i++)
		send_newest(&cli, 0, 1 + i * 7 % CODES, "old");
	for (uint32_t i = 0; i < CODES; i++) {
		uint32_t code = 1 + i * 11 % CODES;

		snprintf(text, sizeof(text), "%u", next_random(&seed));
		send_newest(&cli, 0, code, text);
	}
	raw_release(&srv, &ev);
	seed = 5;
	for (uint32_t i = 0; i < CODES; i++) {
		snprintf(text, sizeof(text), "%u", next_random(&seed));
		expect(1 + i * 11 % CODES, text);
	}
	raw_none(&srv);
}
END_TEST

START_TEST(objects_come_back)
{
	struct ipcbus_object o[2] = { object_node(raw_node(&cli, 0, 77)) };
	struct ipcbus_send send = newest(0, NEWEST, "with objects");
	int fds[2], before = count_fds();
	struct ipcbus_event ev;
	uint64_t node;
	char byte;

	node = raw_node(&oth, IPCBUS_NODE_ACCEPT_FDS, 1);
	send.handle = give_handle(&cli, &oth, node);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	o[1] = object_fd(fds[1]);
	send.objects = PTR64(o);
	send.object_count = 2;
	assert_ok(raw_send(&cli, &send, NULL));
	close(fds[1]);
	send_newest(&cli, send.handle, NEWEST, "without");
	/* The other end is closed together with the message that held it. */
	ck_assert_int_eq(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	raw_take(&cli, IPCBUS_EVENT_IDLE, &ev);
	ck_assert_uint_eq(ev.cookie, 77);
	raw_take(&oth, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&oth, &ev, "without", 7);
	raw_release(&oth, &ev);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* The newer oneway needs space in addition to the older. If there is none, the older stays. */
START_TEST(the_quota_is_full)
{
	static char data[REGION / 8];
	struct ipcbus_send send = newest(0, NEWEST, ""), plain;
	struct ipcbus_event ev;
	long buffers;

	send.data = PTR64(data);
	send.data_size = sizeof(data);
	plain = send;
	plain.flags = 0;
	memset(data, 'o', sizeof(data));
	assert_ok(raw_send(&cli, &send, NULL));
	assert_ok(raw_send(&cli, &plain, NULL));
	buffers = live("buffers");
	memset(data, 'n', sizeof(data));
	for (int i = 0; i < 20; i++)
		assert_ok(raw_send(&cli, &send, NULL));
	ck_assert_int_eq(live("buffers"), buffers);
	assert_ok(raw_send(&cli, &plain, NULL));
	assert_ok(raw_send(&cli, &plain, NULL));
	memset(data, 'x', sizeof(data));
	raw_fails(&cli, &send, -EAGAIN, IPCBUS_STAGE_BUFFER, 0);
	for (int i = 0; i < 4; i++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_int_eq(*(const char *)raw_payload(&srv, &ev), i ? 'n' : 'o');
		raw_release(&srv, &ev);
	}
	raw_none(&srv);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(failed_send_replaces_nothing)
{
	static char data[REGION / 2];
	struct ipcbus_send send = newest(0, NEWEST, "");
	struct ipcbus_event ev;

	block(&ev);
	send_newest(&cli, 0, NEWEST, "kept");
	send.data = 8;
	send.data_size = 100;
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 0);
	send.data = PTR64(data);
	send.data_size = sizeof(data);
	raw_fails(&cli, &send, -EAGAIN, IPCBUS_STAGE_BUFFER, 0);
	send.data_size = REGION;
	raw_fails(&cli, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	send = newest(0, NEWEST, "objects");
	send.objects = PTR64(&(struct ipcbus_object){ .type = 99 });
	send.object_count = 1;
	raw_fails(&cli, &send, -EINVAL, IPCBUS_STAGE_OBJECT, 0);
	raw_release(&srv, &ev);
	expect(NEWEST, "kept");
	raw_none(&srv);
}
END_TEST

START_TEST(replaced_oneways_do_not_count_as_discarded)
{
	char before[4096], after[4096];

	assert_ok(dev_debug("stats", before, sizeof(before)));
	for (int i = 0; i < 1000; i++)
		send_newest(&cli, 0, NEWEST, "again");
	assert_ok(dev_debug("stats", after, sizeof(after)));
	ck_assert_str_eq(strstr(before, "discarded "), strstr(after, "discarded "));
	expect(NEWEST, "again");
	raw_none(&srv);
}
END_TEST

START_TEST(destroyed_with_their_node)
{
	uint64_t node = raw_node(&srv, 0, 1);
	uint32_t handle = give_handle(&cli, &srv, node);
	struct ipcbus_send send = newest(handle, NEWEST, "late");

	send_newest(&cli, handle, NEWEST, "one");
	send_newest(&cli, handle, 1, "two");
	assert_ok(raw_destroy(&srv, node, 0));
	raw_fails(&cli, &send, -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
	raw_none(&srv);
	assert_ok(raw_put(&cli, handle, 1));
}
END_TEST

START_TEST(procs_close_with_replaced_oneways_queued)
{
	struct ipcbus_event ev;

	block(&ev);
	send_newest(&cli, 0, NEWEST, "one");
	send_newest(&oth, 0, NEWEST, "two");
	raw_close(&cli);
	raw_close(&srv);
	raw_close(&oth);
}
END_TEST

/* Each thread sends increasing numbers: srv must get them in order, and always the last. */

enum { SENDERS = 4, ROUNDS = 3000 };

static void *send_numbers(void *arg)
{
	uint32_t number, code = *(int *)arg;
	struct raw r;

	raw_open(&r, 4096);
	for (number = 1; number <= ROUNDS; number++) {
		struct ipcbus_send send = newest(0, code, "");

		send.data = PTR64(&number);
		send.data_size = sizeof(number);
		assert_ok(raw_send(&r, &send, NULL));
	}
	raw_close(&r);
	return NULL;
}

START_TEST(newest_value_arrives)
{
	uint32_t last[SENDERS] = { 0 }, ended = 0, number;
	struct helper h[SENDERS];
	int codes[SENDERS];
	struct ipcbus_event ev;

	for (int i = 0; i < SENDERS; i++) {
		codes[i] = i;
		helper_start(&h[i], send_numbers, &codes[i]);
	}
	while (ended < SENDERS) {
		raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		memcpy(&number, raw_payload(&srv, &ev), sizeof(number));
		ck_assert_uint_lt(ev.code, SENDERS);
		ck_assert_uint_gt(number, last[ev.code]);
		last[ev.code] = number;
		ended += number == ROUNDS;
		raw_release(&srv, &ev);
	}
	for (int i = 0; i < SENDERS; i++)
		helper_end(&h[i]);
	raw_none(&srv);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("replace");
	TCase *tc = add_case(s, "queue", setup_bus);

	tcase_add_test(tc, the_first_of_the_queue_is_replaced);
	tcase_add_test(tc, replacement_is_queued_last);
	tcase_add_test(tc, the_next_becomes_the_first);
	tcase_add_test(tc, taken_oneway_stays);
	tcase_add_test(tc, only_a_matching_oneway_is_replaced);
	tcase_add_test(tc, nodes_have_their_own);
	tcase_add_test(tc, oneways_of_an_earlier_proc_are_not_replaced);
	tcase_add_test(tc, many_codes);
	tcase_add_test(tc, newest_value_arrives);

	tc = add_case(s, "its fd", setup_bus);
	tcase_add_test(tc, objects_come_back);
	tcase_add_test(tc, the_quota_is_full);
	tcase_add_test(tc, failed_send_replaces_nothing);
	tcase_add_test(tc, replaced_oneways_do_not_count_as_discarded);
	tcase_add_test(tc, destroyed_with_their_node);
	tcase_add_test(tc, procs_close_with_replaced_oneways_queued);
	return suite_main(s);
}
