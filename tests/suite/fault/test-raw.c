// SPDX-License-Identifier: MIT
/*
 * Messages of bytes without memory, as test-library.c does for generated code: calls, async calls,
 * oneways, objects, replies, errors and streams of <ipc/raw.h>, with parts, metadata, objects and
 * files.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/stream.h"
#include "library.h"
#include "memory.h"

#define METHOD	7

static struct ipc_object *served;	/* of bytes */
static struct ipc_raw_message *replied;
static struct ipc_stream *stream;
static struct ipc_object *data;		/* the local side of the stream */
static const struct ipc_raw_message *received;
static char large[20000];
static int ended, result;
static int (*serve_with)(struct ipc_call *call, const struct ipc_raw_message *request);

static void nothing(void)
{
}

/* --- Sending --------------------------------------------------------------------------- */

static const char *const metadata[] = { "name", "value", NULL };

/* Two parts, an object that has no number yet, a proxy and a file. */
static int send(int (*act)(const struct ipc_raw_message *message,
			   const struct ipc_options *options), bool framed)
{
	struct iovec parts[] = { { (char *)"one", 3 }, { large, sizeof(large) } };
	struct ipc_raw_entry entries[] = {
		{ .tag = 1, .type = IPC_RAW_OBJECT, .object = other },
		{ .tag = 2, .type = IPC_RAW_PROXY, .proxy = test_proxy(peer) },
		{ .tag = 3, .type = IPC_RAW_FD, .fd = carry_fd },
	};
	const struct ipc_raw_message message = {
		.method = METHOD, .parts = parts, .n_parts = 2, .entries = entries, .n_entries = 3,
	};
	const struct ipc_options options = { .metadata = framed ? metadata : NULL };

	return act(&message, &options);
}

static void open_file(void)
{
	carry_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int call(const struct ipc_raw_message *message, const struct ipc_options *options)
{
	return ipc_raw_call(test_proxy(peer), message, options, &replied, &error);
}

static int act_call(void)
{
	return send(call, /* framed= */ false);
}

static int act_framed_call(void)
{
	return send(call, /* framed= */ true);
}

static void push_cargo_reply(void)
{
	push_cargo((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY });
}

static void prepare_call(void)
{
	open_file();
	push_cargo_reply();
}

static void check_cargo(const struct ipc_raw_message *message)
{
	ck_assert_uint_eq(message->n_entries, HANDLES + 2);
	ck_assert_int_eq(memory_handles(), HANDLES + 1);
	ck_assert_ptr_eq(message->entries[HANDLES].object, object);
	ck_assert_int_ge(fcntl(message->entries[HANDLES + 1].fd, F_GETFD), 0);
}

static void finish(int r, int (*act)(void))
{
	assert_may(r);
	if (r < 0) {
		ck_assert_int_eq(error.code, r);
		if (!is_waiting())
			push_cargo_reply();
		ck_assert_int_eq(act(), 0);
	}
	check_cargo(replied);
	ipc_raw_free(replied);
}

static void finish_call(int r)
{
	finish(r, act_call);
}

static void finish_framed_call(int r)
{
	finish(r, act_framed_call);
}

static int oneway(const struct ipc_raw_message *message, const struct ipc_options *options)
{
	return ipc_raw_oneway(test_proxy(peer), message, options);
}

static int act_oneway(void)
{
	return send(oneway, /* framed= */ true);
}

static void finish_oneway(int r)
{
	assert_may(r);
	ck_assert_uint_eq(fake.n_sent, r == 0);
	if (r < 0)
		ck_assert_int_eq(act_oneway(), 0);
	ck_assert_uint_eq(fake_last()->send.object_count, 3);
}

/* --- Async calls ----------------------------------------------------------------------- */

static void on_end(int r, struct ipc_raw_message *reply, const struct ipc_error *why,
		   void *userdata)
{
	ck_assert_ptr_eq(userdata, &ended);
	ck_assert_int_eq(why->code, r);
	ended++;
	result = r;
	if (reply)
		check_cargo(reply);
}

static int call_async(const struct ipc_raw_message *message, const struct ipc_options *options)
{
	return ipc_raw_call_async(test_proxy(peer), message, options, on_end, &ended, NULL);
}

static int act_async(void)
{
	return send(call_async, /* framed= */ true);
}

static void prepare_async(void)
{
	open_file();
	ended = result = 0;
}

static void push_end(void)
{
	push_cargo((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY,
					  .cookie = fake_last()->send.cookie });
}

static void prepare_end(void)
{
	prepare_async();
	ck_assert_int_eq(act_async(), 0);
	push_end();
}

/* The call ends exactly once, with or without an error. */
static void finish_end(int r)
{
	assert_may(r);
	process_all();
	ck_assert_int_eq(ended, 1);
	assert_may(result);
}

static void finish_async(int r)
{
	assert_may(r);
	ck_assert_int_eq(ended, 0);
	if (r < 0)
		ck_assert_int_eq(act_async(), 0);
	push_end();
	process_all();
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(result, 0);
}

/* --- Serving -------------------------------------------------------------------------- */

static int serve(struct ipc_call *served_call, const struct ipc_raw_message *request,
		 void *userdata)
{
	(void)userdata;
	handled++;
	check_cargo(request);
	return serve_with(served_call, request);
}

static int serve_stream(struct ipc_stream *which, uint32_t method, void *userdata)
{
	(void)userdata;
	ck_assert_uint_eq(method, METHOD);
	stream = ipc_stream_ref(which);
	return 0;
}

static const struct ipc_raw_ops raw_ops = {
	.interface = "fail.Raw", .flags = IPC_RAW_ACCEPT_FDS, .serve = serve,
	.stream = serve_stream,
};

static int act_object(void)
{
	uint64_t id;
	int r;

	if (!served) {
		r = ipc_raw_object_new(ipc, &raw_ops, NULL, &served);
		if (r < 0)
			return r;
	}
	return ipc_object_id(served, &id);
}

static void finish_object(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_object(), 0);
	served = ipc_object_unref(served);
}

static void prepare_request(uint32_t kind)
{
	ck_assert_int_eq(act_object(), 0);
	push_cargo((struct ipcbus_event){
		.kind = kind, .cookie = served->wants.cookie, .code = METHOD,
		.call = kind == IPCBUS_EVENT_CALL ? CALL : 0,
	});
}

static int reply_bytes(struct ipc_call *served_call, const struct ipc_raw_message *request)
{
	const struct ipc_raw_message reply = { .data = large, .size = sizeof(large) };

	(void)request;
	return ipc_raw_reply(served_call, &reply);
}

static int reply_entries(struct ipc_call *served_call, const struct ipc_raw_message *request)
{
	const struct ipc_raw_message reply = {
		.entries = request->entries, .n_entries = request->n_entries,
	};

	return ipc_raw_reply(served_call, &reply);
}

static int report(struct ipc_call *served_call, const struct ipc_raw_message *request)
{
	(void)request;
	return ipc_raw_fail(served_call, EDOM, large, sizeof(large));
}

static int raise_error(struct ipc_call *served_call, const struct ipc_raw_message *request)
{
	const struct ipc_error raised = {
		.code = -EDOM, .name = "fail.Raw", .text = "explained",
		.details = large, .details_size = sizeof(large),
	};

	(void)request;
	return ipc_call_fail_with(served_call, &raised);
}

static void prepare_reply(void)
{
	serve_with = reply_bytes;
	prepare_request(IPCBUS_EVENT_CALL);
}

static void prepare_entries(void)
{
	serve_with = reply_entries;
	prepare_request(IPCBUS_EVENT_CALL);
}

static void prepare_report(void)
{
	serve_with = report;
	prepare_request(IPCBUS_EVENT_CALL);
}

static void prepare_raise(void)
{
	serve_with = raise_error;
	prepare_request(IPCBUS_EVENT_CALL);
}

/* The caller gets an error, or the full reply. */
static void finish_served(int r, uint32_t kind, uint32_t code)
{
	const struct fake_sent *sent;

	assert_may(r);
	process_all();
	ck_assert_uint_eq(fake.n_sent, 1);
	sent = fake_last();
	ck_assert_uint_eq(sent->send.call, CALL);
	if (sent->send.kind != kind || sent->send.code != code) {
		ck_assert_uint_eq(sent->send.kind, IPCBUS_SEND_ERROR);
		ck_assert_uint_eq(sent->send.code, ENOMEM);
	}
	served = ipc_object_unref(served);
}

static void finish_reply(int r)
{
	finish_served(r, IPCBUS_SEND_REPLY, 0);
}

static void finish_error(int r)
{
	finish_served(r, IPCBUS_SEND_ERROR, EDOM);
}

/* --- Streams -------------------------------------------------------------------------- */

static void push_opened(void)
{
	push_stream_end((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, /* method= */ 0);
}

static int act_open(void)
{
	return ipc_raw_stream_open(test_proxy(peer), METHOD, NULL, &stream, &error);
}

/* Closes the stream, and checks that no resources are left. */
static void close_stream(void)
{
	stream = ipc_stream_unref(stream);
	process_all();
	ck_assert_int_eq(memory_handles(), 1);
	ck_assert_uint_eq(ipc->watches.count, 0);
}

static void finish_open(int r)
{
	assert_may(r);
	if (r < 0) {
		ck_assert_int_eq(error.code, r);
		ck_assert_int_eq(memory_handles(), 1);
		if (!is_waiting())
			push_opened();
		ck_assert_int_eq(act_open(), 0);
	}
	ck_assert_int_eq(memory_handles(), 3);
	close_stream();
}

static void prepare_stream(void)
{
	open_file();
	push_opened();
	ck_assert_int_eq(act_open(), 0);
	data = map_get(&ipc->cookies, id_cookie(fake_last()->objects[0].tag));
}

static int send_message(const struct ipc_raw_message *message, const struct ipc_options *options)
{
	struct ipc_raw_message without_code = *message;

	(void)options;
	without_code.method = 0;
	return ipc_raw_stream_send(stream, &without_code, /* timeout_usec= */ 0);
}

static int act_send(void)
{
	return send(send_message, /* framed= */ false);
}

/* A message that was not sent has used no credit. */
static void finish_send(int r)
{
	assert_may(r);
	ck_assert_uint_eq(stream->credit, STREAM_WINDOW - (r == 0));
	if (r < 0)
		ck_assert_int_eq(act_send(), 0);
	close_stream();
}

static void prepare_message(void)
{
	prepare_stream();
	push_cargo((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = STREAM_MESSAGE,
					  .cookie = data->wants.cookie });
}

static int receive(void)
{
	return ipc_raw_stream_receive(stream, /* timeout_usec= */ 0, &received, &error);
}

/* If a message could not be taken, the stream ends with that error. */
static void finish_message(int r)
{
	assert_may(r);
	process_all();
	r = receive();
	ck_assert(r == 1 || r == -ENOMEM);
	if (r == 1) {
		ck_assert_uint_eq(received->n_entries, HANDLES + 2);
		ck_assert_int_eq(memory_handles(), HANDLES + 3);
	}
	close_stream();
}

static void prepare_serve_stream(void)
{
	ck_assert_int_eq(act_object(), 0);
	push_stream_end((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = CALL,
					 .cookie = served->wants.cookie,
					 .code = IPC_NUMBER_STREAM }, METHOD);
}

/* A stream without a handler is refused or ended. At least its objects are dropped. */
static void finish_serve_stream(int r)
{
	unsigned int replies = 0;

	assert_may(r);
	process_all();
	for (unsigned int i = 0; i < fake.n_sent; i++)
		replies += fake.sent[i].send.call == CALL;
	ck_assert_uint_eq(replies, 1);
	close_stream();
	served = ipc_object_unref(served);
}

static const struct scenario scenarios[] = {
	{ "raw call", prepare_call, act_call, finish_call },
	{ "raw call with metadata", prepare_call, act_framed_call, finish_framed_call },
	{ "raw oneway", open_file, act_oneway, finish_oneway },
	{ "raw async call", prepare_async, act_async, finish_async },
	{ "the end of an async call", prepare_end, act_process, finish_end },
	{ "raw object", nothing, act_object, finish_object },
	{ "serve, bytes", prepare_reply, act_process, finish_reply },
	{ "serve, entries", prepare_entries, act_process, finish_reply },
	{ "serve, an error", prepare_report, act_process, finish_error },
	{ "serve, raise", prepare_raise, act_process, finish_error },
	{ "open a raw stream", push_opened, act_open, finish_open },
	{ "send a raw message", prepare_stream, act_send, finish_send },
	{ "a raw message", prepare_message, act_process, finish_message },
	{ "serve a raw stream", prepare_serve_stream, act_process, finish_serve_stream },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 7);
	return library_walk(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
