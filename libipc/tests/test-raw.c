// SPDX-License-Identifier: MIT
/*
 * Messages of bytes, <ipc/raw.h>, on a fake device: their contents, their lifetimes, and failures.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/errors.h"
#include "core/object.h"
#include "core/proxy.h"
#include "core/request.h"
#include "core/stream.h"
#include "base/wire.h"
#include "fake-device.h"
#include "test-run.h"

static struct ipc *ipc;
static struct ipc_proxy *proxy;
static struct ipc_object *object;
static int (*on_serve)(struct ipc_call *call, const struct ipc_raw_message *request);
static unsigned int destroyed;
static pid_t served_in;

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	ck_assert_ptr_eq(userdata, &object);
	return on_serve(call, request);
}

static void on_destroy(void *userdata)
{
	ck_assert_ptr_eq(userdata, &object);
	destroyed++;
}

static const struct ipc_raw_ops ops = {
	.interface = "test.Raw",
	.flags = IPC_RAW_ACCEPT_FDS,
	.serve = serve,
	.destroy = on_destroy,
};

static void begin(void)
{
	fake_reset();
	destroyed = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, &object, &object), 0);
	object_id(object);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
}

static void end(void)
{
	ipc_proxy_unref(proxy);
	ipc_object_unref(object);
	ipc_unref(ipc);
	ck_assert_uint_eq(destroyed, 1);
}

static void push(uint32_t kind, const char *text, const struct ipcbus_object *objects,
		 unsigned int n)
{
	struct ipcbus_event event = {
		.kind = kind,
		.cookie = fake.cookie,
		.code = 7,
		.call = kind == IPCBUS_EVENT_CALL ? 100 : 0,
		.buffer = 50,
		.error = kind == IPCBUS_EVENT_ERROR || kind == IPCBUS_EVENT_FAILED ? -EIO : 0,
	};

	fake_push(event, text, strlen(text), objects, n);
}

static void check_sent(uint32_t kind, const char *text)
{
	ck_assert_uint_eq(fake_last()->send.kind, kind);
	ck_assert_uint_eq(fake_last()->send.data_size, strlen(text));
	ck_assert_mem_eq(fake_last()->data, text, strlen(text));
}

static void on_end(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata);

static int is_oneway;

static int note_kind(struct ipc_call *call, const struct ipc_raw_message *request)
{
	(void)request;
	is_oneway = ipc_call_is_oneway(call);
	return is_oneway ? 0 : ipc_call_fail(call, EIO, NULL, NULL);
}

START_TEST(a_handler_knows_a_oneway)
{
	begin();
	on_serve = note_kind;
	is_oneway = -1;
	push(IPCBUS_EVENT_ONEWAY, "hello", NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(is_oneway, 1);
	push(IPCBUS_EVENT_CALL, "hello", NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(is_oneway, 0);
	end();
}
END_TEST

/* --- Calling -------------------------------------------------------------------- */

START_TEST(call_is_a_single_exchange)
{
	const struct ipc_raw_message request = { .method = 9, .data = "hello", .size = 5 };
	struct ipc_raw_message *reply;

	begin();
	push(IPCBUS_EVENT_REPLY, "world", NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(fake.exchanges, 1);
	check_sent(IPCBUS_SEND_CALL, "hello");
	ck_assert_uint_eq(fake_last()->send.code, 9);
	ck_assert_uint_eq(fake_last()->send.handle, 5);
	ck_assert(!(fake_last()->send.flags & IPCBUS_SEND_ACCEPT_FDS));
	ck_assert_uint_eq(reply->size, 5);
	ck_assert_mem_eq(reply->data, "world", 5);
	ck_assert_uint_eq(reply->n_entries, 0);

	/* The bytes stay in the region until the reply is freed. */
	ck_assert_uint_eq(fake.n_released, 0);
	ipc_raw_free(reply);
	ipc_raw_free(NULL);
	push(IPCBUS_EVENT_REPLY, "", NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert_uint_eq(fake.released[0], 50);
	end();
}
END_TEST

START_TEST(parts_and_metadata)
{
	const struct iovec parts[] = { { "hel", 3 }, { "", 0 }, { "lo", 2 } };
	const char *const metadata[] = { "trace", "1", NULL };
	const struct ipc_options options = { .metadata = metadata };
	const struct ipc_raw_message request = { .parts = parts, .n_parts = 3 };
	const void *message;
	size_t size;

	begin();
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), 0);
	check_sent(IPCBUS_SEND_ONEWAY, "hello");
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, &options), 0);
	ck_assert_int_eq(ipc_payload_message(fake_last()->data, fake_last()->send.data_size,
					     &message, &size), 0);
	ck_assert_uint_eq(size, 5);
	ck_assert_mem_eq(message, "hello", 5);
	end();
}
END_TEST

START_TEST(requests_that_are_none)
{
	static struct ipc_raw_entry many[IPC_RAW_ENTRIES_MAX + 1];
	const struct iovec parts[IPC_RAW_PARTS_MAX + 1] = { { "a", 1 } };
	struct ipc_raw_entry entry = { .tag = 1, .type = 99 };
	struct ipc_raw_message request = { .entries = &entry, .n_entries = 1 };
	const char *const metadata[] = { "a", "b", NULL };
	const struct ipc_options framed = { .metadata = metadata };
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_object *other_object;
	struct ipc *other;

	begin();
	ck_assert_int_eq(ipc_open(&other, NULL), 0);
	ck_assert_int_eq(ipc_raw_object_new(other, &ops, &object, &other_object), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, NULL, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_call(NULL, &request, NULL, NULL, &error), -EINVAL);
	ck_assert_int_eq(error.code, -EINVAL);
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EINVAL);
	entry.type = IPC_RAW_FD;
	entry.fd = -1;
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EBADF);
	entry.type = IPC_RAW_PROXY;
	entry.proxy = NULL;
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EBADF);
	entry.type = IPC_RAW_OBJECT;
	entry.object = other_object;
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EBADF);
	for (unsigned int i = 0; i <= IPC_RAW_ENTRIES_MAX; i++)
		many[i] = (struct ipc_raw_entry){ .type = IPC_RAW_OBJECT, .object = object };
	request = (struct ipc_raw_message){ .entries = many, .n_entries = IPC_RAW_ENTRIES_MAX + 1 };
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -E2BIG);
	request = (struct ipc_raw_message){ .parts = parts, .n_parts = IPC_RAW_PARTS_MAX + 1 };
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -E2BIG);
	request = (struct ipc_raw_message){ .parts = parts, .n_parts = 1, .data = "x", .size = 1 };
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EINVAL);
	request = (struct ipc_raw_message){ .size = 1 };
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EINVAL);
	/* Frames have 32-bit sizes. */
	request = (struct ipc_raw_message){ .data = "x", .size = (size_t)UINT32_MAX + 1 };
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, &framed), -EMSGSIZE);
	/* A oneway has no reply that could contain fds. */
	request = (struct ipc_raw_message){ .flags = IPC_RAW_ACCEPT_FDS };
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EINVAL);
	request.flags = 1U << 31;
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), -EINVAL);
	ck_assert_uint_eq(fake.n_sent, 0);
	ipc_object_unref(other_object);
	ipc_unref(other);
	ck_assert_uint_eq(destroyed, 1);
	destroyed = 0;
	end();
}
END_TEST

/* The buffer keeps the object alive. */
START_TEST(buffer_with_an_own_object_is_released_at_once)
{
	struct ipc_raw_message request = { .method = 1 }, *reply;
	struct ipcbus_object came = { IPCBUS_OBJECT_NODE, .tag = 3 };

	begin();
	came.cookie = fake.cookie;
	push(IPCBUS_EVENT_REPLY, "", &came, 1);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(fake.n_released, 0);
	ipc_raw_free(reply);
	ck_assert_uint_eq(fake.n_released, 1);
	push(IPCBUS_EVENT_REPLY, "", &came, 1);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert_uint_eq(fake.n_released, 2);
	/* A handle does not depend on the buffer. */
	came = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1 };
	push(IPCBUS_EVENT_REPLY, "", &came, 1);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ipc_raw_free(reply);
	ck_assert_uint_eq(fake.n_released, 2);
	end();
}
END_TEST

START_TEST(entries_both_ways)
{
	struct ipcbus_object came[3] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1 },
		{ IPCBUS_OBJECT_FD, .value = (uint64_t)open("/dev/null", O_RDONLY), .tag = 2 },
		{ IPCBUS_OBJECT_NODE, .cookie = fake.cookie, .tag = 3 },
	};
	struct ipc_raw_entry entries[] = {
		{ .tag = 77, .type = IPC_RAW_OBJECT },
		{ .tag = 78, .type = IPC_RAW_PROXY },
		{ .tag = 79, .type = IPC_RAW_FD, .fd = 0 },
	};
	struct ipc_raw_message request = {
		.flags = IPC_RAW_ACCEPT_FDS, .entries = entries, .n_entries = 3,
	};
	struct ipc_raw_message *reply;
	int fd = (int)came[1].value;

	begin();
	came[2].cookie = fake.cookie;
	entries[0].object = object;
	entries[1].proxy = proxy;
	push(IPCBUS_EVENT_REPLY, "", came, 3);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(fake_last()->send.object_count, 3);
	ck_assert_uint_eq(fake_last()->objects[0].type, IPCBUS_OBJECT_NODE);
	ck_assert_uint_eq(fake_last()->objects[0].value, 1);
	ck_assert_uint_eq(fake_last()->objects[0].tag, 77);
	ck_assert_uint_eq(fake_last()->objects[1].type, IPCBUS_OBJECT_HANDLE);
	ck_assert_uint_eq(fake_last()->objects[1].value, 5);
	ck_assert_uint_eq(fake_last()->objects[2].type, IPCBUS_OBJECT_FD);
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_ACCEPT_FDS);

	ck_assert_uint_eq(reply->n_entries, 3);
	ck_assert_uint_eq(reply->entries[0].tag, 1);
	ck_assert_uint_eq(reply->entries[0].proxy->handle, 9);
	ck_assert_int_eq(reply->entries[1].fd, fd);
	ck_assert_ptr_eq(reply->entries[2].object, object);
	/* Taken fds stay open. All other fds are closed. */
	ck_assert_int_eq(ipc_take_fd(&reply->entries[1].fd), fd);
	ipc_raw_free(reply);
	ck_assert_uint_eq(fake.n_puts, 1);
	ck_assert_uint_eq(fake.put_handle, 9);
	ck_assert_int_eq(close(fd), 0);
	end();
}
END_TEST

START_TEST(the_longest_table)
{
	const struct ipc_raw_message request = { .method = 1 };
	struct ipcbus_object came[IPCBUS_MAX_OBJECTS];
	struct ipc_raw_message *reply;
	const struct reply *memory;

	begin();
	for (unsigned int i = 0; i < IPCBUS_MAX_OBJECTS; i++)
		came[i] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = i };
	push(IPCBUS_EVENT_REPLY, "bytes", came, IPCBUS_MAX_OBJECTS);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->n_entries, IPCBUS_MAX_OBJECTS);
	for (unsigned int i = 0; i < IPCBUS_MAX_OBJECTS; i++)
		ck_assert_uint_eq(reply->entries[i].tag, i);
	/* All entries are in its memory, which begins with a struct reply. */
	memory = (const struct reply *)reply - 1;
	ck_assert_uint_ge(memory->size, (size_t)((char *)&reply->entries[IPCBUS_MAX_OBJECTS] -
						 (char *)memory));
	ipc_raw_free(reply);
	ck_assert_uint_eq(fake.put_count, IPCBUS_MAX_OBJECTS);
	end();
}
END_TEST

START_TEST(unrequested_fds_are_closed)
{
	struct ipcbus_object came = {
		IPCBUS_OBJECT_FD, .value = (uint64_t)open("/dev/null", O_RDONLY),
	};
	const struct ipc_raw_message request = { .method = 1 };

	begin();
	push(IPCBUS_EVENT_REPLY, "", &came, 1);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert_int_eq(close((int)came.value), -1);
	end();
}
END_TEST

START_TEST(an_object_that_was_not_sent)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	const struct ipc_raw_message request = { .entries = &entry, .n_entries = 1 };

	begin();
	entry.object = object;
	fake.send_error = -EOWNERDEAD;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), -EOWNERDEAD);
	ck_assert(object->maybe_idle);
	push(IPCBUS_EVENT_FAILED, "", NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), -EIO);
	ck_assert(object->maybe_idle);
	push(IPCBUS_EVENT_REPLY, "", NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert(!object->maybe_idle);

	fake.send_error = -EOWNERDEAD;
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, on_end, NULL, NULL),
			 -EOWNERDEAD);
	ck_assert(object->maybe_idle);
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, on_end, NULL, NULL), 0);
	ck_assert(!object->maybe_idle);
	end();
}
END_TEST

START_TEST(errors_are_explained)
{
	struct ipc_error sent = { .name = "some.Name", .text = "a text", .number = -7 };
	const struct ipc_raw_message request = { .method = 1 };
	struct ipc_error error = IPC_ERROR_INIT;
	char bytes[200] = "";

	begin();
	sent.details = "xyz";
	sent.details_size = 3;
	ck_assert_uint_lt(error_size(&sent), sizeof(bytes));
	bytes[error_encode(&sent, (uint8_t *)bytes)] = '\0';
	push(IPCBUS_EVENT_ERROR, bytes, NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, &error), -EIO);
	ck_assert_int_eq(error.code, -EIO);
	ck_assert_str_eq(error.name, "some.Name");
	ck_assert_str_eq(error.text, "a text");
	ck_assert_int_eq(error.number, -7);
	ck_assert_uint_eq(error.details_size, 3);
	ck_assert_mem_eq(error.details, "xyz", 3);
	/* Truncated anywhere: the errno is kept. */
	for (size_t n = strlen(bytes) - 1; n; n--) {
		bytes[n] = '\0';
		push(IPCBUS_EVENT_ERROR, bytes, NULL, 0);
		ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, &error), -EIO);
		ck_assert_int_eq(error.code, -EIO);
		if (n % 20 == 0) {
			fake_reset();
			ipc_error_done(&error);
		}
	}
	ipc_error_done(&error);
	end();
}
END_TEST

/* --- Async calls -------------------------------------------------------------------- */

static struct ipc_raw_message *kept;
static int result;
static unsigned int ended;

static void on_end(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, r);
	result = r;
	ended++;
	if (userdata)
		ipc_raw_keep(reply);
	kept = userdata ? reply : NULL;
}

static void push_end(uint32_t kind, uint64_t id)
{
	fake_push((struct ipcbus_event){ .kind = kind, .cookie = id, .buffer = 60,
					 .error = kind == IPCBUS_EVENT_REPLY ? 0 : -EIO },
		  "later", 5, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

START_TEST(async_calls)
{
	const struct ipc_raw_message request = { .method = 1 };
	begin();
	ended = 0;
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, on_end, &ended, NULL), 0);
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_ASYNC);
	push_end(IPCBUS_EVENT_REPLY, fake_last()->send.cookie);
	ck_assert_int_eq(result, 0);
	ck_assert_mem_eq(kept->data, "later", 5);
	ipc_raw_free(kept);

	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, on_end, NULL, NULL), 0);
	push_end(IPCBUS_EVENT_ERROR, fake_last()->send.cookie);
	ck_assert_int_eq(result, -EIO);
	/* A call that is open when the connection closes. */
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, on_end, NULL, NULL), 0);
	end();
	ck_assert_uint_eq(ended, 3);
	ck_assert_int_eq(result, -ECANCELED);
}
END_TEST

/* --- Serving ------------------------------------------------------------------------ */

static int echo(struct ipc_call *call, const struct ipc_raw_message *request)
{
	const struct ipc_raw_message reply = { .data = request->data, .size = request->size };

	ck_assert(request->method == 7 && ipc_raw_reply(call, request) == -EINVAL);
	ck_assert_int_eq(ipc_raw_reply(call, &reply), 0);
	ck_assert_int_eq(ipc_raw_reply(call, &reply), -EALREADY);
	ck_assert_int_eq(ipc_raw_fail(call, EIO, NULL, 0), -EALREADY);
	return 0;
}

START_TEST(served_call_is_a_single_exchange)
{
	begin();
	on_serve = echo;
	push(IPCBUS_EVENT_CALL, "hello", NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	check_sent(IPCBUS_SEND_REPLY, "hello");
	ck_assert_uint_eq(fake_last()->send.call, 100);
	ck_assert_uint_eq(fake.released[0], 50);
	end();
}
END_TEST

static int reply_in_parts(struct ipc_call *call, const struct ipc_raw_message *request)
{
	const struct iovec parts[] = { { "wor", 3 }, { "", 0 }, { "ld", 2 } };
	const struct ipc_raw_message reply = { .parts = parts, .n_parts = 3 };

	(void)request;
	return ipc_raw_reply(call, &reply);
}

START_TEST(a_reply_in_parts)
{
	begin();
	on_serve = reply_in_parts;
	push(IPCBUS_EVENT_CALL, "hello", NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	check_sent(IPCBUS_SEND_REPLY, "world");
	end();
}
END_TEST

static int refuse(struct ipc_call *call, const struct ipc_raw_message *request)
{
	(void)request;
	ck_assert_int_eq(ipc_raw_fail(call, 0, NULL, 0), -EINVAL);
	ck_assert_int_eq(ipc_raw_fail(call, 5000, NULL, 0), -EINVAL);
	return ipc_raw_fail(call, -EREMOTEIO, "bytes", 5);
}

START_TEST(errors_of_a_handler)
{
	begin();
	on_serve = refuse;
	push(IPCBUS_EVENT_CALL, "", NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	check_sent(IPCBUS_SEND_ERROR, "bytes");
	ck_assert_uint_eq(fake_last()->send.code, EREMOTEIO);
	end();
}
END_TEST

static struct ipc_call *held;
static const struct ipc_raw_message *held_request;

static int hold(struct ipc_call *call, const struct ipc_raw_message *request)
{
	held = ipc_call_ref(call);
	held_request = request;
	return 0;
}

START_TEST(replied_to_later)
{
	struct ipcbus_object handle = { IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 };
	const struct iovec parts[] = { { "la", 2 }, { "ter", 3 } };
	struct ipc_raw_entry entry = { .tag = 4, .type = IPC_RAW_PROXY };
	struct ipc_raw_message reply = { .parts = parts, .n_parts = 2 };

	begin();
	on_serve = hold;
	push(IPCBUS_EVENT_CALL, "hello", &handle, 1);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake.n_sent, 0);
	ck_assert_mem_eq(held_request->data, "hello", 5);
	ck_assert_uint_eq(held_request->entries[0].proxy->handle, 9);
	entry.proxy = held_request->entries[0].proxy;
	reply.entries = &entry;
	reply.n_entries = 1;
	/* If the reply cannot be sent, the call stays open. */
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_REPLY;
	ck_assert_int_eq(ipc_raw_reply(held, &reply), -ENOSPC);
	ck_assert_int_eq(ipc_raw_reply(held, &reply), 0);
	check_sent(IPCBUS_SEND_REPLY, "later");
	ck_assert_uint_eq(fake_last()->objects[0].value, 9);
	ck_assert_uint_eq(fake.n_puts, 0);
	ipc_call_unref(held);
	ck_assert_uint_eq(fake.n_puts, 1);
	end();
}
END_TEST

static int never(struct ipc_call *call, const struct ipc_raw_message *request)
{
	(void)call, (void)request;
	ck_abort_msg("not to be served");
	return 0;
}

START_TEST(methods_served_by_the_library)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL, .code = IPC_NUMBER_PING, .call = 100, .buffer = 50,
	};

	begin();
	on_serve = never;
	event.cookie = fake.cookie;
	fake_push(event, "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	check_sent(IPCBUS_SEND_REPLY, "");
	/* A stream whose end is this object. */
	event.code = STREAM_CREDIT;
	event.kind = IPCBUS_EVENT_ONEWAY;
	fake_push(event, "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	event.kind = IPCBUS_EVENT_CALL;
	/* A destroyed object. */
	event.cookie = 4711;
	fake_push(event, "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EOWNERDEAD);
	end();
}
END_TEST

static int fork_here(struct ipc_call *call, const struct ipc_raw_message *request)
{
	(void)call, (void)request;
	/* The driver did not request more threads. */
	ck_assert_uint_eq(ipc->pool.started, 0);
	served_in = fork();
	return 0;
}

static void stop(void)
{
	ipc_stop(ipc);
}

/* The serving threads belong to the parent. */
START_TEST(a_handler_that_forks)
{
	int status, r;

	begin();
	on_serve = fork_here;
	fake.on_empty = stop;
	push(IPCBUS_EVENT_ONEWAY, "", NULL, 0);
	r = ipc_run(ipc);
	if (!served_in)
		_exit(r == -ECHILD ? 0 : 1);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(waitpid(served_in, &status, 0), served_in);
	ck_assert_int_eq(status, 0);
	end();
}
END_TEST

/* The first published sizes, without later members. */
#define FIRST_MESSAGE 56
#define FIRST_OPS     40

/* Returns a copy of these bytes that ends where the mapping ends. */
static void *at_the_end(const void *from, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	ck_assert(memory != MAP_FAILED);
	ck_assert_int_eq(mprotect(memory + page, page, PROT_NONE), 0);
	return memcpy(memory + page - size, from, size);
}

static const struct ipc_raw_message *old_reply;

static int reply_old(struct ipc_call *call, const struct ipc_raw_message *request)
{
	ck_assert_uint_eq(request->flags, 0);
	ck_assert_int_eq(ipc_raw_reply(call, &(struct ipc_raw_message){ .flags = 1U << 31 }),
			 -EINVAL);
	return ipc_raw_reply(call, old_reply);
}

/* A structure without a size member: bytes beyond the program's version are not read. */
START_TEST(programs_of_the_first_version)
{
	static const struct ipc_raw_message message = { .data = "hello", .size = 5 };
	const struct ipc_raw_message *old = at_the_end(&message, FIRST_MESSAGE);
	const struct ipc_raw_ops *old_ops = at_the_end(&ops, FIRST_OPS);
	struct ipc_object *old_object;

	/* Entries of an array cannot grow. */
	ck_assert_uint_eq(sizeof(struct ipc_raw_entry), 24);
	begin();
	ck_assert_int_eq(ipc_raw_oneway(proxy, old, NULL), 0);
	check_sent(IPCBUS_SEND_ONEWAY, "hello");
	push(IPCBUS_EVENT_REPLY, "world", NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, old, NULL, NULL, NULL), 0);
	ck_assert_int_eq(ipc_raw_call_async(proxy, old, NULL, on_end, NULL, NULL), 0);

	old_reply = old;
	on_serve = reply_old;
	push(IPCBUS_EVENT_CALL, "hello", NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(ipc_process(ipc), 0);
	check_sent(IPCBUS_SEND_REPLY, "hello");

	ck_assert_int_eq(ipc_raw_object_new(ipc, old_ops, &object, &old_object), 0);
	ipc_object_unref(old_object);
	destroyed = 0;
	end();
}
END_TEST

/* The driver refuses files to it. */
START_TEST(an_object_without_files)
{
	static const struct ipc_raw_ops no_files = { .serve = serve };
	struct ipc_object *plain;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(ipc, &no_files, NULL, &plain), 0);
	object_id(plain);
	ck_assert(!(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS));
	ipc_object_unref(plain);
	end();
}
END_TEST

/* A oneway arrives after its object was destroyed. */
START_TEST(messages_without_an_object_are_released)
{
	const struct ipcbus_object came[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1 },
		{ IPCBUS_OBJECT_FD, .value = (uint64_t)open("/dev/null", O_RDONLY), .tag = 2 },
	};

	begin();
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .buffer = 50,
					 .cookie = fake.cookie + 1000 }, "hello", 5, came, 2);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake.n_puts, 1);
	ck_assert_uint_eq(fake.put_handle, 9);
	ck_assert_int_eq(fcntl((int)came[1].value, F_GETFD), -1);
	end();
}
END_TEST

START_TEST(objects_that_are_none)
{
	struct ipc_raw_ops bad = ops;
	struct ipc_object *none;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(ipc, NULL, NULL, &none), -EINVAL);
	bad.serve = NULL;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &bad, NULL, &none), -EINVAL);
	bad = ops;
	bad.flags = 2;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &bad, NULL, &none), -EINVAL);
	bad = ops;
	bad.reserved = 1;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &bad, NULL, &none), -EINVAL);
	ck_assert_int_eq(ipc_object_set_dump(object, NULL), -EINVAL);
	end();
}
END_TEST

/* --- The wire format ------------------------------------------------------------------ */

START_TEST(fields_that_are_none)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{ "\x08", 1 },					/* no value */
		{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 }, /* unterminated */
		{ "\x0a\x05" "abcd", 6 },			/* too short */
		{ "\x09" "1234567", 8 },
		{ "\x0d" "123", 4 },
		{ "\x0b", 1 },					/* a group without end */
		{ "\xff\xff\xff\xff\xff\x01", 6 },		/* a number that is too large */
	};
	struct wire_field field;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire wire = wire_of(bad[i].bytes, bad[i].size);

		ck_assert_int_eq(wire_next(&wire, &field), -EBADMSG);
	}
}
END_TEST

START_TEST(fields_there_and_back)
{
	static const int32_t numbers[] = { 0, 1, -1, 4095, INT32_MAX, INT32_MIN };
	uint8_t bytes[200], *at = bytes;
	struct wire_field field;
	struct wire wire;

	for (uint32_t i = 0; i < 6; i++)
		at = wire_put_number(at, i + 1, wire_zigzag(numbers[i]));
	at = wire_put_fixed64(at, 7, 0x0123456789abcdef);
	at = wire_put_bytes(at, 4000, "text", 4);
	wire = wire_of(bytes, (size_t)(at - bytes));
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert_int_eq(wire_next(&wire, &field), 1);
		ck_assert_uint_eq(field.number, i + 1);
		ck_assert_int_eq(wire_unzigzag(field.value), numbers[i]);
	}
	ck_assert_int_eq(wire_next(&wire, &field), 1);
	ck_assert_uint_eq(field.value, 0x0123456789abcdef);
	ck_assert_int_eq(wire_next(&wire, &field), 1);
	ck_assert_uint_eq(field.number, 4000);
	ck_assert_mem_eq(field.bytes.at, "text", 4);
	ck_assert_int_eq(wire_next(&wire, &field), 0);
}
END_TEST

int main(void)
{
	return RUN_TESTS("raw", a_handler_knows_a_oneway, call_is_a_single_exchange,
			 parts_and_metadata, requests_that_are_none,
			 buffer_with_an_own_object_is_released_at_once,
			 entries_both_ways, the_longest_table, unrequested_fds_are_closed,
			 an_object_that_was_not_sent, errors_are_explained, async_calls,
			 served_call_is_a_single_exchange, a_reply_in_parts, errors_of_a_handler,
			 replied_to_later, methods_served_by_the_library,
			 a_handler_that_forks, programs_of_the_first_version,
			 an_object_without_files, messages_without_an_object_are_released,
			 objects_that_are_none, fields_that_are_none, fields_there_and_back);
}
