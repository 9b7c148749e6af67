// SPDX-License-Identifier: MIT
/*
 * Shared memory between processes: the server keeps memory that it received once, and sees later
 * writes of the client.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/memory.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* --- The server ------------------------------------------------------------------- */

/* The first byte of each frame identifies it. */
static struct ipc_memory *kept;

static uint32_t sum(const uint8_t *data, size_t size)
{
	uint32_t n = (uint32_t)size;

	for (size_t i = 0; i < size; i++)
		n = n * 31 + data[i];
	return n;
}

static int weigh(struct ipc_call *call, const E2e__Parcel *parcel, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;
	int r;

	(void)userdata;
	if (parcel->memory) {
		kept = ipc_memory_unref(kept);
		r = ipc_memory_take(&parcel->memory->fd->fd, 0, &kept);
		if (r < 0)
			return r;
	}
	if (kept)
		reply.sum = sum(ipc_memory_data(kept), ipc_memory_size(kept));
	return counter_reply_weigh(call, &reply);
}

static const struct counter_ops handlers = { .weigh = weigh };

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

static void begin(void)
{
	struct server_options options = { .threads = 1, .prepare = serve };
	struct ipc_proxy *proxy;

	pid = start_server(&options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	counter = counter_from_proxy(proxy);
}

static void end(void)
{
	counter_unref(counter);
	ipc_unref(ipc);
	kill_server(pid);
}

static uint32_t weighed(const E2e__Parcel *parcel)
{
	ipc_auto(counter_weigh_reply_free) E2e__AddReply *reply = NULL;

	ck_assert_int_eq(counter_weigh(counter, parcel, &reply, NULL), 0);
	return reply->sum;
}

START_TEST(memory_is_sent_once)
{
	ipc_auto(ipc_memory_unref) struct ipc_memory *memory = NULL;
	E2e__Parcel first = E2E__PARCEL__INIT, next = E2E__PARCEL__INIT;
	Ipc__Memory field = IPC__MEMORY__INIT;
	Ipc__Fd fd = IPC__FD__INIT;

	begin();
	ck_assert_int_eq(ipc_memory_new(2 << 20, 0, &memory), 0);
	fd.fd = ipc_memory_get_fd(memory);
	field.fd = &fd;
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
	return RUN_TESTS("memory", memory_is_sent_once);
}
