// SPDX-License-Identifier: MIT
/*
 * ipc_object_set_limits(), on a fake device: the limits of a user's calls and streams apply to this
 * user only, and calls and streams that have ended no longer count. test-stream-waiting.c tests the
 * messages that wait in streams.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <stdio.h>
#include <string.h>

#include "core/object.h"
#include "method.h"
#include "stream-run.h"
#include "test.ipc.h"

#define KEPT_MAX	8

static struct ipc *ipc;
static struct ipc_object *object;
static struct ipc_call *kept[KEPT_MAX];
static unsigned int n_kept;

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)request, (void)userdata;
	ck_assert_uint_lt(n_kept, KEPT_MAX);
	kept[n_kept++] = ipc_call_ref(call);
	return 0;
}

static int log_line(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	if (!strcmp(request->text, "result"))
		return -EIO;
	if (strcmp(request->text, "file"))
		return echo(call, request, userdata);
	ck_assert_int_eq(ipc_call_fail(call, ENOENT, NULL, "no %s", request->text), 0);
	ck_assert_int_eq(ipc_call_fail(call, EIO, NULL, NULL), -EALREADY);
	return -EIO;
}

#define STREAMS		4
static struct ipc_stream *streams[STREAMS];
static unsigned int n_streams;

static int convey(struct ipc_stream *stream, void *userdata)
{
	(void)userdata;
	ck_assert_uint_lt(n_streams, STREAMS);
	streams[n_streams++] = ipc_stream_ref(stream);
	return 0;
}

static const struct test_ops ops = {
	.echo = echo, .log = log_line, .convey = convey,
};

static void begin(const struct ipc_object_limits *limits)
{
	fake_reset();
	n_kept = n_streams = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &object), 0);
	if (limits)
		ck_assert_int_eq(ipc_object_set_limits(object, limits), 0);
	object_id(object);
}

static void end(void)
{
	ipc_object_unref(object);
	ipc_unref(ipc);
}

static void process(struct ipcbus_event event, const void *data, size_t size)
{
	fake_push(event, data, size, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void arrive(uint32_t kind, const char *method, uid_t uid, const void *data, size_t size)
{
	process((struct ipcbus_event){
			.kind = kind,
			.cookie = object->wants.cookie,
			.code = method_of(&test_interface, method)->number,
			.call = kind == IPCBUS_EVENT_CALL ? 100 : 0,
			.buffer = 50,
			.uid = uid,
		}, data, size);
}

/* --- Calls and streams -------------------------------------------------------------------- */

static int call(uint64_t id, const char *method, uid_t uid)
{
	unsigned int before = n_kept;

	process((struct ipcbus_event){
			.kind = id ? IPCBUS_EVENT_CALL : IPCBUS_EVENT_ONEWAY,
			.cookie = object->wants.cookie,
			.code = method_of(&test_interface, method)->number,
			.call = id,
			.buffer = 50,
			.uid = uid,
		}, NULL, 0);
	if (n_kept > before)
		return 0;
	return id ? -(int)fake_last()->send.code : -EDQUOT;
}

START_TEST(calls_at_a_time)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits), .calls = 2 };

	begin(&limits);
	ck_assert_int_eq(call(100, "Echo", 1), 0);
	ck_assert_int_eq(call(0, "Log", 1), 0);
	ck_assert_int_eq(call(101, "Echo", 1), -EDQUOT);
	ck_assert_int_eq(call(0, "Log", 1), -EDQUOT);
	ck_assert_int_eq(call(102, "Echo", 2), 0);
	/* A reply does not release a call that the handler keeps. */
	ck_assert_int_eq(ipc_call_fail(kept[0], EIO, NULL, NULL), 0);
	ck_assert_int_eq(call(103, "Echo", 1), -EDQUOT);
	ipc_call_unref(kept[0]);
	ck_assert_int_eq(call(104, "Echo", 1), 0);
	ck_assert_int_eq(call(105, "Echo", 1), -EDQUOT);
	for (unsigned int i = 1; i < n_kept; i++)
		ipc_call_unref(kept[i]);
	end();
}
END_TEST

/* A client of that user opens a stream. */
static int opens(uid_t uid)
{
	unsigned int before = n_streams;

	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50,
					 .cookie = object->wants.cookie, .code = IPC_NUMBER_STREAM,
					 .uid = uid },
		  method_of(&test_interface, "Convey")->number, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	return n_streams > before ? 0 : -(int)fake_last()->send.code;
}

/* The client has released the last opened stream. */
static void releases(const uint64_t cookies[2])
{
	for (int i = 0; i < 2; i++)
		process((struct ipcbus_event){ .kind = IPCBUS_EVENT_IDLE, .cookie = cookies[i] },
			NULL, 0);
}

START_TEST(streams_at_a_time)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits), .streams = 2 };
	uint64_t cookies[2];

	begin(&limits);
	ck_assert_int_eq(opens(1), 0);
	ck_assert_int_eq(opens(1), 0);
	for (int i = 0; i < 2; i++)
		cookies[i] = opened_cookie(i);
	ck_assert_int_eq(opens(1), -EDQUOT);
	ck_assert_int_eq(opens(2), 0);
	/* Closed here, but the client still holds it. */
	ipc_stream_unref(streams[1]);
	ck_assert_int_eq(opens(1), -EDQUOT);
	releases(cookies);
	ck_assert_int_eq(opens(1), 0);
	ck_assert_int_eq(opens(1), -EDQUOT);
	ipc_stream_unref(streams[0]);
	ipc_stream_unref(streams[2]);
	ipc_stream_unref(streams[3]);
	end();
}
END_TEST

/* How many messages a client may send ahead. */
START_TEST(windows_of_streams)
{
	struct ipc_object_limits limits = { .size = sizeof(limits), .window = 1 };
	Ipc__StreamOpen *reply;

	begin(&limits);
	limits.window = STREAM_WINDOW + 1;
	ck_assert_int_eq(ipc_object_set_limits(object, &limits), -EINVAL);
	limits.window = UINT32_MAX;
	ck_assert_int_eq(ipc_object_set_limits(object, &limits), -EINVAL);
	ck_assert_int_eq(opens(1), 0);
	reply = ipc__stream_open__unpack(NULL, fake_last()->send.data_size, fake_last()->data);
	ck_assert_uint_eq(reply->window, 1);
	ipc__stream_open__free_unpacked(reply, NULL);
	ipc_stream_unref(streams[0]);
	end();
}
END_TEST

/* --- Without a setting ------------------------------------------------------------------------ */

/* The documented values, with which the counters are compared. */
START_TEST(defaults)
{
	struct peer *peer;

	begin(NULL);
	ck_assert_uint_eq(LIMIT_STREAMS, 1024);
	ck_assert_int_eq(peer_add(object, 1, PEER_STREAMS, LIMIT_STREAMS - 1, &peer), 0);
	ck_assert_int_eq(opens(1), 0);
	ck_assert_int_eq(opens(1), -EDQUOT);
	ck_assert_uint_eq(streams[0]->max_waiting_bytes, (size_t)64 << 20);
	ck_assert_uint_eq(streams[0]->window, 16);
	ipc_stream_unref(streams[0]);
	peer_remove(ipc, peer, PEER_STREAMS, LIMIT_STREAMS - 1);
	end();
}
END_TEST

/* --- Bytes ------------------------------------------------------------------------------ */

static void pack_request(uint8_t *data, size_t size)
{
	char text[100] = "";
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	memset(text, 'x', size - 2);
	request.text = text;
	ck_assert_uint_eq(ipc__test__echo_request__pack(&request, data), size);
}

static char logged[256];
static unsigned int n_logged;

static void take_line(int priority, const char *text, void *userdata)
{
	(void)priority, (void)userdata;
	snprintf(logged, sizeof(logged), "%s", text);
	n_logged++;
}

/* Each cause is logged once for each connection. Calls are not logged: their callers get errors. */
START_TEST(discarded_oneways_are_logged)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .message_size = 100,
	};
	uint8_t data[128];

	ipc_set_log(take_line, NULL);
	for (int i = 0; i < 2; i++) {
		n_logged = 0;
		begin(&limits);
		pack_request(data, 101);
		arrive(IPCBUS_EVENT_CALL, "Echo", 1, data, 101);
		arrive(IPCBUS_EVENT_CALL, "Echo", 1, "\x0d", 1);
		ck_assert_uint_eq(n_logged, 0);
		arrive(IPCBUS_EVENT_ONEWAY, "Log", 1, data, 101);
		ck_assert_uint_eq(n_logged, 1);
		ck_assert_ptr_nonnull(strstr(logged, "ipc: ipc.test.Test: a oneway was discarded: "
						     "the message is larger"));
		for (int again = 0; again < 2; again++)
			arrive(IPCBUS_EVENT_ONEWAY, "Log", 1, "\x0d", 1);
		ck_assert_str_eq(logged, "ipc: ipc.test.Test: a oneway was discarded: the message "
					 "does not match its type");
		ck_assert_uint_eq(n_logged, 2);
		ck_assert_uint_eq(n_kept, 0);
		end();
	}
	ipc_set_log(NULL, NULL);
}
END_TEST

START_TEST(errors_of_oneways_are_logged_once)
{
	begin(NULL);
	ipc_set_log(take_line, NULL);
	n_logged = 0;
	arrive(IPCBUS_EVENT_ONEWAY, "Log", 1, "\x0a\x06result", 8);
	ck_assert_str_eq(logged, "ipc: ipc.test.Test.Log (uid 1, pid 0): a oneway failed: the "
				 "server reports EIO: Input/output error");
	arrive(IPCBUS_EVENT_ONEWAY, "Log", 1, "\x0a\x04" "file", 6);
	ck_assert_str_eq(logged, "ipc: ipc.test.Test.Log (uid 1, pid 0): a oneway failed: no file");
	ck_assert_uint_eq(n_logged, 2);
	ipc_set_log(NULL, NULL);
	end();
}
END_TEST

START_TEST(sizes_of_requests)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .message_size = 100,
	};
	uint8_t data[128];

	begin(&limits);
	pack_request(data, 101);
	arrive(IPCBUS_EVENT_CALL, "Echo", 1, data, 101);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EMSGSIZE);
	arrive(IPCBUS_EVENT_ONEWAY, "Log", 1, data, 101);
	ck_assert_uint_eq(n_kept, 0);

	pack_request(data, 100);
	arrive(IPCBUS_EVENT_CALL, "Echo", 1, data, 100);
	arrive(IPCBUS_EVENT_ONEWAY, "Log", 1, data, 100);
	ck_assert_uint_eq(n_kept, 2);
	ipc_call_unref(kept[0]);
	ipc_call_unref(kept[1]);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("limits", calls_at_a_time, streams_at_a_time, windows_of_streams, sizes_of_requests,
			 discarded_oneways_are_logged, errors_of_oneways_are_logged_once, defaults);
}
