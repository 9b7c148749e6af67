// SPDX-License-Identifier: MIT
/*
 * Metadata in frames and shared memory, on a fake device: the sent frames, and that malformed
 * frames are refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ipc/raw.h>

#include <ipc/memory.h>
#include "core/call.h"
#include "fake-device.h"
#include "conn/frame.h"
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

/* Sends the message, which then arrives here as a call. */
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
		.code = method_ship()->number,
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

	for (size_t odd = 0; odd < 2; odd++) {
		const char *const wrong[] = { odd ? "name" : "", odd ? NULL : "value", NULL };

		options.metadata = wrong;
		ck_assert_int_eq(ipc_rpc_call_with(test_proxy(peer), method_ship(), &options,
						   &crate.base, NULL, NULL), -EINVAL);
	}
	options.metadata = metadata + 6;
	ck_assert_int_eq(send_crate(&crate, &options), 0);
	ck_assert_uint_ne(fake_last()->data[0], FRAME_MAGIC);
	arrive();
	ck_assert_ptr_null(ipc_call_metadata(kept, "trace"));
	ipc_call_unref(kept);
	end();
}
END_TEST

/* Calls, oneways and streams refuse a name that is empty or without a value. */
START_TEST(metadata_that_is_incomplete_is_refused)
{
	static const char *const odd[] = { "trace", "1", "user", NULL };
	static const char *const only[] = { "trace", NULL };
	static const char *const empty[] = { "", "1", NULL };
	static const char *const later[] = { "trace", "1", "", "2", NULL };
	static const char *const *const wrong[] = { odd, only, empty, later };
	const struct ipc_raw_message request = { .method = 1 };
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	struct ipc_raw_message *reply;
	struct ipc_stream *stream;

	begin();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct ipc_options options = { .metadata = wrong[i] };

		ck_assert_int_eq(send_crate(&crate, &options), -EINVAL);
		ck_assert_int_eq(ipc_raw_call(test_proxy(peer), &request, &options, &reply, NULL),
				 -EINVAL);
		ck_assert_int_eq(ipc_raw_oneway(test_proxy(peer), &request, &options), -EINVAL);
		ck_assert_int_eq(ipc_raw_stream_open(test_proxy(peer), 1, &options, &stream, NULL),
				 -EINVAL);
	}
	ck_assert_uint_eq(fake.n_sent, 0);
	end();
}
END_TEST

static char logged[256];

static void on_log(int priority, const char *text, void *userdata)
{
	(void)priority, (void)userdata;
	snprintf(logged, sizeof(logged), "%s", text);
}

/* Functions without an error log the field. */
START_TEST(text_that_is_not_utf8_is_named)
{
	static const char text[] = "ipc: %s: a message was not sent: ipc.test.%s: the field %s is "
				   "not valid UTF-8";
	const struct ipc_raw_message numbered = { .method = 1 };
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	char expected[256];

	begin();
	ipc_set_log(on_log, NULL);
	ck_assert_int_eq(send_crate(&crate, NULL), 0);
	arrive();
	crate.label = request.text = "12345678\xff";
	ck_assert_int_eq(test_reply_ship(kept, &crate), -EINVAL);
	snprintf(expected, sizeof(expected), text, "Ship", "Crate", "label");
	ck_assert_str_eq(logged, expected);
	ck_assert_int_eq(test_log(peer, &request), -EINVAL);
	snprintf(expected, sizeof(expected), text, "Log", "EchoRequest", "text");
	ck_assert_str_eq(logged, expected);
	/* The call is still open. A reply has no method. */
	ck_assert_int_eq(ipc_raw_reply(kept, &numbered), -EINVAL);
	crate.label = "good";
	ck_assert_int_eq(test_reply_ship(kept, &crate), 0);
	ipc_set_log(NULL, NULL);
	ipc_call_unref(kept);
	end();
}
END_TEST

/* --- Hostile senders ------------------------------------------------------------------ */

/* Returns 0 if the payload reached the handler, or the errno with which it was refused. */
static int take(const void *payload, size_t size, const struct ipcbus_object *objects,
		unsigned int n_objects)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL,
		.cookie = fake.cookie,
		.code = method_ship()->number,
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
	/* Metadata without a terminator. */
	p.header.metadata_size = 3;
	memcpy(p.rest, "abc", 3);
	ck_assert_int_eq(take(&p, 16 + 8, NULL, 0), -EBADMSG);
	/* A name without a value is ignored, and padding may be missing. */
	memcpy(p.rest, "ab", 3);
	ck_assert_int_eq(take(&p, 16 + 8, NULL, 0), 0);
	ck_assert_int_eq(take(&p, 16 + 3, NULL, 0), 0);
	/* Bytes after the metadata. */
	ck_assert_int_eq(take(&p, 16 + 9, NULL, 0), -EBADMSG);
	end();
}
END_TEST

START_TEST(messages_are_found_in_a_payload)
{
	const void *message;
	size_t size;

	ck_assert_int_eq(ipc_payload_message("x", 1, &message, &size), 0);
	ck_assert_uint_eq(size, 1);
	ck_assert_int_eq(ipc_payload_message(NULL, 1, &message, &size), -EINVAL);
	ck_assert_int_eq(ipc_payload_message("x", 1, NULL, &size), -EINVAL);
	ck_assert_int_eq(ipc_payload_message("x", 1, &message, NULL), -EINVAL);
}
END_TEST

/* --- Memory ------------------------------------------------------------------------- */

static void give(const struct ipc_memory *memory)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Memory field = IPC__MEMORY__INIT;
	Ipc__Fd fd = IPC__FD__INIT;

	fd.fd = ipc_memory_get_fd(memory);
	field.fd = &fd;
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
	ck_assert_int_eq(ipc_memory_take(&arrived()->memory->fd->fd, IPC_MEMORY_WRITE, &theirs), 0);
	ck_assert_int_eq(ipc_memory_take(&arrived()->memory->fd->fd, 0, &theirs), -ENOENT);
	ipc_call_unref(kept);
	ck_assert_uint_eq(ipc_memory_size(theirs), 8192);
	strcpy(ipc_memory_data(ours), "there");
	ck_assert_str_eq(ipc_memory_data(theirs), "there");
	strcpy(ipc_memory_data(theirs), "back");
	ck_assert_str_eq(ipc_memory_data(ours), "back");
	ck_assert_int_eq(ipc_memory_is_sealed(theirs), 0);

	/* Fails while another process may write. */
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
	ck_assert_int_eq(ipc_memory_take(&arrived()->memory->fd->fd, IPC_MEMORY_WRITE, &theirs),
			 -EPERM);
	ipc_call_unref(kept);
	give(ours);
	ck_assert_int_eq(ipc_memory_take(&arrived()->memory->fd->fd, 0, &theirs), 0);
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
	ck_assert_int_eq(ipc_memory_take(&arrived()->memory->fd->fd, IPC_MEMORY_WRITE, &theirs),
			 -EPERM);
	ck_assert_int_eq(ipc_memory_take(&arrived()->memory->fd->fd, 0, &theirs), 0);
	ck_assert_int_eq(ipc_memory_is_sealed(theirs), 1);
	ck_assert_str_eq(ipc_memory_data(theirs), "frame 2");
	ipc_call_unref(kept);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("frame", metadata_travels, metadata_that_is_incomplete_is_refused, text_that_is_not_utf8_is_named,
			 frames_that_are_none,
			 messages_are_found_in_a_payload, memory_that_both_see,
			 memory_that_only_we_write);
}
