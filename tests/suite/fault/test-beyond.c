// SPDX-License-Identifier: MIT
/*
 * The library without memory, as in test-library.c, beyond plain calls: async calls, calls on
 * behalf of others, large bytes in the region and in files, shared memory, metadata, and
 * notifications of space.
 */
#define _GNU_SOURCE
#include <ipc/memory.h>
#include <unistd.h>

#include "core/call.h"
#include "library.h"
#include "memory.h"

/* --- Async calls ------------------------------------------------------------------ */

static int ended, result;
static uint64_t id;

static void on_end(int r, Ipc__Test__EchoReply *reply, const struct ipc_error *why,
		   void *userdata)
{
	ck_assert_ptr_eq(userdata, &ended);
	ended++;
	result = r;
	if (r == 0)
		ck_assert_str_eq(reply->text, "world");
	else
		ck_assert_int_eq(why->code, r);
}

static int call_async(struct ipc_call *parent)
{
	struct ipc_options options = { .parent = parent };
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	int r;

	request.text = "hello";
	r = test_echo_async(peer, &options, &request, on_end, &ended, NULL);
	if (r == 0)
		id = fake_last()->send.cookie;
	return r;
}

static void push_end(uint32_t kind, int code)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;
	struct ipcbus_event event = { .kind = kind, .cookie = id, .error = code };

	reply.text = "world";
	push(event, kind == IPCBUS_EVENT_REPLY ? &reply.base : NULL, NULL, 0);
}

static void prepare_async(void)
{
	ended = 0;
}

static int act_async(void)
{
	return call_async(NULL);
}

/* A call that failed to start never ends, and is in no table. */
static void finish_async(int r)
{
	assert_may(r);
	ck_assert_int_eq(ended, 0);
	ck_assert_uint_eq(ipc->asyncs.count, r == 0);
	if (r < 0)
		ck_assert_int_eq(act_async(), 0);
	push_end(IPCBUS_EVENT_REPLY, 0);
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(result, 0);
}

static void prepare_end(void)
{
	prepare_async();
	ck_assert_int_eq(act_async(), 0);
	push_end(IPCBUS_EVENT_REPLY, 0);
}

/* The call ends exactly once, possibly without its reply. */
static void finish_end(int r)
{
	assert_may(r);
	process_all();
	ck_assert_int_eq(ended, 1);
	assert_may(result);
	ck_assert_uint_eq(ipc->asyncs.count, 0);
}

/* --- Calls on behalf of a served call ------------------------------------------------ */

static void prepare_parent(void)
{
	prepare_async();
	push_request(IPCBUS_EVENT_CALL, "Echo", "hello");
	way = KEEP;
	ck_assert_int_eq(act_process(), 1);
}

static int act_async_for(void)
{
	return call_async(kept);
}

static void cancel_parent(void)
{
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CANCELED, .call = CALL }, NULL, NULL, 0);
	ck_assert_int_eq(act_process(), 1);
}

static void finish_parent(void)
{
	ck_assert_uint_eq(ipc->calls.count, 1);
	ck_assert_int_eq(ipc_call_fail(kept, EIO, NULL, NULL), 0);
	kept = ipc_call_unref(kept);
	ck_assert_uint_eq(ipc->calls.count, 0);
}

static void finish_async_for(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_async_for(), 0);
	cancel_parent();
	ck_assert_uint_eq(fake.n_cancels, 1);
	ck_assert_uint_eq(fake.canceled, id);
	push_end(IPCBUS_EVENT_FAILED, -ECANCELED);
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(result, -ECANCELED);
	finish_parent();
}

static void prepare_call_for(void)
{
	prepare_parent();
	push_reply("world");
}

static int act_call_for(void)
{
	struct ipc_options options = { .parent = kept };
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	ProtobufCMessage *reply;
	int r;

	request.text = "hello";
	r = ipc_rpc_call_with(test_proxy(peer), method_of(&test_interface, "Echo"), &options, &request.base, &reply,
			      &error);
	if (r == 0)
		echoed = (Ipc__Test__EchoReply *)reply;
	return r;
}

static void finish_call_for(int r)
{
	assert_may(r);
	if (r < 0) {
		if (!is_waiting())
			push_reply("world");
		ck_assert_int_eq(act_call_for(), 0);
	}
	ck_assert_str_eq(echoed->text, "world");
	test_echo_reply_free(echoed);
	/* The call has ended: cancel has no effect. */
	cancel_parent();
	ck_assert_uint_eq(fake.n_cancels, 0);
	finish_parent();
}

static void on_cancel(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	ck_assert_ptr_eq(call, kept);
	ended++;
}

static int act_on_cancel(void)
{
	return ipc_call_on_cancel(kept, on_cancel, NULL, /* ret_slot= */ NULL);
}

static void finish_on_cancel(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_on_cancel(), 0);
	cancel_parent();
	ck_assert_int_eq(ended, 1);
	finish_parent();
}

/* --- Large bytes ------------------------------------------------------------------- */

#define LARGE	9000

static uint8_t bytes[LARGE];
static Ipc__Test__Crate *shipped;
static struct ipc_memory *memory;
static const char *const metadata[] = { "trace", "1-2-3", "tenant", "fail", NULL };

/* The bytes are a separate part. */
static int ship(const char *const *with)
{
	struct ipc_options options = { .metadata = with };
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	ProtobufCMessage *reply;
	int r;

	crate.data = (ProtobufCBinaryData){ .len = LARGE, .data = bytes };
	r = ipc_rpc_call_with(test_proxy(peer), method_of(&test_interface, "Ship"), &options, &crate.base, &reply,
			      &error);
	if (r == 0)
		shipped = (Ipc__Test__Crate *)reply;
	return r;
}

/* The message that this side sent, or would have sent, arrives as this event. */
static void push_back(const struct fake_sent *sent, struct ipcbus_event event)
{
	struct ipcbus_object table[IPCBUS_MAX_OBJECTS];

	memcpy(table, sent->objects, sizeof(table));
	for (unsigned int i = 0; i < sent->send.object_count; i++)
		table[i].value = (uint64_t)dup((int)table[i].value);
	event.buffer = 51;
	fake_push(event, sent->data, sent->send.data_size, table, sent->send.object_count);
}

static struct fake_sent template;

/* Creates the template by sending, and starts again. */
static void note_shipped(void)
{
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, NULL, 0);
	fake.keep_fds = true;
	ck_assert_int_eq(ship(metadata), 0);
	test_ship_reply_free(shipped);
	template = *fake_last();
	fake.keep_fds = false;
	fake.n_sent = 0;
	fake.n_released = 0;
}

static void forget_shipped(void)
{
	for (unsigned int i = 0; i < template.send.object_count; i++)
		close((int)template.objects[i].value);
	template.send.object_count = 0;
}

static void push_shipped(void)
{
	push_back(&template, (struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY });
}

static void prepare_ship(void)
{
	note_shipped();
	push_shipped();
}

static int act_ship(void)
{
	return ship(NULL);
}

static int act_ship_with(void)
{
	return ship(metadata);
}

static void finish_ships(int r, int (*act)(void))
{
	assert_may(r);
	fake.send_error = 0;
	if (r < 0) {
		ck_assert_int_eq(error.code, r);
		if (!is_waiting())
			push_shipped();
		ck_assert_int_eq(act(), 0);
	}
	ck_assert_uint_eq(shipped->data.len, LARGE);
	ck_assert_mem_eq(shipped->data.data, bytes, LARGE);
	test_ship_reply_free(shipped);
	forget_shipped();
}

static void finish_ship(int r)
{
	finish_ships(r, act_ship);
}

static void finish_ship_with(int r)
{
	finish_ships(r, act_ship_with);
}

/* The receiver's region is too small for the message, which is sent as a file. */
static void too_large(void)
{
	fake.send_error = -EMSGSIZE;
	fake.send_error_kind = IPCBUS_SEND_CALL;
}

static void prepare_file(void)
{
	prepare_ship();
	too_large();
}

static int act_new_memory(void)
{
	int r = ipc_memory_new(LARGE, 0, &memory);

	if (r == 0)
		memcpy(ipc_memory_data(memory), bytes, LARGE);
	return r;
}

/* From the remote side: in the region, or in a file. */
static void push_ship(void)
{
	push_back(&template, request_event(IPCBUS_EVENT_CALL, "Ship"));
}

static void prepare_serve(void)
{
	note_shipped();
	push_ship();
}

static void prepare_serve_file(void)
{
	too_large();
	prepare_serve();
	ck_assert_uint_eq(template.send.object_count, 1);
}

/* The call gets a reply with its bytes, or an error. */
static void finish_serve(int r)
{
	assert_may(r);
	process_all();
	ck_assert_uint_eq(fake.n_sent, 1);
	ck_assert_uint_eq(fake_last()->send.call, CALL);
	if (fake_last()->send.kind == IPCBUS_SEND_ERROR)
		ck_assert_uint_eq(fake_last()->send.code, ENOMEM);
	else
		ck_assert_uint_gt(fake_last()->send.data_size, LARGE);
	ck_assert_uint_ge(fake.n_released, 1);
	forget_shipped();
}

/* --- Shared memory, metadata, space --------------------------------------------------- */

static void nothing(void)
{
}

static void finish_new_memory(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_new_memory(), 0);
	memory = ipc_memory_unref(memory);
}

static struct ipc_memory *taken;
static struct ipc_call *with_memory;

static int32_t *field(void)
{
	const struct typed_call *typed = (const struct typed_call *)with_memory->block;

	return &((Ipc__Test__Crate *)typed->request.root)->memory->fd->fd;
}

/* Arrives in a call that is kept. */
static void prepare_take(void)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	struct ipcbus_object object_of = { IPCBUS_OBJECT_FD, .tag = 66 };
	Ipc__Memory sent = IPC__MEMORY__INIT;
	Ipc__Fd fd = IPC__FD__INIT;

	ck_assert_int_eq(act_new_memory(), 0);
	object_of.value = (uint64_t)dup(ipc_memory_get_fd(memory));
	fd.fd = 66;
	sent.fd = &fd;
	crate.memory = &sent;
	push(request_event(IPCBUS_EVENT_CALL, "Ship"), &crate.base, &object_of, 1);
	keep_crates = &with_memory;
	ck_assert_int_eq(act_process(), 1);
	keep_crates = NULL;
}

static int act_take(void)
{
	return ipc_memory_take(field(), 0, &taken);
}

/* If it cannot be mapped for lack of memory, its file is closed. */
static void finish_take(int r)
{
	assert_may(r);
	if (r == 0)
		ck_assert_mem_eq(ipc_memory_data(taken), bytes, LARGE);
	else
		ck_assert_int_eq(act_take(), -ENOENT);
	taken = ipc_memory_unref(taken);
	with_memory = ipc_call_unref(with_memory);
	memory = ipc_memory_unref(memory);
}

static void on_space(struct ipc *of, void *userdata)
{
	(void)of, (void)userdata;
	ended++;
}

static int act_on_space(void)
{
	return ipc_on_writable(ipc, on_space, NULL, /* ret_slot= */ NULL);
}

static void finish_on_space(int r)
{
	assert_may(r);
	if (r < 0) {
		/* A callback that was refused is not called. */
		ck_assert_int_eq(act_process(), 0);
		ck_assert_int_eq(ended, 0);
		ck_assert_uint_eq(atomic_load(&ipc->attention), 0);
		ck_assert_int_eq(act_on_space(), 0);
	}
	ck_assert_int_eq(act_process(), 0);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(act_process(), 0);
	ck_assert_int_eq(ended, 1);
}

static const struct scenario scenarios[] = {
	{ "async call", prepare_async, act_async, finish_async },
	{ "the end of an async call", prepare_end, act_process, finish_end },
	{ "async call for another", prepare_parent, act_async_for, finish_async_for },
	{ "call for another", prepare_call_for, act_call_for, finish_call_for },
	{ "to be notified of a cancel", prepare_parent, act_on_cancel, finish_on_cancel },
	{ "large bytes", prepare_ship, act_ship, finish_ship },
	{ "large bytes and metadata", prepare_ship, act_ship_with, finish_ship_with },
	{ "a message in a file", prepare_file, act_ship, finish_ship },
	{ "serve large bytes and metadata", prepare_serve, act_process, finish_serve },
	{ "serve a message in a file", prepare_serve_file, act_process, finish_serve },
	{ "new memory", nothing, act_new_memory, finish_new_memory },
	{ "take memory", prepare_take, act_take, finish_take },
	{ "to be notified of space", prepare_async, act_on_space, finish_on_space },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	return library_walk(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
