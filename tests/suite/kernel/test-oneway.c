// SPDX-License-Identifier: MIT
/*
 * Oneways: order and one at a time per node, the quota of the region that they
 * may fill, and several in one system call.
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
		raw_oneway(i % 2 ? &cli : &oth, 0, i, &i, sizeof(i));
	for (uint32_t i = 0; i < 50; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &ev), i);
		raw_holds(&srv, &ev, &i, sizeof(i));
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

	/* Releasing the second node's lets the second node go on, no other. */
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

START_TEST(empty_oneways_keep_order)
{
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < 10; i++)
		raw_oneway(&cli, 0, i, NULL, 0);
	for (uint32_t i = 0; i < 10; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &ev), i);
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

/* The share */

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

	/* Calls still find space, those of the flood's sender too. */
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

/* Many small ones use up descriptors before bytes. */
START_TEST(tiny_ones_leave_space_for_calls)
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

START_TEST(flood_goes_with_its_receiver)
{
	char data[1000] = "";
	unsigned int sent;

	assert_result(flood(&cli, data, sizeof(data), &sent), -EAGAIN);
	raw_close(&srv);
}
END_TEST

START_TEST(flood_outlives_its_sender)
{
	char data[1000] = "";
	unsigned int sent;

	assert_result(flood(&cli, data, sizeof(data), &sent), -EAGAIN);
	raw_close(&cli);
	drain(&srv, sent);
}
END_TEST

/* Batches */

static void fill_batch(struct ipcbus_send *sends, uint32_t *codes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		codes[i] = i;
		sends[i] = (struct ipcbus_send){
			.kind = IPCBUS_SEND_ONEWAY, .code = i, .data = PTR64(&codes[i]),
			.data_size = sizeof(codes[i]),
		};
	}
}

static void expect_codes(uint32_t first, uint32_t end)
{
	struct ipcbus_event ev;

	for (uint32_t i = first; i < end; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &ev), i);
		raw_holds(&srv, &ev, &i, sizeof(i));
		raw_release(&srv, &ev);
	}
	raw_none(&srv);
}

START_TEST(batch_sends_all)
{
	static struct ipcbus_send sends[IPCBUS_MAX_BATCH];
	static uint32_t codes[IPCBUS_MAX_BATCH];
	static const uint32_t counts[] = { 0, 1, 2, 16, IPCBUS_MAX_BATCH };
	struct ipcbus_batch b;

	fill_batch(sends, codes, IPCBUS_MAX_BATCH);
	assert_ok(raw_batch(&cli, sends, counts[_i], &b));
	ck_assert_uint_eq(b.done, counts[_i]);
	ck_assert_uint_eq(b.stage, 0);
	ck_assert_uint_eq(b.index, 0);
	expect_codes(0, counts[_i]);
}
END_TEST

START_TEST(batch_to_many_nodes)
{
	struct ipcbus_send sends[8];
	uint32_t codes[8];
	struct ipcbus_batch b;
	struct ipcbus_event ev;

	fill_batch(sends, codes, 8);
	for (int i = 0; i < 8; i++)
		sends[i].handle = give_handle(&cli, &srv, raw_node(&srv, 0, i + 1));
	assert_ok(raw_batch(&cli, sends, 8, &b));
	for (uint32_t i = 0; i < 8; i++) {
		ck_assert_uint_eq(take_oneway(&srv, &ev), i);
		ck_assert_uint_eq(ev.cookie, i + 1);
		raw_release(&srv, &ev);
	}
}
END_TEST

START_TEST(batch_stops_at_the_first_bad_one)
{
	struct ipcbus_send sends[8];
	uint32_t codes[8];
	struct ipcbus_batch b;

	fill_batch(sends, codes, 8);
	sends[_i].handle = 4242;
	assert_result(raw_batch(&cli, sends, 8, &b), -EBADF);
	ck_assert_uint_eq(b.done, _i);
	ck_assert_uint_eq(b.stage, IPCBUS_STAGE_TARGET);
	ck_assert_uint_eq(b.index, 0);
	expect_codes(0, _i);
}
END_TEST

START_TEST(batch_says_where_one_failed)
{
	struct ipcbus_object o[3] = { object_node(1), object_node(1), object_handle(99) };
	struct ipcbus_iovec parts[2] = { { PTR64("x"), 1 }, { 8, 1 } };
	struct ipcbus_send sends[4];
	uint32_t codes[4];
	struct ipcbus_batch b;

	o[0].value = o[1].value = raw_node(&cli, 0, 1);
	fill_batch(sends, codes, 4);
	sends[2].objects = PTR64(o);
	sends[2].object_count = 3;
	assert_result(raw_batch(&cli, sends, 4, &b), -EBADF);
	ck_assert_uint_eq(b.done, 2);
	ck_assert_uint_eq(b.stage, IPCBUS_STAGE_OBJECT);
	ck_assert_uint_eq(b.index, 2);
	expect_codes(0, 2);

	fill_batch(sends, codes, 4);
	sends[1].flags = IPCBUS_SEND_IOV;
	sends[1].data = PTR64(parts);
	sends[1].data_size = 2;
	sends[1].iov_count = 2;
	assert_result(raw_batch(&cli, sends, 4, &b), -EFAULT);
	ck_assert_uint_eq(b.done, 1);
	ck_assert_uint_eq(b.stage, IPCBUS_STAGE_COPY);
	ck_assert_uint_eq(b.index, 1);
	expect_codes(0, 1);
}
END_TEST

START_TEST(batch_takes_oneways_only)
{
	static const uint32_t kinds[] = { IPCBUS_SEND_NONE, IPCBUS_SEND_CALL, IPCBUS_SEND_REPLY,
					  IPCBUS_SEND_ERROR, 5, ~0U };
	struct ipcbus_send sends[3];
	uint32_t codes[3];
	struct ipcbus_batch b;

	fill_batch(sends, codes, 3);
	sends[1].kind = kinds[_i];
	if (kinds[_i] == IPCBUS_SEND_NONE)
		memset(&sends[1], 0, sizeof(sends[1]));
	assert_result(raw_batch(&cli, sends, 3, &b), -EINVAL);
	ck_assert_uint_eq(b.done, 1);
	ck_assert_uint_eq(b.stage, IPCBUS_STAGE_ARGS);
	expect_codes(0, 1);
}
END_TEST

START_TEST(batch_into_a_full_quota)
{
	static struct ipcbus_send sends[IPCBUS_MAX_BATCH];
	static char data[8192];
	struct ipcbus_batch b;

	for (int i = 0; i < IPCBUS_MAX_BATCH; i++)
		sends[i] = (struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data),
						 .data_size = sizeof(data) };
	assert_result(raw_batch(&cli, sends, IPCBUS_MAX_BATCH, &b), -EAGAIN);
	ck_assert_uint_gt(b.done, 0);
	ck_assert_uint_lt(b.done, 128);
	ck_assert_uint_eq(b.stage, IPCBUS_STAGE_BUFFER);
	drain(&srv, b.done);
}
END_TEST

START_TEST(batch_from_nowhere)
{
	struct ipcbus_batch b;

	assert_result(raw_batch(&cli, NULL, 1, &b), -EFAULT);
	ck_assert_uint_eq(b.done, 0);
	assert_result(raw_batch(&cli, (void *)(uintptr_t)(~0ULL - 7), 1, &b), -EFAULT);
	assert_result(raw_batch(&cli, NULL, IPCBUS_MAX_BATCH + 1, &b), -E2BIG);
	raw_none(&srv);
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
	tcase_add_test(tc, empty_oneways_keep_order);
	tcase_add_test(tc, freeing_and_waiting_in_one_exchange_brings_the_next);
	tcase_add_test(tc, calls_pass_waiting_oneways);
	tcase_add_test(tc, sender_with_an_open_call_may_send_oneways);

	tc = add_case(s, "share", setup_bus);
	tcase_add_loop_test(tc, full_quota_pushes_back, 0, ARRAY_SIZE(flood_sizes));
	tcase_add_loop_test(tc, quota_comes_back, 0, ARRAY_SIZE(flood_sizes));
	tcase_add_test(tc, tiny_ones_leave_space_for_calls);
	tcase_add_test(tc, oneway_larger_than_the_region);
	tcase_add_test(tc, flood_goes_with_its_receiver);
	tcase_add_test(tc, flood_outlives_its_sender);

	tc = add_case(s, "batch", setup_bus);
	tcase_add_loop_test(tc, batch_sends_all, 0, 5);
	tcase_add_test(tc, batch_to_many_nodes);
	tcase_add_loop_test(tc, batch_stops_at_the_first_bad_one, 0, 8);
	tcase_add_test(tc, batch_says_where_one_failed);
	tcase_add_loop_test(tc, batch_takes_oneways_only, 0, 6);
	tcase_add_test(tc, batch_into_a_full_quota);
	tcase_add_test(tc, batch_from_nowhere);
	return suite_main(s);
}
