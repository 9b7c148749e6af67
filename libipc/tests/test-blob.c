// SPDX-License-Identifier: MIT
/*
 * Blobs, metadata and shared memory, on a fake device: what is sent of them, and
 * that nothing that arrives is believed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ipc/raw.h>

#include "typed/blob.h"
#include "core/call.h"
#include "fake-device.h"
#include "core/frame.h"
#include "typed/typed.h"
#include "core/object.h"
#include "core/proxy.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"

PAIR_OF(test)
static struct ipc_call *kept;

static int ship(struct ipc_call *call, const Ipc__Test__Crate *crate, void *userdata)
{
	(void)crate;
	(void)userdata;
	kept = ipc_call_ref(call);
	return 0;
}

static const struct test_ops ops = { .ship = ship };

static const struct ipc_method *method_ship(void)
{
	return method_of(&test_interface, "Ship");
}

static void begin(void)
{
	begin_pair(&ops, IPC_REGION_DEFAULT);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
}

/* Sends it, and lets what was sent arrive here as a call. */
static int send_crate(const Ipc__Test__Crate *crate, const struct ipc_options *options)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	return ipc_rpc_call_with(test_proxy(peer), method_ship(), options, &crate->base, NULL,
				 NULL);
}

static void arrive_with(const struct ipcbus_object *objects)
{
	const struct fake_sent *sent = fake_last();
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL,
		.cookie = fake.cookie,
		.code = method_ship()->code,
		.call = 100,
		.buffer = 50,
	};

	kept = NULL;
	fake_push(event, sent->data, sent->send.data_size, objects, sent->send.object_count);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void arrive(void)
{
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];

	memcpy(objects, fake_last()->objects, sizeof(objects));
	for (unsigned int i = 0; i < fake_last()->send.object_count; i++)
		if (objects[i].type == IPCBUS_OBJECT_FD)
			objects[i].value = (uint64_t)dup((int)objects[i].value);
	arrive_with(objects);
}

static const Ipc__Test__Crate *arrived(void)
{
	return (const Ipc__Test__Crate *)((struct typed_call *)kept->block)->request.root;
}

static void check_blob(const Ipc__Blob *blob, const uint8_t *data, size_t size)
{
	ck_assert_uint_eq(ipc_blob_size(blob), size);
	if (size)
		ck_assert_mem_eq(ipc_blob_data(blob), data, size);
	else
		ck_assert_ptr_null(ipc_blob_data(blob));
	ck_assert_uint_eq((uintptr_t)ipc_blob_data(blob) % 8, 0);
}

static uint8_t *pattern(size_t size)
{
	uint8_t *data = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	return data;
}

/* --- There and back -------------------------------------------------------------- */

START_TEST(blobs_of_every_size)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 511, 513, 4096, 60001 };

	begin();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
		Ipc__Blob blob = IPC__BLOB__INIT;
		uint8_t *data = pattern(sizes[i]);

		ipc_blob_set(&blob, data, sizes[i]);
		crate.blob = &blob;
		crate.label = "label";
		ck_assert_int_eq(send_crate(&crate, NULL), 0);
		ck_assert_uint_eq(fake_last()->send.object_count, 0);
		/* Nothing of the sender's memory is sent. */
		ck_assert_ptr_null(memmem(fake_last()->data, fake_last()->send.data_size,
					  &blob.data.data, sizeof(blob.data.data)));
		arrive();
		check_blob(arrived()->blob, data, sizes[i]);
		ck_assert_str_eq(arrived()->label, "label");
		ipc_call_unref(kept);
		free(data);
	}
	end();
}
END_TEST

START_TEST(many_blobs)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	static const size_t sizes[] = { 3, 600, 0, 9, 2000, 1 };
	Ipc__Blob blobs[6], *list[6], chosen = IPC__BLOB__INIT;
	uint8_t *data = pattern(2000);
	struct ipc_call *first;

	begin();
	for (int i = 0; i < 6; i++) {
		ipc__blob__init(&blobs[i]);
		ipc_blob_set(&blobs[i], data, sizes[i]);
		list[i] = &blobs[i];
	}
	ipc_blob_set(&chosen, data + 1, 5);
	crate.blobs = list;
	crate.n_blobs = 6;
	crate.choice_case = IPC__TEST__CRATE__CHOICE_CHOSEN;
	crate.chosen = &chosen;
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	arrive();
	ck_assert_uint_eq(arrived()->n_blobs, 6);
	for (int i = 0; i < 6; i++)
		check_blob(arrived()->blobs[i], data, sizes[i]);
	check_blob(arrived()->chosen, data + 1, 5);

	/* What arrived can be sent on as it is. */
	first = kept;
	ck_assert_int_eq(send_crate(arrived(), NULL), 0);
	arrive();
	ipc_call_unref(first);
	check_blob(arrived()->blobs[4], data, 2000);
	ipc_call_unref(kept);
	free(data);
	end();
}
END_TEST

START_TEST(bytes_in_the_message)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT;

	begin();
	blob.has_data = 1;
	blob.data = (ProtobufCBinaryData){ .data = (uint8_t *)"plain", .len = 5 };
	crate.blob = &blob;
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	ck_assert_uint_ne(fake_last()->data[0], FRAME_MAGIC);
	arrive();
	ck_assert_uint_eq(ipc_blob_size(arrived()->blob), 5);
	ck_assert_mem_eq(ipc_blob_data(arrived()->blob), "plain", 5);
	ck_assert(!arrived()->blob->has_data);
	ipc_call_unref(kept);
	end();
}
END_TEST

START_TEST(blobs_beside_an_object)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT;

	begin();
	id.id = object_id(object);
	crate.object = &id;
	ipc_blob_set(&blob, "bytes", 5);
	crate.blob = &blob;
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	ck_assert_uint_eq(fake_last()->send.object_count, 1);
	arrive_with(&(struct ipcbus_object){ .type = IPCBUS_OBJECT_NODE, .cookie = fake.cookie,
					     .tag = id.id });
	check_blob(arrived()->blob, (const uint8_t *)"bytes", 5);
	ck_assert_uint_eq(arrived()->object->id, id.id);
	ipc_call_unref(kept);
	end();
}
END_TEST

START_TEST(blobs_that_are_none)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT, *list[IPC_BLOBS_MAX + 1];

	begin();
	crate.blob = &blob;
	blob.has_size = 1;
	blob.size = 5;
	ck_assert_int_eq(send_crate(&crate, NULL), -EINVAL);
	blob.data.len = 5;
	ck_assert_int_eq(send_crate(&crate, NULL), -EINVAL);
	ipc_blob_set(&blob, "12345", 5);
	for (int i = 0; i <= IPC_BLOBS_MAX; i++)
		list[i] = &blob;
	crate.blob = NULL;
	crate.blobs = list;
	crate.n_blobs = IPC_BLOBS_MAX + 1;
	ck_assert_int_eq(send_crate(&crate, NULL), -E2BIG);
	crate.n_blobs = IPC_BLOBS_MAX;
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	end();
}
END_TEST

/* --- Replies ---------------------------------------------------------------------- */

START_TEST(a_reply_keeps_its_buffer)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT;
	ProtobufCMessage *reply = NULL;
	uint8_t *data = pattern(3000);

	begin();
	/* A served call is replied to with a blob, at once: the sender's memory is in it. */
	crate.label = "request";
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	arrive();
	ipc_blob_set(&blob, data, 3000);
	crate.blob = &blob;
	ck_assert_int_eq(test_reply_ship(kept, &crate), 0);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	ck_assert_uint_gt(fake_last()->send.iov_count, 1);
	ipc_call_unref(kept);

	/* And that arrives with its caller. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 61 },
		  fake_last()->data, fake_last()->send.data_size, NULL, 0);
	crate.blob = NULL;
	fake.n_released = 0;
	ck_assert_int_eq(ipc_rpc_call_with(test_proxy(peer), method_ship(), NULL, &crate.base,
					   &reply, NULL), 0);
	check_blob(((Ipc__Test__Crate *)reply)->blob, data, 3000);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(send_crate(&crate, NULL), 0);
	for (unsigned int i = 0; i < fake.n_released; i++)
		ck_assert_uint_ne(fake.released[i], 61);
	ipc_rpc_free(reply);
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	ck_assert_uint_eq(fake.released[fake.n_released - 1], 61);
	free(data);
	end();
}
END_TEST

/* --- Metadata --------------------------------------------------------------------- */

START_TEST(metadata_travels)
{
	static const char *const metadata[] = { "trace", "00-1234", "empty", "", "last", "x", NULL };
	struct ipc_options options = { .metadata = metadata };
	const char *name, *value;
	int i = 0;
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;

	begin();
	crate.label = "with";
	ck_assert_int_eq(send_crate(&crate, &options), 0);
	arrive();
	ck_assert_str_eq(arrived()->label, "with");
	ck_assert_str_eq(ipc_call_metadata(kept, "trace"), "00-1234");
	ck_assert_str_eq(ipc_call_metadata(kept, "empty"), "");
	ck_assert_str_eq(ipc_call_metadata(kept, "last"), "x");
	ck_assert_ptr_null(ipc_call_metadata(kept, "00-1234"));
	ck_assert_ptr_null(ipc_call_metadata(kept, ""));
	for (name = ipc_raw_next_metadata(kept, NULL, &value); name;
	     name = ipc_raw_next_metadata(kept, name, &value), i += 2) {
		ck_assert_str_eq(name, metadata[i]);
		ck_assert_str_eq(value, metadata[i + 1]);
	}
	ck_assert_int_eq(i, 6);
	ipc_call_unref(kept);

	options.metadata = metadata + 6;
	ck_assert_int_eq(send_crate(&crate, &options), 0);
	ck_assert_uint_ne(fake_last()->data[0], FRAME_MAGIC);
	arrive();
	ck_assert_ptr_null(ipc_call_metadata(kept, "trace"));
	ipc_call_unref(kept);
	end();
}
END_TEST

/* --- Strangers ---------------------------------------------------------------------- */

/* What becomes of a payload: 0 it reached the handler, else the errno it was refused with. */
static int take(const void *payload, size_t size, const struct ipcbus_object *objects,
		unsigned int n_objects)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL,
		.cookie = fake.cookie,
		.code = method_ship()->code,
		.call = 100,
	};

	kept = NULL;
	fake_push(event, payload, size, objects, n_objects);
	ck_assert_int_eq(ipc_process(ipc), 1);
	if (!kept)
		return -(int)fake_last()->send.code;
	ipc_call_unref(kept);
	return 0;
}

START_TEST(frames_that_are_none)
{
	struct { struct frame_header header; uint8_t rest[64]; } p = {
		.header = { .magic = FRAME_MAGIC },
	};
	const void *message;
	size_t size;

	begin();
	ck_assert_int_eq(take(&p, 16, NULL, 0), 0);
	for (size_t n = 1; n < 16; n++)
		ck_assert_int_eq(take(&p, n, NULL, 0), -EBADMSG);
	p.header.in_file = 1;
	ck_assert_int_eq(take(&p, 16, NULL, 0), -EBADMSG);
	for (unsigned int i = 0; i < 3; i++) {
		p.header = (struct frame_header){ .magic = FRAME_MAGIC };
		p.header.zero[i] = 1;
		ck_assert_int_eq(take(&p, 16, NULL, 0), -EBADMSG);
	}
	p.header = (struct frame_header){ .magic = FRAME_MAGIC, .message_size = 65 };
	ck_assert_int_eq(take(&p, 80, NULL, 0), -EBADMSG);
	ck_assert_int_eq(ipc_payload_message(&p, 80, &message, &size), -EBADMSG);
	p.header.message_size = UINT32_MAX;
	ck_assert_int_eq(take(&p, 80, NULL, 0), -EBADMSG);
	p.header = (struct frame_header){ .magic = FRAME_MAGIC, .metadata_size = 65 };
	ck_assert_int_eq(take(&p, 80, NULL, 0), -EBADMSG);
	/* Metadata without an end. */
	p.header.metadata_size = 3;
	memcpy(p.rest, "abc", 3);
	ck_assert_int_eq(take(&p, 80, NULL, 0), -EBADMSG);
	/* A name without a value is none. */
	memcpy(p.rest, "ab", 3);
	ck_assert_int_eq(take(&p, 80, NULL, 0), 0);
	end();
}
END_TEST

/* Packs a blob's field as given, in a frame with so many bytes behind it. */
static size_t pack_blob(uint8_t *to, Ipc__Blob *blob, size_t behind)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	struct frame_header header = { .magic = FRAME_MAGIC };
	size_t size;

	crate.blob = blob;
	size = ipc__test__crate__pack(&crate, to + sizeof(header));
	header.message_size = (uint32_t)size;
	memcpy(to, &header, sizeof(header));
	return sizeof(header) + FRAME_ALIGN(size) + behind;
}

START_TEST(blobs_that_did_not_come)
{
	uint64_t payload[32] = { 0 };
	uint8_t *data = (uint8_t *)payload;
	Ipc__Blob blob = IPC__BLOB__INIT;
	size_t size;

	begin();
	blob.has_size = 1;
	blob.size = 9;
	size = pack_blob(data, &blob, 8);
	ck_assert_int_eq(take(data, size, NULL, 0), -EBADMSG);
	ck_assert_int_eq(take(data, size + 1, NULL, 0), 0);
	/* Not in a frame at all. */
	ck_assert_int_eq(take(data + 16, ((struct frame_header *)data)->message_size, NULL, 0),
			 -EBADMSG);
	blob.size = UINT64_MAX;
	size = pack_blob(data, &blob, 8);
	ck_assert_int_eq(take(data, size, NULL, 0), -EBADMSG);
	end();
}
END_TEST

/* What a program of bytes sees of blobs in a payload. */
START_TEST(blobs_are_found_in_a_payload)
{
	uint64_t payload[32] = { 0 };
	uint8_t *data = (uint8_t *)payload;
	Ipc__Blob blob = IPC__BLOB__INIT;
	const void *blobs;
	size_t size, all;

	blob.has_size = 1;
	blob.size = 9;
	all = pack_blob(data, &blob, 9);
	ck_assert_int_eq(ipc_payload_blobs(data, all, &blobs, &size), 0);
	ck_assert_ptr_eq(blobs, data + all - 9);
	ck_assert_uint_eq(size, 9);
	ck_assert_int_eq(ipc_payload_blobs("x", 1, &blobs, &size), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(ipc_payload_blobs(data, 15, &blobs, &size), -EBADMSG);
	ck_assert_int_eq(ipc_payload_blobs(NULL, 1, &blobs, &size), -EINVAL);
	ck_assert_int_eq(ipc_payload_blobs("x", 1, NULL, &size), -EINVAL);
	ck_assert_int_eq(ipc_payload_blobs("x", 1, &blobs, NULL), -EINVAL);
	ck_assert_int_eq(ipc_payload_message("x", 1, NULL, &size), -EINVAL);
	ck_assert_int_eq(ipc_payload_message("x", 1, &blobs, NULL), -EINVAL);
}
END_TEST

/* --- Memory ------------------------------------------------------------------------- */

static void give(const struct ipc_memory *memory)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Memory field = IPC__MEMORY__INIT;
	Ipc__Fd fd = IPC__FD__INIT;

	ipc_memory_put(&field, &fd, memory);
	crate.memory = &field;
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	arrive();
}

START_TEST(memory_that_both_see)
{
	ipc_auto(ipc_memory_unref) struct ipc_memory *ours = NULL, *theirs = NULL;

	begin();
	ck_assert_int_eq(ipc_memory_new(8192, IPC_MEMORY_WRITE, &ours), 0);
	give(ours);
	ck_assert_int_eq(ipc_memory_take(arrived()->memory, IPC_MEMORY_WRITE, &theirs), 0);
	ck_assert_int_eq(ipc_memory_take(arrived()->memory, 0, &theirs), -ENOENT);
	ipc_call_unref(kept);
	ck_assert_uint_eq(ipc_memory_size(theirs), 8192);
	strcpy(ipc_memory_data(ours), "there");
	ck_assert_str_eq(ipc_memory_data(theirs), "there");
	strcpy(ipc_memory_data(theirs), "back");
	ck_assert_str_eq(ipc_memory_data(ours), "back");
	ck_assert_int_eq(ipc_memory_is_sealed(theirs), 0);

	/* Not while somebody may write. */
	ck_assert_int_eq(ipc_memory_seal(ours), -EBUSY);
	theirs = ipc_memory_unref(theirs);
	ck_assert_int_eq(ipc_memory_seal(ours), 0);
	ck_assert_int_eq(ipc_memory_seal(ours), 0);
	ck_assert_str_eq(ipc_memory_data(ours), "back");
	end();
}
END_TEST

START_TEST(memory_that_only_we_write)
{
	ipc_auto(ipc_memory_unref) struct ipc_memory *ours = NULL, *theirs = NULL;

	begin();
	ck_assert_int_eq(ipc_memory_new(4096, 0, &ours), 0);
	give(ours);
	ck_assert_int_eq(ipc_memory_take(arrived()->memory, IPC_MEMORY_WRITE, &theirs), -EPERM);
	ipc_call_unref(kept);
	give(ours);
	ck_assert_int_eq(ipc_memory_take(arrived()->memory, 0, &theirs), 0);
	ipc_call_unref(kept);
	strcpy(ipc_memory_data(ours), "frame 1");
	ck_assert_str_eq(ipc_memory_data(theirs), "frame 1");
	strcpy(ipc_memory_data(ours), "frame 2");
	ck_assert_str_eq(ipc_memory_data(theirs), "frame 2");
	ck_assert_int_eq(mprotect(ipc_memory_data(theirs), 4096, PROT_READ | PROT_WRITE), -1);

	ck_assert_ptr_eq(ipc_memory_ref(theirs), theirs);
	ipc_memory_unref(theirs);
	theirs = ipc_memory_unref(theirs);
	ck_assert_int_eq(ipc_memory_seal(ours), 0);
	give(ours);
	ck_assert_int_eq(ipc_memory_take(arrived()->memory, IPC_MEMORY_WRITE, &theirs), -EPERM);
	ck_assert_int_eq(ipc_memory_take(arrived()->memory, 0, &theirs), 0);
	ck_assert_int_eq(ipc_memory_is_sealed(theirs), 1);
	ck_assert_str_eq(ipc_memory_data(theirs), "frame 2");
	ipc_call_unref(kept);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("blob", blobs_of_every_size, many_blobs, bytes_in_the_message,
			 blobs_beside_an_object, blobs_that_are_none,
			 a_reply_keeps_its_buffer, metadata_travels, frames_that_are_none,
			 blobs_that_did_not_come, blobs_are_found_in_a_payload,
			 memory_that_both_see, memory_that_only_we_write);
}
