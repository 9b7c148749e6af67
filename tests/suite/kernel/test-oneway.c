// SPDX-License-Identifier: MIT
/*
 * Oneways: their order, delivery in sequence for each node, the quota of the region for them, and
 * several in a single system call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static uint32_t take_oneway(const struct raw *r, struct ipcbus_event *ev)
{
	raw_take(r, IPCBUS_EVENT_ONEWAY, ev);
	return ev->code;
}

START_TEST(oneway_carries_its_fields)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 9, "fire", 4);
	ck_assert_uint_eq(take_oneway(&srv, &ev), 9);
	raw_holds(&srv, &ev, "fire", 4);
	ck_assert_uint_eq(ev.cookie, SRV_COOKIE);
	ck_assert_uint_eq(ev.pid, getpid());
	ck_assert_uint_eq(ev.uid, geteuid());
	ck_assert_uint_eq(ev.gid, getegid());
	raw_release(&srv, &ev);
	raw_none(&cli);
	raw_none(&srv);
}
END_TEST

START_TEST(oneway_needs_no_reply_and_takes_none)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 9, "x", 1);
	take_oneway(&srv, &ev);
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call }, -ESRCH,
		  IPCBUS_STAGE_TARGET, 0);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(order_per_node_one_at_a_time)
{
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < 50; i++)
		raw_oneway(i % 2 ? &cli : &oth, 0, i, &i, i % 3 ? sizeof(i) : 0);
	for (uint32_t i = 0; i < 50; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &ev), i);
		raw_holds(&srv, &ev, &i, i % 3 ? sizeof(i) : 0);
		raw_none(&srv);
		raw_release(&srv, &ev);
	}
	raw_none(&srv);
}
END_TEST

START_TEST(nodes_do_not_wait_for_each_other)
{
	uint64_t nodes[3];
	uint32_t handles[3];
	struct ipcbus_event held[3], ev;

	for (int i = 0; i < 3; i++) {
		nodes[i] = raw_node(&srv, 0, i + 1);
		handles[i] = give_handle(&cli, &srv, nodes[i]);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3; i++)
			raw_oneway(&cli, handles[i], round, "x", 1);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &held[i]), 0);
		ck_assert_uint_eq(held[i].cookie, i + 1);
	}
	raw_none(&srv);

	/* Releasing the second node's buffer delivers only the second node's next oneway. */
	raw_release(&srv, &held[1]);
	ck_assert_uint_eq(take_oneway(&srv, &ev), 1);
	ck_assert_uint_eq(ev.cookie, 2);
	raw_none(&srv);
	raw_release(&srv, &ev);
	raw_release(&srv, &held[0]);
	raw_release(&srv, &held[2]);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &ev), 1);
		raw_release(&srv, &ev);
	}
}
END_TEST

START_TEST(freeing_and_waiting_in_one_exchange_brings_the_next)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK };

	for (uint32_t i = 0; i < 20; i++)
		raw_oneway(&cli, 0, i, &i, sizeof(i));
	for (uint32_t i = 0; i < 20; i++) {
		assert_ok(raw_exchange(&srv, &x));
		ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_ONEWAY);
		ck_assert_uint_eq(x.event.code, i);
		x.release_count = 1;
		x.release = x.event.buffer;
	}
	assert_ok(raw_exchange(&srv, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_NONE);
}
END_TEST

START_TEST(calls_pass_waiting_oneways)
{
	struct ipcbus_event busy, call, ev;

	raw_oneway(&cli, 0, 1, "x", 1);
	raw_oneway(&cli, 0, 2, "y", 1);
	take_oneway(&srv, &busy);
	raw_call(&oth, 0, 3, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &call);
	ck_assert_uint_eq(call.code, 3);
	raw_release(&srv, &call);
	raw_reply(&srv, call.call, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&oth, &ev);
	raw_release(&srv, &busy);
	ck_assert_uint_eq(take_oneway(&srv, &ev), 2);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(sender_with_an_open_call_may_send_oneways)
{
	struct ipcbus_event call, ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_oneway(&cli, 0, 2, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &call);
	raw_release(&srv, &call);
	ck_assert_uint_eq(take_oneway(&srv, &ev), 2);
	raw_release(&srv, &ev);
	raw_reply(&srv, call.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
}
END_TEST

/* The quota for oneways */

static int flood(const struct raw *from, const void *data, size_t size, unsigned int *ret_sent)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data), .data_size = size,
	};
	struct ipcbus_event ev;
	int r;

	*ret_sent = 0;
	while (!(r = raw_send(from, &send, &ev)) && *ret_sent < 100000)
		++*ret_sent;
	ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_BUFFER);
	return r;
}

static void drain(const struct raw *r, unsigned int n)
{
	struct ipcbus_event ev;

	while (n--) {
		take_oneway(r, &ev);
		raw_release(r, &ev);
	}
	raw_none(r);
}

static const size_t flood_sizes[] = { 1, 200, 4096, 30000, 100000 };

START_TEST(full_quota_pushes_back)
{
	char *data = calloc(1, 200000);
	size_t size = flood_sizes[_i];
	struct ipcbus_event ev;
	unsigned int sent;

	assert_result(flood(&cli, data, size, &sent), -EAGAIN);
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_lt((uint64_t)sent * size, REGION);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);

	/* Calls still find space, even from the flood's sender. */
	for (int i = 0; i < 3; i++) {
		raw_round_trip(&oth, 0, &srv, data, size);
		raw_round_trip(&cli, 0, &srv, data, size);
	}
	free(data);
}
END_TEST

START_TEST(quota_comes_back)
{
	char *data = calloc(1, 200000);
	size_t size = flood_sizes[_i];
	unsigned int first, again;

	assert_result(flood(&cli, data, size, &first), -EAGAIN);
	drain(&srv, first);
	assert_result(flood(&cli, data, size, &again), -EAGAIN);
	ck_assert_uint_eq(again, first);
	drain(&srv, again);
	free(data);
}
END_TEST

/* Many small oneways use up descriptors before bytes. */
START_TEST(tiny_oneways_leave_space_for_calls)
{
	unsigned int sent;

	raw_close(&srv);
	raw_open(&srv, 16 << 20);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	assert_result(flood(&cli, "x", 1, &sent), -EAGAIN);
	ck_assert_uint_gt(sent, 1000);
	raw_call(&oth, 0, 5, "y", 1);
	raw_call(&cli, 0, 6, "z", 1);
}
END_TEST

START_TEST(oneway_larger_than_the_region)
{
	char *data = calloc(1, REGION + 1);

	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data),
					       .data_size = REGION + 1 },
		  -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	free(data);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("oneway");
	TCase *tc = add_case(s, "order", setup_bus);

	tcase_add_test(tc, oneway_carries_its_fields);
	tcase_add_test(tc, oneway_needs_no_reply_and_takes_none);
	tcase_add_test(tc, order_per_node_one_at_a_time);
	tcase_add_test(tc, nodes_do_not_wait_for_each_other);
	tcase_add_test(tc, freeing_and_waiting_in_one_exchange_brings_the_next);
	tcase_add_test(tc, calls_pass_waiting_oneways);
	tcase_add_test(tc, sender_with_an_open_call_may_send_oneways);

	tc = add_case(s, "share", setup_bus);
	tcase_add_loop_test(tc, full_quota_pushes_back, 0, ARRAY_SIZE(flood_sizes));
	tcase_add_loop_test(tc, quota_comes_back, 0, ARRAY_SIZE(flood_sizes));
	tcase_add_test(tc, tiny_oneways_leave_space_for_calls);
	tcase_add_test(tc, oneway_larger_than_the_region);
	return suite_main(s);
}
