// SPDX-License-Identifier: MIT
/*
 * Secrets: after the buffer of a message with IPCBUS_SEND_CLEAR is released, or the message is
 * dropped, the receiver's region contains no byte of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"

#define PAGE 4096
#define LARGE (256 * 1024)
#define SECRET 0x5a

static uint8_t secret[LARGE];

static void setup_secret(void)
{
	memset(secret, SECRET, sizeof(secret));
	setup_bus();
}

/* Counts the secret's bytes in the visible pages of @r's region. */
static size_t seen_by(const struct raw *r)
{
	uint8_t page[PAGE];
	struct peep p;
	size_t n = 0;

	peep_open(&p, r);
	for (size_t at = 0; at < r->size; at += PAGE) {
		if (!peep(&p, at, page, PAGE))
			continue;
		for (size_t i = 0; i < PAGE; i++)
			n += page[i] == SECRET;
	}
	peep_close(&p);
	return n;
}

/* Makes the receiver read, once, every page of @to that a message of that size occupies. */
static void look_at_all(const struct raw *from, const struct raw *to, size_t size)
{
	struct ipcbus_event ev;
	volatile uint8_t seen;

	memset(secret, 0, size);
	raw_call(from, 0, 1, secret, size);
	raw_take(to, IPCBUS_EVENT_CALL, &ev);
	for (size_t i = 0; i < size; i += PAGE)
		seen = ((const uint8_t *)raw_payload(to, &ev))[i];
	(void)seen;
	raw_reply(to, ev.call, NULL, 0);
	raw_release(to, &ev);
	raw_take(from, IPCBUS_EVENT_REPLY, &ev);
	raw_release(from, &ev);
	memset(secret, SECRET, size);
}

static const size_t sizes[] = { 1, 63, 64, 100, PAGE, PAGE + 1, 5 * PAGE - 1, LARGE };

START_TEST(request)
{
	static const uint32_t kinds[] = { IPCBUS_SEND_CALL, IPCBUS_SEND_ONEWAY };
	size_t size = sizes[_i / 2];
	struct ipcbus_send send = {
		.kind = kinds[_i % 2], .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = size,
	};
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, _i % 2 ? IPCBUS_EVENT_ONEWAY : IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, secret, size);
	ck_assert_uint_eq(seen_by(&srv), size);
	raw_release(&srv, &ev);
	ck_assert_uint_eq(seen_by(&srv), 0);
	assert_result(raw_free(&srv, ev.buffer), -ESTALE);
	/* The space is usable again. */
	raw_round_trip(&oth, 0, &srv, secret, size);
}
END_TEST

START_TEST(reply)
{
	static const uint32_t kinds[] = { IPCBUS_SEND_REPLY, IPCBUS_SEND_ERROR };
	size_t size = sizes[_i / 2];
	struct ipcbus_send send = {
		.kind = kinds[_i % 2], .flags = IPCBUS_SEND_CLEAR, .code = _i % 2,
		.data = PTR64(secret), .data_size = size,
	};
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&cli, _i % 2 ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&cli, &ev, secret, size);
	raw_release(&cli, &ev);
	ck_assert_uint_eq(seen_by(&cli), 0);
}
END_TEST

/* Control: without the flag, other readers can see the bytes. */
START_TEST(buffer_stays_without_the_flag)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 1, secret, 100);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&srv, &ev, secret, 100);
	raw_release(&srv, &ev);
	ck_assert_uint_eq(seen_by(&srv), 100);
}
END_TEST

START_TEST(neighbors_are_not_cleared)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = 2 * PAGE + 40,
	};
	struct ipcbus_event before, ev, after;

	raw_call(&oth, 0, 1, "before", 6);
	raw_take(&srv, IPCBUS_EVENT_CALL, &before);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_call(&oth, 0, 1, "after", 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &after);
	raw_release(&srv, &ev);
	raw_holds(&srv, &before, "before", 6);
	raw_holds(&srv, &after, "after", 5);
}
END_TEST

START_TEST(object_table_too)
{
	struct ipcbus_object o = object_node(srv_node);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .flags = IPCBUS_SEND_CLEAR,
		.objects = PTR64(&o), .object_count = 1,
	};
	const struct ipcbus_object *table;
	struct ipcbus_event ev;

	o.tag = 0x5a5a5a5a5a5a5a5a;
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	table = raw_objects(&cli, &ev);
	ck_assert_uint_eq(table->tag, o.tag);
	assert_ok(raw_put(&cli, table->value, 1));
	raw_release(&cli, &ev);
	ck_assert_uint_eq(seen_by(&cli), 0);
}
END_TEST

START_TEST(parts)
{
	struct ipcbus_iovec parts[] = { { PTR64(secret), 1000 }, { PTR64(secret), 5000 } };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_CLEAR | IPCBUS_SEND_IOV,
		.data = PTR64(parts), .data_size = 6000, .iov_count = 2,
	};
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&srv, &ev, secret, 6000);
	raw_release(&srv, &ev);
	ck_assert_uint_eq(seen_by(&srv), 0);
}
END_TEST

/* --- Dropped before it was taken ------------------------------------------------ */

START_TEST(copy_that_fails)
{
	uint8_t *gone = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	struct ipcbus_iovec parts[] = { { PTR64(secret), 2 * PAGE }, { PTR64(gone), 2 * PAGE } };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_CLEAR | IPCBUS_SEND_IOV,
		.data = PTR64(parts), .data_size = 4 * PAGE, .iov_count = 2,
	};

	look_at_all(&cli, &srv, 4 * PAGE);
	ck_assert_ptr_ne(gone, MAP_FAILED);
	munmap(gone + PAGE, PAGE);
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 1);
	ck_assert_uint_eq(seen_by(&srv), 0);
	munmap(gone, PAGE);
}
END_TEST

START_TEST(node_that_is_destroyed)
{
	struct ipcbus_send send = {
		.kind = _i ? IPCBUS_SEND_ONEWAY : IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = 3 * PAGE,
	};

	look_at_all(&cli, &srv, 3 * PAGE);
	assert_ok(raw_send(&cli, &send, NULL));
	ck_assert_uint_eq(seen_by(&srv), 3 * PAGE);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	/* When the queued message is taken, its node is found to be destroyed. */
	raw_none(&srv);
	ck_assert_uint_eq(seen_by(&srv), 0);
}
END_TEST

START_TEST(caller_that_leaves)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = 3 * PAGE,
	};

	look_at_all(&cli, &srv, 3 * PAGE);
	assert_ok(raw_send(&oth, &send, NULL));
	raw_close(&oth);
	ck_assert_uint_eq(seen_by(&srv), 0);
	raw_none(&srv);
}
END_TEST

START_TEST(caller_that_does_not_take_the_reply)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = 3 * PAGE,
	};
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	ck_assert_uint_eq(seen_by(&cli), 0);
}
END_TEST

/* If several threads release the buffer, only the first clears it and completes the release. */
static int results[2];
static uint64_t shared_buffer;

static void *give_back(void *result)
{
	*(int *)result = raw_free(&srv, shared_buffer);
	return NULL;
}

START_TEST(released_by_two_at_once)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_CLEAR,
		.data = PTR64(secret), .data_size = LARGE,
	};

	for (int i = 0; i < 50; i++) {
		struct ipcbus_event ev;
		struct helper other;

		assert_ok(raw_send(&cli, &send, NULL));
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		shared_buffer = ev.buffer;
		helper_start(&other, give_back, &results[0]);
		give_back(&results[1]);
		helper_end(&other);
		ck_assert_int_eq(!results[0] + !results[1], 1);
		ck_assert_int_eq(results[0] + results[1], -ESTALE);
	}
	ck_assert_uint_eq(seen_by(&srv), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("clear");
	TCase *tc = add_case(s, "released", setup_secret);

	tcase_add_loop_test(tc, request, 0, 2 * ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, reply, 0, 2 * ARRAY_SIZE(sizes));
	tcase_add_test(tc, buffer_stays_without_the_flag);
	tcase_add_test(tc, neighbors_are_not_cleared);
	tcase_add_test(tc, object_table_too);
	tcase_add_test(tc, parts);
	tcase_add_test(tc, released_by_two_at_once);

	tc = add_case(s, "dropped", setup_secret);
	tcase_add_test(tc, copy_that_fails);
	tcase_add_loop_test(tc, node_that_is_destroyed, 0, 2);
	tcase_add_test(tc, caller_that_leaves);
	tcase_add_test(tc, caller_that_does_not_take_the_reply);
	return suite_main(s);
}
