// SPDX-License-Identifier: MIT
/*
 * Large bytes that are sent in place: for every message, the same bytes arrive as if it had been
 * packed as a whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bale.h"
#include "fake-device.h"
#include "conn/thread.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"
#include "typed/pack.h"

PAIR_OF(barn)
static struct ipc_call *kept;
static bool keep;
static size_t reply_size;

/* The reply's bytes are invalid after the handler returns. */
static int store(struct ipc_call *call, const Ipc__Test__Bale *request, void *userdata)
{
	Ipc__Test__Bale reply = IPC__TEST__BALE__INIT;
	int r;

	(void)request, (void)userdata;
	if (keep) {
		kept = ipc_call_ref(call);
		return 0;
	}
	reply.straw.data = bale_pattern(reply_size);
	reply.straw.len = reply_size;
	r = barn_reply_store(call, &reply);
	memset(reply.straw.data, 0, reply_size);
	free(reply.straw.data);
	return r;
}

static const struct barn_ops ops = { .store = store };

static void begin(void)
{
	keep = false;
	begin_pair(&ops, IPC_REGION_DEFAULT);
}

static void check_sent(const Ipc__Test__Bale *bale)
{
	size_t size;
	uint8_t *data = bale_pack(bale, &size);

	ck_assert_uint_eq(fake_last()->send.data_size, size);
	ck_assert_mem_eq(fake_last()->data, data, size);
	free(data);
}

static void call_store(const Ipc__Test__Bale *bale)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(barn_store(peer, bale, NULL, NULL), 0);
	check_sent(bale);
}

static unsigned int parts_sent(void)
{
	const struct ipcbus_send *send = &fake_last()->send;

	ck_assert(!send->iov_count == !(send->flags & IPCBUS_SEND_IOV));
	return send->iov_count;
}

/* --- Requests --------------------------------------------------------------------- */

START_TEST(only_large_bytes_are_a_part)
{
	static const size_t sizes[] = { 0, 1, 4096, GATHER_MIN - 1, GATHER_MIN, 60000 };
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;

	begin();
	bale.straw.data = bale_pattern(60000);
	bale.weight = 3;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bale.straw.len = sizes[i];
		call_store(&bale);
		ck_assert_uint_eq(parts_sent(), sizes[i] >= GATHER_MIN ? 3 : 0);
	}
	free(bale.straw.data);
	end();
}
END_TEST

START_TEST(bytes_of_a_small_part_of_the_message_are_copied)
{
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	ProtobufCBinaryData bundles[5];

	begin();
	bale.bundles = bundles;
	for (bale.n_bundles = 0; bale.n_bundles < 5; bale.n_bundles++)
		bundles[bale.n_bundles] = (ProtobufCBinaryData){
			.len = bale.n_bundles ? GATHER_MIN - 1 : GATHER_MIN,
			.data = bale_pattern(GATHER_MIN),
		};
	call_store(&bale);
	ck_assert_uint_eq(parts_sent(), 0);
	for (size_t i = 0; i < 5; i++)
		free(bundles[i].data);
	end();
}
END_TEST

/* Packs a message, and gathers fields of at least @min bytes. */
static int pack(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		size_t min, struct ipcbus_send *send)
{
	return message_pack(packed, t, message, IPC_METHOD_REQUEST_BYTES, /* metadata= */ NULL, min,
			    send);
}

/* As many fields as there are parts, and a further field. */
START_TEST(fields_without_a_part_are_copied)
{
	struct packed packed;
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	ProtobufCBinaryData bundles[ENCODE_LARGE + 1];
	struct ipcbus_send send = { 0 };
	struct thread *t;

	begin();
	ck_assert_int_eq(thread_get(ipc, &t), 0);
	bale.bundles = bundles;
	bale.n_bundles = ENCODE_LARGE + 1;
	for (size_t i = 0; i <= ENCODE_LARGE; i++)
		bundles[i] = (ProtobufCBinaryData){ .len = 64, .data = bale_pattern(64) };
	ck_assert_int_eq(pack(&packed, t, &bale.base, 64, &send), 0);
	ck_assert_uint_eq(send.iov_count, 2 * ENCODE_LARGE);
	ck_assert_uint_eq(packed.parts[1].size, 2 + 64 + 2);
	ck_assert_uint_eq(packed.parts[2].base, (uintptr_t)bundles[1].data);
	for (size_t i = 0; i <= ENCODE_LARGE; i++)
		free(bundles[i].data);
	end();
}
END_TEST

/* Gathers once all bytes from the smallest size on, and once as the library does. */
static unsigned int check_gathered(const Ipc__Test__Bale *bale, size_t min)
{
	struct packed packed;
	const struct ipcbus_iovec *part;
	struct ipcbus_send send = { 0 };
	struct thread *t;
	uint8_t *data;
	size_t size, at = 0;

	ck_assert_int_eq(thread_get(ipc, &t), 0);
	data = bale_pack(bale, &size);
	ck_assert_int_eq(pack(&packed, t, &bale->base, min, &send), 0);
	ck_assert_uint_eq(send.data_size, size);
	ck_assert_uint_le(send.iov_count, GATHER_PARTS);
	part = (const struct ipcbus_iovec *)(uintptr_t)send.data;
	for (unsigned int i = 0; i < send.iov_count; i++, part++) {
		ck_assert_uint_le(part->size, size - at);
		ck_assert_mem_eq((void *)(uintptr_t)part->base, data + at, part->size);
		at += part->size;
	}
	if (send.iov_count)
		ck_assert_uint_eq(at, size);
	else if (size)
		ck_assert_mem_eq((void *)(uintptr_t)send.data, data, size);
	free(data);
	return send.iov_count > 0;
}

START_TEST(messages_of_every_shape)
{
	unsigned int gathered = 0, whole = 0;

	begin();
	srand(1);
	for (int round = 0; round < 3000; round++) {
		Ipc__Test__Bale *bale = bale_new(/* depth= */ 3);
		unsigned int n;

		n = check_gathered(bale, round % 2 ? GATHER_MIN : 1);
		gathered += n;
		whole += !n;
		ipc__test__bale__free_unpacked(bale, NULL);
	}
	/* Otherwise this test would be useless. */
	ck_assert_uint_gt(gathered, 500);
	ck_assert_uint_gt(whole, 100);
	end();
}
END_TEST

/* --- Replies ---------------------------------------------------------------------- */

static void arrive(void)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL,
		.cookie = fake.cookie,
		.code = method_of(&barn_interface, "Store")->number,
		.call = 100,
		.buffer = 50,
	};

	fake_push(event, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void check_reply(size_t size)
{
	Ipc__Test__Bale reply = IPC__TEST__BALE__INIT;

	reply.straw.data = bale_pattern(size);
	reply.straw.len = size;
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	ck_assert_uint_eq(fake_last()->send.call, 100);
	check_sent(&reply);
	free(reply.straw.data);
}

START_TEST(large_replies_do_not_outlive_the_handler)
{
	static const size_t sizes[] = { 1, GATHER_MIN, GATHER_REPLY_MIN - 1, GATHER_REPLY_MIN,
					60000 };

	begin();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		reply_size = sizes[i];
		arrive();
		/* Queued requests are sent with the next exchange. */
		ck_assert_int_eq(ipc_process(ipc), 0);
		check_reply(sizes[i]);
		ck_assert_uint_eq(parts_sent(), sizes[i] >= GATHER_REPLY_MIN ? 2 : 0);
	}
	end();
}
END_TEST

START_TEST(a_kept_call_is_replied_to_in_parts)
{
	Ipc__Test__Bale reply = IPC__TEST__BALE__INIT;

	begin();
	keep = true;
	arrive();
	reply.straw.data = bale_pattern(GATHER_MIN);
	reply.straw.len = GATHER_MIN;
	ck_assert_int_eq(barn_reply_store(kept, &reply), 0);
	free(reply.straw.data);
	check_reply(GATHER_MIN);
	ck_assert_uint_eq(parts_sent(), 2);
	ck_assert_int_eq(barn_reply_store(kept, &reply), -EALREADY);
	ipc_call_unref(kept);
	end();
}
END_TEST

/* The handler gets the error of the reply, and the caller the error from the handler. */
START_TEST(large_reply_that_fails)
{
	begin();
	reply_size = GATHER_REPLY_MIN;
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_REPLY;
	fake.send_error_more = 1;	/* as a file, too */
	arrive();
	ck_assert_int_eq(ipc_process(ipc), 0);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, ENOSPC);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("gather", only_large_bytes_are_a_part,
			 bytes_of_a_small_part_of_the_message_are_copied,
			 fields_without_a_part_are_copied,
			 messages_of_every_shape,
			 large_replies_do_not_outlive_the_handler,
			 a_kept_call_is_replied_to_in_parts,
			 large_reply_that_fails);
}
