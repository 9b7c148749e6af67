// SPDX-License-Identifier: MIT
/*
 * Received bytes that stay in the payload: which bytes, and for how long. The message must
 * otherwise equal the result of a copying decoder, for any input.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bale.h"
#include "core/call.h"
#include "fake-device.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"
#include "typed/typed.h"

PAIR_OF(barn)
static struct ipc_call *kept;

static int store(struct ipc_call *call, const Ipc__Test__Bale *request, void *userdata)
{
	(void)request, (void)userdata;
	kept = ipc_call_ref(call);
	return 0;
}

static const struct barn_ops ops = { .store = store, .own = store };

static void begin(void)
{
	begin_pair(&ops, 64 << 10);
}

static bool was_released(uint64_t buffer)
{
	for (unsigned int i = 0; i < fake.n_released; i++)
		if (fake.released[i] == buffer)
			return true;
	return false;
}

/* --- Requests --------------------------------------------------------------------- */

static const Ipc__Test__Bale *arrive_packed(const char *method, const uint8_t *data, size_t size)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL,
		.cookie = fake.cookie,
		.code = method_of(&barn_interface, method)->number,
		.call = 100,
		.buffer = 50,
	};

	kept = NULL;
	fake_push(event, data, size, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_ptr_nonnull(kept);
	return (const Ipc__Test__Bale *)((struct typed_call *)kept->block)->request.root;
}

static const Ipc__Test__Bale *arrive(const char *method, const Ipc__Test__Bale *bale)
{
	const Ipc__Test__Bale *got;
	size_t size;
	uint8_t *data = bale_pack(bale, &size);

	got = arrive_packed(method, data, size);
	free(data);
	return got;
}

static bool is_in_payload(const ProtobufCBinaryData *bytes)
{
	return bytes->data >= kept->payload &&
	       bytes->data + bytes->len <= kept->payload + kept->size;
}

START_TEST(large_bytes_of_a_request_stay_in_the_region)
{
	static const size_t sizes[] = { 1, BORROW_MIN - 1, BORROW_MIN, 60000 };
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	const Ipc__Test__Bale *got;

	begin();
	bale.straw.data = bale_pattern(60000);
	bale.weight = 7;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bale.straw.len = sizes[i];
		got = arrive("Store", &bale);
		ck_assert_uint_eq(got->straw.len, sizes[i]);
		ck_assert_mem_eq(got->straw.data, bale.straw.data, sizes[i]);
		ck_assert_uint_eq(got->weight, 7);
		ck_assert(is_in_payload(&got->straw) == (sizes[i] >= BORROW_MIN));
		ck_assert(!was_released(50));
		ipc_call_unref(kept);
		ck_assert(was_released(50));
		fake.n_released = 0;
	}
	free(bale.straw.data);
	end();
}
END_TEST

/* With metadata, the message is in a frame. */
START_TEST(beside_metadata)
{
	const char *metadata[] = { "name", "value", NULL };
	struct ipc_options options = { .metadata = metadata };
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	const Ipc__Test__Bale *got;

	begin();
	bale.straw.data = bale_pattern(9000);
	bale.straw.len = 9000;
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_rpc_call_with(barn_proxy(peer), method_of(&barn_interface, "Store"),
					   &options, &bale.base, NULL, NULL), 0);
	got = arrive_packed("Store", fake_last()->data, fake_last()->send.data_size);
	ck_assert_uint_eq(got->straw.len, 9000);
	ck_assert_mem_eq(got->straw.data, bale.straw.data, 9000);
	ck_assert(is_in_payload(&got->straw));
	ck_assert_str_eq(ipc_call_metadata(kept, "name"), "value");
	ipc_call_unref(kept);
	free(bale.straw.data);
	end();
}
END_TEST

START_TEST(a_method_with_copies_has_copies)
{
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	const Ipc__Test__Bale *got;

	begin();
	bale.straw.data = bale_pattern(60000);
	bale.straw.len = 60000;
	got = arrive("Own", &bale);
	ck_assert(!is_in_payload(&got->straw));
	/* A copy may be written to. */
	memset(got->straw.data, 1, got->straw.len);
	ipc_call_unref(kept);
	free(bale.straw.data);
	end();
}
END_TEST

/* --- Replies ---------------------------------------------------------------------- */

static Ipc__Test__Bale *call(int (*method)(struct barn *barn, const Ipc__Test__Bale *request,
					   Ipc__Test__Bale **ret_reply, struct ipc_error *error),
			     uint64_t buffer, size_t size)
{
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	Ipc__Test__Bale *reply = NULL;
	size_t packed_size;
	uint8_t *data;

	bale.straw.data = bale_pattern(size);
	bale.straw.len = size;
	data = bale_pack(&bale, &packed_size);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = buffer }, data,
		  packed_size, NULL, 0);
	bale.straw.len = 1;
	ck_assert_int_eq(method(peer, &bale, &reply, NULL), 0);
	ck_assert_uint_eq(reply->straw.len, size);
	ck_assert_mem_eq(reply->straw.data, bale.straw.data, size);
	free(bale.straw.data);
	free(data);
	return reply;
}

static void reply_free(Ipc__Test__Bale *reply)
{
	ipc_rpc_free(&reply->base);
}

/* Releases buffers that wait for the next exchange. */
static void flush(void)
{
	struct thread *t;

	ck_assert_int_eq(thread_get(ipc, &t), 0);
	ck_assert_int_eq(thread_flush(t), 0);
}

START_TEST(a_reply_holds_its_buffer)
{
	Ipc__Test__Bale *reply;

	begin();
	reply = call(barn_store, 60, BORROW_MIN);
	flush();
	ck_assert(!was_released(60));
	reply_free(reply);
	flush();
	ck_assert(was_released(60));

	reply = call(barn_store, 61, BORROW_MIN - 10);
	flush();
	ck_assert(was_released(61));
	reply_free(reply);

	reply = call(barn_own, 62, BORROW_MIN);
	flush();
	ck_assert(was_released(62));
	memset(reply->straw.data, 1, reply->straw.len);
	reply_free(reply);
	end();
}
END_TEST

START_TEST(replies_outlive_the_connection)
{
	Ipc__Test__Bale *reply;

	begin();
	reply = call(barn_store, 60, BORROW_MIN);
	end();
	ck_assert_uint_eq(reply->straw.data[1], 7);
	reply_free(reply);
	ck_assert(was_released(60));
}
END_TEST

START_TEST(replies_borrow_a_quarter_of_the_region)
{
	Ipc__Test__Bale *replies[4];

	begin();
	for (uint64_t i = 0; i < 4; i++)
		replies[i] = call(barn_store, 60 + i, 5000);
	flush();
	for (uint64_t i = 0; i < 4; i++)
		ck_assert(was_released(60 + i) == (i == 3));
	reply_free(replies[0]);
	/* Then there is space for another reply. */
	replies[0] = call(barn_store, 64, 5000);
	flush();
	ck_assert(was_released(60));
	ck_assert(!was_released(64));
	for (size_t i = 0; i < 4; i++)
		reply_free(replies[i]);
	flush();
	for (uint64_t i = 0; i < 5; i++)
		ck_assert(was_released(60 + i));
	ck_assert_uint_eq(ipc->borrowed, 0);
	end();
}
END_TEST

START_TEST(invalid_reply_is_released)
{
	uint8_t data[2 * BORROW_MIN];
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	Ipc__Test__Bale *reply = NULL;

	begin();
	memset(data, 0xff, sizeof(data));
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 60 }, data,
		  sizeof(data), NULL, 0);
	ck_assert_int_eq(barn_store(peer, &bale, &reply, NULL), -EBADMSG);
	ck_assert_ptr_null(reply);
	flush();
	ck_assert(was_released(60));
	ck_assert_uint_eq(ipc->borrowed, 0);
	end();
}
END_TEST

/* --- Equal to a copy ----------------------------------------------------------------- */

static uint64_t block[256];

/* Returns the message packed again, or NULL if it is invalid. The caller frees it. */
static uint8_t *unpack(bool borrow, const uint8_t *data, size_t size, size_t *ret_size,
		       bool *ret_borrows)
{
	struct message message;
	uint8_t *again = NULL;

	message_init(&message, block, sizeof(block), size);
	if (message_unpack(&message, &ipc__test__bale__descriptor, borrow, data, size) == 0)
		again = bale_pack((const Ipc__Test__Bale *)message.root, ret_size);
	*ret_borrows = message.borrows;
	message_done(&message);
	return again;
}

/* Returns whether it is a message with borrowed bytes. */
static bool compare(const uint8_t *data, size_t size)
{
	/* Exactly that long, for tools that check bounds. */
	uint8_t *exact = malloc(size ? size : 1);
	size_t copied_size = 0, borrowed_size = 0;
	uint8_t *copied, *borrowed;
	bool borrows;

	memcpy(exact, data, size);
	copied = unpack(false, exact, size, &copied_size, &borrows);
	ck_assert(!borrows);
	borrowed = unpack(true, exact, size, &borrowed_size, &borrows);
	ck_assert(!copied == !borrowed);
	ck_assert_uint_eq(copied_size, borrowed_size);
	if (copied)
		ck_assert_mem_eq(copied, borrowed, copied_size);
	free(copied);
	free(borrowed);
	free(exact);
	return copied && borrows;
}

/* A message, or several concatenated messages, which protobuf merges. */
static uint8_t *some_bales(size_t *ret_size)
{
	uint8_t *all = NULL;

	*ret_size = 0;
	do {
		Ipc__Test__Bale *bale = bale_new(/* depth= */ 3);
		size_t size;
		uint8_t *data = bale_pack(bale, &size);
		uint8_t *more = realloc(all, *ret_size + size + 1);

		ck_assert_ptr_nonnull(more);
		all = more;
		memcpy(all + *ret_size, data, size);
		*ret_size += size;
		free(data);
		ipc__test__bale__free_unpacked(bale, NULL);
	} while (rand() % 4 == 0);
	return all;
}

START_TEST(messages_of_every_shape)
{
	unsigned int borrowed = 0;

	srand(1);
	for (int round = 0; round < 3000; round++) {
		size_t size;
		uint8_t *data = some_bales(&size);

		borrowed += compare(data, size);
		free(data);
	}
	/* Otherwise this test would be useless. */
	ck_assert_uint_gt(borrowed, 500);
}
END_TEST

START_TEST(damaged_messages)
{
	unsigned int borrowed = 0;

	srand(2);
	for (int round = 0; round < 3000; round++) {
		size_t size;
		uint8_t *data = some_bales(&size);

		for (int i = 0; size && i < 8; i++) {
			size_t at = (size_t)rand() % (rand() % 2 ? size : size < 32 ? size : 32);

			if (rand() % 2)
				data[at] = (uint8_t)rand();
			else
				data[at] ^= (uint8_t)(1 << rand() % 8);
			borrowed += compare(data, rand() % 8 ? size : (size_t)rand() % (size + 1));
		}
		free(data);
	}
	ck_assert_uint_gt(borrowed, 200);
}
END_TEST

/* Sizes encoded with more bytes than needed, up to five. */
START_TEST(long_sizes)
{
	static const uint8_t sizes[][8] = {
		{ 0x80, 0x20 }, { 0x80, 0xa0, 0 }, { 0x80, 0xa0, 0x80, 0 },
		{ 0x80, 0xa0, 0x80, 0x80, 0 }, { 0x80, 0xa0, 0x80, 0x80, 0x80, 0 },
	};
	uint8_t data[16 + 4096] = { 1 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED };

	for (size_t i = 0; i < 5; i++) {
		memcpy(data + 1, sizes[i], i + 2);
		ck_assert(compare(data, 1 + i + 2 + 4096) == (i < 4));
	}
}
END_TEST

/* A tree of bales with bytes in each: borrowed if they are a large part of the payload. */
START_TEST(deep_messages)
{
	Ipc__Test__Bale bales[BORROW_SHARE + 1];
	uint8_t *bytes = bale_pattern(BORROW_MIN);
	size_t size;
	uint8_t *data;

	for (size_t i = 0; i < sizeof(bales) / sizeof(*bales); i++) {
		ipc__test__bale__init(&bales[i]);
		bales[i].straw = (ProtobufCBinaryData){ .len = BORROW_MIN, .data = bytes };
		bales[i].inner = i ? &bales[i - 1] : NULL;
	}
	data = bale_pack(&bales[BORROW_SHARE - 2], &size);
	ck_assert(compare(data, size));
	free(data);
	data = bale_pack(&bales[BORROW_SHARE], &size);
	ck_assert(!compare(data, size));
	free(data);
	free(bytes);
}
END_TEST

/* So that a few bytes do not keep a large payload. */
START_TEST(bytes_that_are_a_small_part_are_copied)
{
	static const size_t lengths[] = { 1, 60000, 30 * BORROW_MIN, 40 * BORROW_MIN };
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;

	bale.straw = (ProtobufCBinaryData){ .len = BORROW_MIN, .data = bale_pattern(BORROW_MIN) };
	bale.choice_case = IPC__TEST__BALE__CHOICE_CHOSEN_TEXT;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t size;
		uint8_t *data;

		bale.chosen_text = malloc(lengths[i] + 1);
		memset(bale.chosen_text, 'x', lengths[i]);
		bale.chosen_text[lengths[i]] = 0;
		data = bale_pack(&bale, &size);
		ck_assert(compare(data, size) == (size / BORROW_SHARE <= BORROW_MIN));
		free(data);
		free(bale.chosen_text);
	}
	free(bale.straw.data);
}
END_TEST

int main(void)
{
	return RUN_TESTS("borrow", large_bytes_of_a_request_stay_in_the_region, beside_metadata,
			 a_method_with_copies_has_copies, a_reply_holds_its_buffer,
			 replies_outlive_the_connection, replies_borrow_a_quarter_of_the_region,
			 invalid_reply_is_released, messages_of_every_shape, damaged_messages,
			 long_sizes, deep_messages, bytes_that_are_a_small_part_are_copied);
}
