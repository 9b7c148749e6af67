// SPDX-License-Identifier: MIT
/*
 * Messages of bytes, <ipc/raw.h>, between two processes: calls, oneways, objects, files, errors and
 * streams, without generated code on either side.
 */
#include <errno.h>
#include <ipc/raw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define SECONDS(n) ((uint64_t)(n) * 1000000)

/* --- The server ------------------------------------------------------------------ */

/* Methods of the server. */
enum {
	ECHO = 1,
	BACK,	/* calls the object in entry 0, and replies with its reply */
	FILL,	/* writes "filled" into the file in entry 0 */
	OPEN,	/* replies with a file that contains the request's bytes */
	GIVE,	/* replies with the received objects */
	STOP,
	BOUNCE,	/* stream: sends all messages back */
	ONCE,	/* stream: sends only the first message back */
	BREAK,	/* stream: an error after the first message */
	DROP_EARLY, /* stream: another thread drops it before the handler returns */
	DROP,	/* stream: is kept; call: sends a message, and releases the stream without an end */
};

static struct ipc_stream *_Atomic kept;

static int reply_bytes(struct ipc_call *call, const void *data, size_t size)
{
	const struct ipc_raw_message reply = { .data = data, .size = size };

	return ipc_raw_reply(call, &reply);
}

static int back(struct ipc_call *call, const struct ipc_raw_message *request)
{
	const struct ipc_raw_message question = {
		.method = ECHO, .data = request->data, .size = request->size,
	};
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	int r;

	if (request->n_entries != 1 || request->entries[0].type != IPC_RAW_PROXY)
		return -EINVAL;
	r = ipc_raw_call(request->entries[0].proxy, &question, NULL, &reply, NULL);
	return r < 0 ? r : reply_bytes(call, reply->data, reply->size);
}

static int open_file(struct ipc_call *call, const struct ipc_raw_message *request)
{
	struct ipc_raw_entry entry = { .tag = 1, .type = IPC_RAW_FD };
	const struct ipc_raw_message reply = { .entries = &entry, .n_entries = 1 };
	int ends[2], r;

	if (pipe(ends) < 0)
		return -errno;
	r = write(ends[1], request->data, request->size) == (ssize_t)request->size ? 0 : -EIO;
	close(ends[1]);
	entry.fd = ends[0];
	if (r == 0)
		r = ipc_raw_reply(call, &reply);
	close(ends[0]);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	const struct ipc_raw_message same = {
		.entries = request->entries, .n_entries = request->n_entries,
	};

	(void)userdata;
	switch (request->method) {
	case ECHO:
		return reply_bytes(call, request->data, request->size);
	case BACK:
		return back(call, request);
	case FILL:
		if (request->n_entries != 1 || request->entries[0].type != IPC_RAW_FD)
			return -EINVAL;
		if (write(request->entries[0].fd, "filled", 6) != 6)
			return -EIO;
		return reply_bytes(call, NULL, 0);
	case OPEN:
		return open_file(call, request);
	case GIVE:
		return ipc_raw_reply(call, &same);
	case DROP:
		/* Another thread may still be entering the handler of the stream. */
		while (!atomic_load(&kept))
			usleep(1000);
		ipc_raw_stream_send(kept, &same, 0);
		kept = ipc_stream_unref(kept);
		return reply_bytes(call, NULL, 0);
	case STOP:
		ipc_stop(ipc_call_ipc(call));
		return reply_bytes(call, NULL, 0);
	default:
		return -EOPNOTSUPP;
	}
}

static void *drop(void *stream)
{
	ipc_stream_unref(stream);
	return NULL;
}

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	const struct ipc_raw_message *message;
	pthread_t thread;
	int r;

	(void)userdata;
	if (method == DROP_EARLY) {
		ck_assert_int_eq(pthread_create(&thread, NULL, drop, ipc_stream_ref(stream)), 0);
		pthread_join(thread, NULL);
		return 0;
	}
	if (method == DROP) {
		kept = ipc_stream_ref(stream);
		return 0;
	}
	while ((r = ipc_raw_stream_receive(stream, SECONDS(10), &message, NULL)) > 0) {
		if (method == BREAK)
			return ipc_stream_fail(stream, -EREMOTEIO, "raw.Broken", "%zu bytes",
					       message->size);
		if (method != BOUNCE && method != ONCE)
			return -EOPNOTSUPP;
		r = ipc_raw_stream_send(stream, message, SECONDS(10));
		if (r < 0 || method == ONCE)
			return r;
	}
	return r;
}

static const struct ipc_raw_ops ops = {
	.interface = "e2e.Raw",
	.flags = IPC_RAW_ACCEPT_FDS,
	.serve = serve,
	.stream = serve_stream,
};

static int prepare(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_raw_object_new(ipc, &ops, /* userdata= */ NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

/* --- The client -------------------------------------------------------------------- */

static struct ipc *ipc;
static struct ipc_proxy *proxy;
static pid_t pid;

static void begin(void)
{
	/* Stream handlers wait, in sequence. */
	static const struct server_options options = { .threads = 2, .prepare = prepare };

	pid = start_server(&options);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
}

static int call(uint32_t code, const void *data, size_t size, struct ipc_raw_message **ret_reply)
{
	const struct ipc_raw_message request = { .method = code, .data = data, .size = size };

	return ipc_raw_call(proxy, &request, NULL, ret_reply, NULL);
}

static void end(void)
{
	ck_assert_int_eq(call(STOP, NULL, 0, NULL), 0);
	ck_assert_int_eq(wait_server(pid), 0);
	proxy = ipc_proxy_unref(proxy);
	ipc = ipc_unref(ipc);
}

START_TEST(bytes_of_all_sizes)
{
	static uint8_t data[3 << 20];
	struct ipc_raw_message *reply;

	begin();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t size = 0; size <= sizeof(data); size = size ? size * 3 : 1) {
		ck_assert_int_eq(call(ECHO, data, size, &reply), 0);
		ck_assert_uint_eq(reply->size, size);
		ck_assert_mem_eq(reply->data, data, size);
		ipc_raw_free(reply);
	}
	ck_assert_int_eq(call(4711, NULL, 0, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(call(IPC_NUMBER_DESCRIBE, NULL, 0, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(ipc_proxy_ping(proxy, NULL), 0);
	end();
}
END_TEST

START_TEST(parts_that_are_empty)
{
	struct iovec parts[] = { { NULL, 0 }, { NULL, 0 } };
	struct ipc_raw_message request = { .method = ECHO, .parts = parts };
	struct ipc_raw_message *reply;

	begin();
	for (request.n_parts = 1; request.n_parts <= 2; request.n_parts++) {
		/* With a buffer to release, and without. */
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(ipc_raw_oneway(proxy, &request, NULL), 0);
			ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
			ck_assert_uint_eq(reply->size, 0);
			ipc_raw_free(reply);
		}
	}
	end();
}
END_TEST

static unsigned int called_back, destroyed;

static int call_back(struct ipc_call *served, const struct ipc_raw_message *request, void *userdata)
{
	ck_assert_ptr_eq(userdata, &called_back);
	called_back++;
	return reply_bytes(served, request->data, request->size);
}

static void on_destroy(void *userdata)
{
	(void)userdata;
	destroyed++;
}

START_TEST(objects)
{
	static const struct ipc_raw_ops back_ops = { .serve = call_back, .destroy = on_destroy };
	struct ipc_raw_entry entries[3] = {
		{ .tag = 5, .type = IPC_RAW_OBJECT },
		{ .tag = 6, .type = IPC_RAW_PROXY },
		{ .tag = 5, .type = IPC_RAW_OBJECT },
	};
	struct ipc_raw_message request = {
		.method = BACK, .data = "there", .size = 5, .entries = entries, .n_entries = 1,
	};
	struct ipc_raw_message *reply;
	struct ipc_object *own;

	begin();
	called_back = destroyed = 0;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &back_ops, &called_back, &own), 0);
	entries[0].object = entries[2].object = own;
	entries[1].proxy = proxy;
	/* Served by the thread that waits in the call. */
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_mem_eq(reply->data, "there", 5);
	ipc_raw_free(reply);
	ck_assert_uint_eq(called_back, 1);

	/* After the round trip they are the same objects. */
	request.method = GIVE;
	request.n_entries = 3;
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->n_entries, 3);
	ck_assert_int_eq(reply->entries[0].type, IPC_RAW_OBJECT);
	ck_assert_ptr_eq(reply->entries[0].object, own);
	ck_assert_ptr_eq(reply->entries[2].object, own);
	ck_assert_uint_eq(reply->entries[0].tag, 5);
	ck_assert_uint_eq(reply->entries[1].tag, 6);
	ck_assert_int_eq(reply->entries[1].type, IPC_RAW_PROXY);
	ipc_raw_free(reply);

	/* The object is destroyed with its last reference, here or soon after. */
	ipc_object_unref(own);
	for (int i = 0; i < 1000 && !destroyed; i++) {
		ipc_process(ipc);
		sleep_ms(5);
	}
	ck_assert_uint_eq(destroyed, 1);
	end();
}
END_TEST

START_TEST(files)
{
	struct ipc_raw_entry entry = { .tag = 9, .type = IPC_RAW_FD };
	struct ipc_raw_message request = { .method = FILL, .entries = &entry, .n_entries = 1 };
	struct ipc_raw_message *reply;
	char text[8] = "";
	int ends[2], fd;

	begin();
	ck_assert_int_eq(pipe(ends), 0);
	entry.fd = ends[1];
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), 6);
	ck_assert_str_eq(text, "filled");
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), -EBADF);

	/* A file in a reply must be accepted explicitly. */
	request = (struct ipc_raw_message){ .method = OPEN, .data = "inside", .size = 6 };
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), -EPERM);
	request.flags = IPC_RAW_ACCEPT_FDS;
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	fd = ipc_take_fd(&reply->entries[0].fd);
	ck_assert_int_ge(fd, 0);
	ipc_raw_free(reply);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 6);
	ck_assert_mem_eq(text, "inside", 6);
	close(fd);
	end();
}
END_TEST

/* --- Streams -------------------------------------------------------------------------- */

START_TEST(streams)
{
	struct ipc_raw_entry entry = { .tag = 3, .type = IPC_RAW_FD };
	const struct ipc_raw_message *message;
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, BOUNCE, NULL, &stream, NULL), 0);
	for (uint32_t i = 0; i < 200; i++) {
		const struct ipc_raw_message out = {
			.data = &i, .size = sizeof(i), .entries = &entry, .n_entries = i % 2,
		};

		entry.fd = STDIN_FILENO;
		ck_assert_int_eq(ipc_raw_stream_send(stream, &out, SECONDS(10)), 0);
		ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, NULL), 1);
		ck_assert_uint_eq(message->size, sizeof(i));
		ck_assert_mem_eq(message->data, &i, sizeof(i));
		ck_assert_uint_eq(message->n_entries, i % 2);
		ck_assert_uint_eq(message->method, 0);
	}
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &message, NULL), -EAGAIN);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* The server fails to send a file, and other messages arrive. */
START_TEST(streams_without_files)
{
	const struct ipc_options options = { .flags = IPC_RAW_REFUSE_FDS };
	struct ipc_raw_entry entry = { .tag = 3, .type = IPC_RAW_FD, .fd = STDIN_FILENO };
	struct ipc_raw_message out = { .data = "12345", .size = 5, .entries = &entry };
	const struct ipc_raw_message *message;
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, BOUNCE, &options, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &out, SECONDS(10)), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, NULL), 1);
	ck_assert_uint_eq(message->size, 5);
	out.n_entries = 1;
	ck_assert_int_eq(ipc_raw_stream_send(stream, &out, SECONDS(10)), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, &error), -EPERM);
	ipc_error_done(&error);
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(streams_that_fail)
{
	const struct ipc_raw_message out = { .data = "12345", .size = 5 };
	struct ipc_raw_message bad = { .method = 1 };
	const struct ipc_raw_message *message;
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, BREAK, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &bad, 0), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &out, SECONDS(10)), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, &error), -EREMOTEIO);
	ck_assert_str_eq(error.name, "raw.Broken");
	ck_assert_str_eq(error.text, "5 bytes");
	ipc_error_done(&error);
	ipc_stream_unref(stream);

	/* A stream that is released half-way. */
	ck_assert_int_eq(ipc_raw_stream_open(proxy, BOUNCE, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &out, SECONDS(10)), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(a_stream_that_is_dropped_is_no_good_end)
{
	const struct ipc_raw_message *message;
	const struct ipc_raw_message drop = { .method = DROP };
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, DROP, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &drop, NULL, NULL, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, NULL), 1);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, &error), -ENOMSG);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_PEER);
	ck_assert_ptr_nonnull(error.text);
	ipc_error_done(&error);
	ipc_stream_unref(stream);
	end();
}
END_TEST

START_TEST(stream_dropped_by_another_thread_in_the_handler_fails)
{
	const struct ipc_raw_message *message;
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, DROP_EARLY, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, SECONDS(10), &message, NULL), -ENOMSG);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* The server ends the stream and releases its end while a message is queued. */
START_TEST(a_stream_that_ended_well_does_not_break_off)
{
	const struct ipc_raw_message out = { .data = "12345", .size = 5 };
	const struct ipc_raw_message request = { .method = ECHO };
	const struct ipc_raw_message *message;
	struct ipc_options options = { 0 };
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, ONCE, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &out, SECONDS(10)), 0);
	/* Until this side has noticed both. */
	while (ipc_raw_stream_send(stream, &out, 0) != -EPIPE) {
		ipc_wait_event(ipc, 1000);
		ipc_process(ipc);
	}
	for (int i = 0; i < 10; i++) {
		ipc_wait_event(ipc, 10000);
		ipc_process(ipc);
	}
	options.parent_stream = stream;
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, &options, NULL, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &message, NULL), 1);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &message, NULL), 0);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	ck_assert_int_eq(ipc_stream_end(stream), -EALREADY);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, &options, NULL, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("raw", bytes_of_all_sizes, parts_that_are_empty, objects, files, streams,
			 streams_without_files, streams_that_fail,
			 a_stream_that_is_dropped_is_no_good_end,
			 stream_dropped_by_another_thread_in_the_handler_fails,
			 a_stream_that_ended_well_does_not_break_off);
}
