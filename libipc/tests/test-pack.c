// SPDX-License-Identifier: MIT
/*
 * The effects of packing, on the message and on this side, on a fake device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn/frame.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"

PAIR_OF(test)

static const struct test_ops ops = { 0 };

static void begin(void)
{
	begin_pair(&ops, IPC_REGION_DEFAULT);
}

static int send_crate(const Ipc__Test__Crate *crate, const struct ipc_options *options)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	return ipc_rpc_call_with(test_proxy(peer), method_of(&test_interface, "Ship"), options,
				 &crate->base, NULL, NULL);
}

/* An object in a message that cannot be packed was not sent: it ends with its last reference. */
START_TEST(object_in_a_message_that_is_not_sent)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	struct ipc_object *other;

	begin();
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &other), 0);
	id.id = object_id(other);
	crate.object = &id;
	crate.label = (char *)"\xff";
	ck_assert_int_eq(send_crate(&crate, NULL), -EINVAL);
	ipc_object_unref(other);
	crate.label = (char *)"";
	ck_assert_int_eq(send_crate(&crate, NULL), -EBADF);
	end();
}
END_TEST

/* Padding between the parts of a frame does not contain earlier messages. */
START_TEST(padding_contains_no_old_bytes)
{
	static const char *const metadata[] = { "trace", "00-1234", NULL };
	const struct ipc_options options = { .metadata = metadata };
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	const struct frame_header *header;
	char label[2000];
	size_t end_at;

	begin();
	memset(label, 'x', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	for (size_t i = 0; i < 8; i++) {
		crate.label = label;
		ck_assert_int_eq(send_crate(&crate, &options), 0);
		crate.label = label + 1000 + i;
		ck_assert_int_eq(send_crate(&crate, &options), 0);
		header = (const struct frame_header *)fake_last()->data;
		ck_assert_uint_eq(header->magic, FRAME_MAGIC);
		for (size_t at = header->message_size; at % 8; at++)
			ck_assert_uint_eq(fake_last()->data[sizeof(*header) + at], 0);
		end_at = FRAME_ALIGN(header->message_size) + header->metadata_size;
		ck_assert_uint_eq(fake_last()->send.data_size, sizeof(*header) + end_at);
	}
	end();
}
END_TEST

static void on_shipped(int result, Ipc__Test__Crate *reply, const struct ipc_error *error,
		       void *userdata)
{
	(void)reply, (void)error;
	*(int *)userdata = result;
}

/* An async call is also sent as a file if the receiver's region is too small. */
START_TEST(async_call_that_does_not_fit_goes_as_a_file)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	uint8_t *data = calloc(1, 20000);
	int result = 1;

	begin();
	crate.data = (ProtobufCBinaryData){ .len = 20000, .data = data };
	fake.send_error = -EMSGSIZE;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	fake.keep_fds = true;
	ck_assert_int_eq(test_ship_async(peer, NULL, &crate, on_shipped, &result, NULL), 0);
	ck_assert_uint_eq(fake_last()->send.object_count, 1);
	ck_assert_uint_lt(fake_last()->send.data_size, 1000);
	fake_close_fds();
	free(data);
	end();
	ck_assert_int_eq(result, -ECANCELED);
}
END_TEST

int main(void)
{
	return RUN_TESTS("pack", object_in_a_message_that_is_not_sent, padding_contains_no_old_bytes,
			 async_call_that_does_not_fit_goes_as_a_file);
}
