// SPDX-License-Identifier: MIT
/*
 * Calls and replies: payloads of every size, messages in parts, error replies, and which proc
 * may reply, how often. Chains of calls are in test-nested.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define BIG (8U << 20)

static void setup_big(void)
{
	setup_bare();
	raw_open(&srv, BIG);
	raw_open(&cli, BIG);
	srv_node = raw_node(&srv, 0, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
}

START_TEST(call_carries_its_fields)
{
	struct ipcbus_event request, reply;

	raw_call(&cli, 0, 77, "ping", 4);
	raw_take(&srv, IPCBUS_EVENT_CALL, &request);
	raw_holds(&srv, &request, "ping", 4);
	ck_assert_uint_eq(request.code, 77);
	ck_assert_uint_eq(request.cookie, SRV_COOKIE);
	ck_assert_uint_eq(request.pid, getpid());
	ck_assert_uint_eq(request.uid, geteuid());
	ck_assert_uint_eq(request.gid, getegid());
	ck_assert_uint_eq(request.object_count, 0);

	raw_reply(&srv, request.call, "pong!", 5);
	raw_release(&srv, &request);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &reply);
	raw_holds(&cli, &reply, "pong!", 5);
	ck_assert_uint_eq(reply.pid, getpid());
	raw_release(&cli, &reply);
	raw_none(&srv);
	raw_none(&cli);
}
END_TEST

static const size_t sizes[] = {
	0, 1, 2, 7, 8, 9, 63, 64, 255, 256, 4095, 4096, 4097, 8192, 65535, 65536, 65537,
	262144, 1048575, 1048576, 1048577, 4194304,
};

START_TEST(size_arrives_both_ways)
{
	size_t size = sizes[_i];
	char *data = malloc(size + 1);

	pattern_fill(data, size, size + 1);
	for (int round = 0; round < 3; round++)
		raw_round_trip(&cli, 0, &srv, data, size);
	free(data);
}
END_TEST

START_TEST(message_as_large_as_the_region)
{
	char *data = malloc(REGION);
	struct ipcbus_event ev;

	raw_close(&oth);
	raw_open(&oth, REGION);
	pattern_fill(data, REGION, 5);
	for (int round = 0; round < 3; round++) {
		raw_call(&oth, 0, 1, data, REGION);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_holds(&srv, &ev, data, REGION);
		raw_release(&srv, &ev);
		raw_reply(&srv, ev.call, data, REGION);
		raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
		raw_holds(&oth, &ev, data, REGION);
		raw_release(&oth, &ev);
	}
	free(data);
}
END_TEST

START_TEST(message_larger_than_the_region)
{
	char *data = calloc(1, BIG + 1);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .data = PTR64(data), .data_size = REGION + 1,
	};

	raw_fails(&cli, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	send.data_size = BIG + 1;
	raw_fails(&cli, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	send.data_size = 1ULL << 32;
	raw_fails(&cli, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	send.data_size = ~0ULL;
	raw_fails(&cli, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
	free(data);
}
END_TEST

START_TEST(reply_larger_than_the_callers_region)
{
	char *data = calloc(1, REGION + 1);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .data = PTR64(data), .data_size = REGION + 1,
	};
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	send.call = ev.call;
	raw_fails(&srv, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	raw_none(&cli);

	/* The call is still open. */
	raw_error(&srv, ev.call, EMSGSIZE, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_ERROR, &ev);
	ck_assert_int_eq(ev.error, -EMSGSIZE);
	free(data);
}
END_TEST

/* Parts */

static void call_parts(const struct ipcbus_iovec *parts, uint32_t count, uint64_t size,
		       struct ipcbus_event *ev)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_IOV, .data = PTR64(parts),
		.data_size = size, .iov_count = count,
	};

	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, ev);
}

static void send_reply(const struct ipcbus_event *request)
{
	struct ipcbus_event ev;

	raw_release(&srv, request);
	raw_reply(&srv, request->call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
}

START_TEST(parts_are_joined)
{
	struct ipcbus_iovec parts[] = {
		{ PTR64("one "), 4 }, { 0, 0 }, { PTR64("two "), 4 }, { PTR64("x"), 0 },
		{ PTR64("three"), 5 }, { ~0ULL, 0 },
	};
	struct ipcbus_event ev;

	call_parts(parts, ARRAY_SIZE(parts), 13, &ev);
	raw_holds(&srv, &ev, "one two three", 13);
	send_reply(&ev);
	call_parts(parts, 1, 4, &ev);
	raw_holds(&srv, &ev, "one ", 4);
	send_reply(&ev);
	call_parts(NULL, 0, 0, &ev);
	ck_assert_uint_eq(ev.data_size, 0);
	send_reply(&ev);
}
END_TEST

START_TEST(most_parts)
{
	static struct ipcbus_iovec parts[IPCBUS_MAX_IOV];
	static char data[IPCBUS_MAX_IOV * (IPCBUS_MAX_IOV + 1) / 2];
	struct ipcbus_event ev;
	size_t used = 0;

	pattern_fill(data, sizeof(data), 9);
	for (size_t i = 0; i < IPCBUS_MAX_IOV; i++) {
		parts[i] = (struct ipcbus_iovec){ PTR64(data + used), i + 1 };
		used += i + 1;
	}
	call_parts(parts, IPCBUS_MAX_IOV, used, &ev);
	raw_holds(&srv, &ev, data, used);
	send_reply(&ev);
}
END_TEST

/* The page behind it is unmapped. Reading it must not be attempted. */
START_TEST(empty_part_where_the_region_ends)
{
	static char data[REGION];
	struct ipcbus_iovec parts[] = { { PTR64(data), REGION }, { PTR64(data), 0 } };
	struct ipcbus_event ev;

	pattern_fill(data, sizeof(data), 3);
	call_parts(parts, ARRAY_SIZE(parts), REGION, &ev);
	raw_holds(&srv, &ev, data, REGION);
	send_reply(&ev);
}
END_TEST

static void parts_fail(struct ipcbus_iovec *parts, uint32_t count, uint64_t size)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_IOV, .data = PTR64(parts),
		.data_size = size, .iov_count = count,
	};

	assert_result(raw_send(&cli, &send, NULL), -EINVAL);
	raw_none(&srv);
}

START_TEST(parts_must_add_up)
{
	struct ipcbus_iovec parts[] = { { PTR64("abcd"), 4 }, { PTR64("efgh"), 4 } };

	parts_fail(parts, 2, 7);
	parts_fail(parts, 2, 9);
	parts_fail(parts, 1, 8);
	parts_fail(parts, 2, 0);
	parts_fail(parts, 0, 8);
	parts[0].size = 1ULL << 63;
	parts[1].size = (1ULL << 63) + 8;
	parts_fail(parts, 2, 8);
	parts[0].size = ~0ULL;
	parts[1].size = 9;
	parts_fail(parts, 2, 8);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

START_TEST(bad_part_names_its_index)
{
	void *hole = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char good[5000];
	struct ipcbus_iovec parts[] = {
		{ PTR64(good), sizeof(good) }, { 0, 0 }, { PTR64(hole), 100 }, { PTR64(good), 1 },
	};
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_IOV, .data = PTR64(parts),
		.data_size = sizeof(good) + 101, .iov_count = 4,
	};

	memset(good, 'g', sizeof(good));
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 2);
	parts[2].base = 0xffff888000000000ULL;
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 2);
	parts[2].base = ~0ULL - 50;
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 2);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

START_TEST(payload_that_ends_in_a_hole)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data = PTR64(page + 100) };

	mprotect(page + 4096, 4096, PROT_NONE);
	send.data_size = 4096;
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 0);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, page + 100, 3996);
}
END_TEST

START_TEST(payload_from_nowhere)
{
	static const uint64_t nowhere[] = { 0, 8, 0xffff888000000000ULL, ~0ULL - 7, 1ULL << 47 };
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data_size = 16 };

	send.data = nowhere[_i];
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 0);
	raw_none(&srv);
}
END_TEST

/* A message may be forwarded directly from the region where it was received. */
START_TEST(payload_from_the_own_region)
{
	char data[5000];
	struct ipcbus_event first, second;

	pattern_fill(data, sizeof(data), 3);
	raw_call(&cli, 0, 1, data, sizeof(data));
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	raw_reply(&srv, first.call, raw_payload(&srv, &first), sizeof(data));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &second);
	raw_holds(&cli, &second, data, sizeof(data));
	raw_release(&cli, &second);
	raw_release(&srv, &first);
}
END_TEST

/* Errors as replies */

static const uint32_t error_codes[] = { 1, EIO, EREMOTEIO, 4094, 4095 };

START_TEST(error_reply_carries_code_and_payload)
{
	uint32_t code = error_codes[_i];
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	raw_error(&srv, ev.call, code, "because", 7);
	raw_take(&cli, IPCBUS_EVENT_ERROR, &ev);
	ck_assert_int_eq(ev.error, -(int)code);
	raw_holds(&cli, &ev, "because", 7);
	ck_assert_uint_eq(ev.pid, getpid());
	raw_release(&cli, &ev);
}
END_TEST

static const uint32_t no_error_codes[] = { 0, 4096, 0x7fffffff, 0xffffffff };

START_TEST(error_reply_needs_an_errno)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ERROR, .code = no_error_codes[_i] };
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	assert_result(raw_send(&srv, &send, NULL), -EINVAL);
	raw_none(&cli);
	send_reply(&ev);
}
END_TEST

/* Permission to reply */

static void reply_fails(const struct raw *r, uint64_t call, uint32_t kind)
{
	struct ipcbus_send send = { .kind = kind, .call = call };

	if (kind == IPCBUS_SEND_ERROR)
		send.code = EIO;
	raw_fails(r, &send, -ESRCH, IPCBUS_STAGE_TARGET, 0);
}

START_TEST(second_reply_fails)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send_reply(&ev);
	reply_fails(&srv, ev.call, IPCBUS_SEND_REPLY);
	reply_fails(&srv, ev.call, IPCBUS_SEND_ERROR);
	raw_none(&cli);
}
END_TEST

START_TEST(reply_to_a_nonexistent_call)
{
	struct ipcbus_event ev;

	reply_fails(&srv, 0, IPCBUS_SEND_REPLY);
	reply_fails(&srv, 1, IPCBUS_SEND_REPLY);
	reply_fails(&srv, ~0ULL, IPCBUS_SEND_REPLY);

	/* Neither the caller nor a third proc may reply. srv may not before it took the call. */
	raw_call(&cli, 0, 1, NULL, 0);
	for (uint64_t guess = 1; guess < 64; guess++)
		reply_fails(&srv, guess, IPCBUS_SEND_REPLY);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	reply_fails(&cli, ev.call, IPCBUS_SEND_REPLY);
	reply_fails(&oth, ev.call, IPCBUS_SEND_REPLY);
	reply_fails(&oth, ev.call, IPCBUS_SEND_ERROR);
	send_reply(&ev);
}
END_TEST

START_TEST(failed_reply_leaves_the_call_open)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_REPLY, .data = 8, .data_size = 8 };
	struct ipcbus_object bad = object_handle(12345);
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	raw_fails(&srv, &send, -EFAULT, IPCBUS_STAGE_COPY, 0);
	send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_REPLY, .call = ev.call, .objects = PTR64(&bad),
		.object_count = 1,
	};
	raw_fails(&srv, &send, -EBADF, IPCBUS_STAGE_OBJECT, 0);
	raw_none(&cli);
	send_reply(&ev);
}
END_TEST

/* Ids count only the proc's own calls: they do not reveal the activity of other procs. */
START_TEST(each_proc_counts_the_calls_that_it_takes)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_event ev, end;
	uint64_t last[2] = { 0, 0 };

	for (int i = 0; i < 12; i++) {
		bool other = i % 4 == 3;
		const struct raw *from = other ? &srv : &cli, *to = other ? &oth : &srv;

		raw_call(from, other ? to_oth : 0, 1, NULL, 0);
		raw_take(to, IPCBUS_EVENT_CALL, &ev);
		ck_assert_uint_eq(ev.call, last[other] ? last[other] + 1 : ev.call);
		ck_assert_uint_le(ev.call, 12);
		last[other] = ev.call;
		raw_reply(to, ev.call, NULL, 0);
		raw_take(from, IPCBUS_EVENT_REPLY, &end);
		ck_assert_uint_eq(end.call, 0);
	}
}
END_TEST

START_TEST(many_callers_get_replies_at_random)
{
	struct raw callers[24];
	struct ipcbus_event calls[ARRAY_SIZE(callers)], ev;
	uint32_t seed = 4711;

	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		raw_open(&callers[i], 65536);
		raw_call(&callers[i], 0, i, &i, sizeof(i));
	}
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &calls[i]);
		ck_assert_uint_eq(calls[i].code, i);
		raw_holds(&srv, &calls[i], &i, sizeof(i));
	}
	for (size_t left = ARRAY_SIZE(callers); left; left--) {
		size_t k = next_random(&seed) % left, who = calls[k].code;

		raw_reply(&srv, calls[k].call, &who, sizeof(who));
		raw_release(&srv, &calls[k]);
		raw_take(&callers[who], IPCBUS_EVENT_REPLY, &ev);
		raw_holds(&callers[who], &ev, &who, sizeof(who));
		raw_close(&callers[who]);
		calls[k] = calls[left - 1];
	}
}
END_TEST

static void *reply_elsewhere(void *arg)
{
	const struct ipcbus_event *ev = arg;

	raw_reply(&srv, ev->call, "other", 5);
	return NULL;
}

START_TEST(another_thread_replies)
{
	struct ipcbus_event ev;
	struct helper h;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	helper_start(&h, reply_elsewhere, &ev);
	helper_end(&h);
	raw_release(&srv, &ev);
	reply_fails(&srv, ev.call, IPCBUS_SEND_REPLY);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&cli, &ev, "other", 5);
	raw_release(&cli, &ev);
}
END_TEST

/* Two processes that wait for each other, as programs do. */

static int echo_process(struct peer *self, void *arg)
{
	(void)arg;
	raw_open(&srv, REGION);
	srv_node = raw_node(&srv, 0, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
	peer_notify(self, 1);
	serve_echo(&srv);
	raw_close(&srv);
	return 0;
}

START_TEST(ping_pong_between_processes)
{
	char data[5000];
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, echo_process, NULL);
	peer_hear(&p);
	raw_open(&cli, REGION);
	for (unsigned int i = 0; i < 500; i++) {
		size_t size = i * 37 % sizeof(data);

		pattern_fill(data, size, i);
		raw_call_wait(&cli, 0, i, data, size, &ev);
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
		ck_assert_uint_eq(ev.pid, p.pid);
		raw_holds(&cli, &ev, data, size);
		raw_release(&cli, &ev);
	}
	raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	raw_release(&cli, &ev);
	peer_end(&p);
}
END_TEST

/* Releases, sends and waits in a single exchange, in this order. */
START_TEST(one_exchange_releases_sends_and_waits)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK };
	struct ipcbus_event first;

	raw_call(&cli, 0, 1, "a", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &first);
	raw_call(&oth, 0, 2, "b", 1);
	x.release_count = 1;
	x.release = first.buffer;
	x.send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_REPLY, .call = first.call, .data = PTR64("r"), .data_size = 1,
	};
	assert_ok(raw_exchange(&srv, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(x.event.code, 2);
	assert_result(raw_free(&srv, first.buffer), -ESTALE);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &first);
	raw_release(&cli, &first);

	raw_reply(&srv, x.event.call, NULL, 0);
	raw_release(&srv, &x.event);
	raw_take(&oth, IPCBUS_EVENT_REPLY, &first);
	raw_release(&oth, &first);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("call");
	TCase *tc = add_case(s, "basics", setup_bus);

	tcase_add_test(tc, call_carries_its_fields);
	tcase_add_test(tc, one_exchange_releases_sends_and_waits);
	tcase_add_test(tc, message_as_large_as_the_region);
	tcase_add_test(tc, message_larger_than_the_region);
	tcase_add_test(tc, reply_larger_than_the_callers_region);
	tcase_add_loop_test(tc, payload_from_nowhere, 0, 5);
	tcase_add_test(tc, payload_that_ends_in_a_hole);
	tcase_add_test(tc, payload_from_the_own_region);

	tc = add_case(s, "sizes", setup_big);
	tcase_add_loop_test(tc, size_arrives_both_ways, 0, ARRAY_SIZE(sizes));

	tc = add_case(s, "parts", setup_bus);
	tcase_add_test(tc, parts_are_joined);
	tcase_add_test(tc, most_parts);
	tcase_add_test(tc, empty_part_where_the_region_ends);
	tcase_add_test(tc, parts_must_add_up);
	tcase_add_test(tc, bad_part_names_its_index);

	tc = add_case(s, "replies", setup_bus);
	tcase_add_loop_test(tc, error_reply_carries_code_and_payload, 0, ARRAY_SIZE(error_codes));
	tcase_add_loop_test(tc, error_reply_needs_an_errno, 0, ARRAY_SIZE(no_error_codes));
	tcase_add_test(tc, second_reply_fails);
	tcase_add_test(tc, reply_to_a_nonexistent_call);
	tcase_add_test(tc, failed_reply_leaves_the_call_open);
	tcase_add_test(tc, each_proc_counts_the_calls_that_it_takes);
	tcase_add_test(tc, many_callers_get_replies_at_random);
	tcase_add_test(tc, another_thread_replies);

	tc = add_case(s, "processes", setup_bare);
	tcase_add_test(tc, ping_pong_between_processes);
	return suite_main(s);
}
