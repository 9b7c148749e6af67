// SPDX-License-Identifier: MIT
/*
 * Blobs and shared memory between processes: the same lines on both sides from
 * nothing to much of a machine's memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/blob.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* --- The server ------------------------------------------------------------------- */

/* Frames are distinguished by their first byte. */
static struct ipc_memory *kept;

static uint32_t sum(const uint8_t *data, size_t size)
{
	uint32_t n = (uint32_t)size;

	/* Not all of a gigabyte: its beginning and its end. */
	for (size_t i = 0; i < size && i < 100000; i++)
		n = n * 31 + data[i] + data[size - 1 - i];
	return n;
}

static int weigh(struct ipc_call *call, const E2e__Parcel *parcel, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;
	int r;

	(void)userdata;
	if (parcel->memory) {
		kept = ipc_memory_unref(kept);
		r = ipc_memory_take(parcel->memory, 0, &kept);
		if (r < 0)
			return r;
	}
	if (parcel->blob)
		reply.sum = sum(ipc_blob_data(parcel->blob), ipc_blob_size(parcel->blob));
	else if (kept)
		reply.sum = sum(ipc_memory_data(kept), ipc_memory_size(kept));
	return counter_reply_weigh(call, &reply);
}

static int copy(struct ipc_call *call, const E2e__Parcel *parcel, void *userdata)
{
	(void)userdata;
	return counter_reply_copy(call, parcel);
}

static const struct counter_ops handlers = { .weigh = weigh, .copy = copy };

static int serve(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = counter_object_new(ipc, &handlers, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

/* --- The client ------------------------------------------------------------------- */

static pid_t pid;
static struct ipc *ipc;
static struct counter *counter;

static void begin_sized(size_t theirs, size_t ours)
{
	struct server_options options = { .threads = 1, .prepare = serve, .region_size = theirs };
	struct ipc_proxy *proxy;

	pid = start_server(&options);
	ck_assert_int_eq(ipc_open_sized(&ipc, NULL, ours), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	counter = counter_from_proxy(proxy);
}

static void begin(void)
{
	begin_sized(IPC_REGION_DEFAULT, IPC_REGION_DEFAULT);
}

static void end(void)
{
	counter_unref(counter);
	ipc_unref(ipc);
	kill_server(pid);
}

static uint8_t *pattern(size_t size)
{
	uint8_t *data = malloc(size + 1);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	return data;
}

static uint32_t weighed(const E2e__Parcel *parcel)
{
	ipc_auto(counter_weigh_reply_free) E2e__AddReply *reply = NULL;

	ck_assert_int_eq(counter_weigh(counter, parcel, &reply, NULL), 0);
	return reply->sum;
}

START_TEST(no_cliff)
{
	static const size_t sizes[] = {
		0, 1, 511, 512, 4096, 65536, 3000000, 17 << 20,
	};

	begin();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ipc_auto(counter_copy_reply_free) E2e__Parcel *back = NULL;
		E2e__Parcel parcel = E2E__PARCEL__INIT;
		Ipc__Blob blob = IPC__BLOB__INIT;
		uint8_t *data = pattern(sizes[i]);

		ipc_blob_set(&blob, data, sizes[i]);
		parcel.blob = &blob;
		ck_assert_uint_eq(weighed(&parcel), sum(data, sizes[i]));
		ck_assert_int_eq(counter_copy(counter, &parcel, &back, NULL), 0);
		ck_assert_uint_eq(ipc_blob_size(back->blob), sizes[i]);
		if (sizes[i])
			ck_assert_mem_eq(ipc_blob_data(back->blob), data, sizes[i]);
		free(data);
	}
	end();
}
END_TEST

START_TEST(replies_stay_where_they_arrived)
{
	E2e__Parcel *kept[20];
	E2e__Parcel parcel = E2E__PARCEL__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT;
	uint8_t *data = pattern(60000 + 20);

	begin();
	parcel.blob = &blob;
	for (int i = 0; i < 20; i++) {
		ipc_blob_set(&blob, data + i, 60000);
		ck_assert_int_eq(counter_copy(counter, &parcel, &kept[i], NULL), 0);
	}
	for (int i = 0; i < 20; i++) {
		ck_assert_mem_eq(ipc_blob_data(kept[i]->blob), data + i, 60000);
		/* The last ones even when the connection is gone. */
		if (i == 10) {
			counter = counter_unref(counter);
			ipc = ipc_unref(ipc);
		}
		counter_copy_reply_free(kept[i]);
	}
	free(data);
	end();
}
END_TEST

/* Where there is little space, less is large. */
START_TEST(small_regions)
{
	uint8_t *data = pattern(500000);

	for (int i = 0; i < 2; i++) {
		ipc_auto(counter_copy_reply_free) E2e__Parcel *back = NULL;
		E2e__Parcel parcel = E2E__PARCEL__INIT;
		Ipc__Blob blob = IPC__BLOB__INIT;

		begin_sized(i ? 65536 : IPC_REGION_DEFAULT, i ? IPC_REGION_DEFAULT : 65536);
		ipc_blob_set(&blob, data, 500000);
		parcel.blob = &blob;
		ck_assert_int_eq(counter_copy(counter, &parcel, &back, NULL), 0);
		ck_assert_uint_eq(ipc_blob_size(back->blob), 500000);
		ck_assert_mem_eq(ipc_blob_data(back->blob), data, 500000);
		end();
	}
	free(data);
}
END_TEST

START_TEST(a_stream_of_frames)
{
	ipc_auto(ipc_memory_unref) struct ipc_memory *memory = NULL;
	E2e__Parcel first = E2E__PARCEL__INIT, next = E2E__PARCEL__INIT;
	Ipc__Memory field = IPC__MEMORY__INIT;
	Ipc__Fd fd = IPC__FD__INIT;

	begin();
	ck_assert_int_eq(ipc_memory_new(2 << 20, 0, &memory), 0);
	ipc_memory_put(&field, &fd, memory);
	first.memory = &field;
	for (int i = 0; i < 50; i++) {
		memset(ipc_memory_data(memory), i, ipc_memory_size(memory));
		ck_assert_uint_eq(weighed(i ? &next : &first),
				  sum(ipc_memory_data(memory), ipc_memory_size(memory)));
	}
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("blob", no_cliff, replies_stay_where_they_arrived, small_regions,
			 a_stream_of_frames);
}
