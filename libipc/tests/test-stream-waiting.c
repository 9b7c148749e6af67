// SPDX-License-Identifier: MIT
/*
 * Messages that wait in streams, on a fake device: limits of memory, files and objects for a user
 * at an object, and for a stream that this side opened. A stream of which a message was lost has no
 * good end. A service cannot keep all ends that this side ever closed. A thread that waits for a
 * message takes several by an exchange.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <string.h>

#include "core/call.h"
#include "core/object.h"
#include "core/proxy.h"
#include "method.h"
#include "stream-run.h"
#include "test.ipc.h"

#define STREAMS 3
/* The bytes that a message of 1 or 2 bytes counts. */
#define ONE (sizeof(struct ipc_call) + sizeof(struct stream_item))

static struct ipc *ipc;
static struct ipc_object *object;

/* A local end, and the cookie of its object that receives messages. */
static struct end {
	struct ipc_stream *stream;
	uint64_t data_cookie;
} ends[STREAMS];
static unsigned int n_ends;
static unsigned int oneways, last_oneway;	/* to the object: their number, the last code */

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	if (!ipc_call_is_oneway(call))
		return -EOPNOTSUPP;
	oneways++;
	last_oneway = request->method;
	return 0;
}

static int open_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	(void)method, (void)userdata;
	ends[n_ends].stream = ipc_stream_ref(stream);
	return 0;
}

static const struct ipc_raw_ops ops = {
	.serve = serve, .stream = open_stream, .flags = IPC_RAW_ACCEPT_FDS,
};

static void begin(const struct ipc_object_limits *limits)
{
	fake_reset();
	n_ends = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_object_set_limits(object, limits), 0);
	object_id(object);
}

static void end(void)
{
	while (n_ends)
		ipc_stream_unref(ends[--n_ends].stream);
	ipc_object_unref(object);
	ipc_unref(ipc);
}

/* A client of that user opens the next stream. */
static void opens(uid_t uid)
{
	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50,
					 .cookie = object->wants.cookie, .code = IPC_NUMBER_STREAM,
					 .uid = uid }, 1, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ends[n_ends++].data_cookie = opened_cookie(0);
}

static void arrive_with(struct end *to, const void *bytes, size_t size,
			const struct ipcbus_object *objects, unsigned int n_objects)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = STREAM_MESSAGE,
					 .cookie = to->data_cookie, .buffer = 8 },
		  bytes, size, objects, n_objects);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void arrive(struct end *to, size_t size)
{
	static uint8_t bytes[FAKE_PAYLOAD];

	arrive_with(to, bytes, size, NULL, 0);
}

/* The remote side ends the stream successfully. */
static void ends_well(struct end *to)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = STREAM_END,
					 .cookie = to->data_cookie, .buffer = 8 }, "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static int receive(struct end *from)
{
	const struct ipc_raw_message *got;

	return ipc_raw_stream_receive(from->stream, 0, &got, NULL);
}

/* Waits for a message, and returns its first byte. */
static uint8_t await(struct end *from)
{
	const struct ipc_raw_message *got;

	ck_assert_int_eq(ipc_raw_stream_receive(from->stream, IPC_NEVER, &got, NULL), 1);
	return *(const uint8_t *)got->data;
}

static void queue(uint64_t cookie, uint32_t code, uint8_t byte)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code,
					 .cookie = cookie, .buffer = 8 }, &byte, 1, NULL, 0);
}

/* Messages that arrived before the failure are received, and then its error. */
static void is_broken(struct end *one, unsigned int messages, int error)
{
	while (messages--)
		ck_assert_int_eq(receive(one), 1);
	ck_assert_int_eq(receive(one), error);
}

static unsigned int last_code(void)
{
	return (unsigned int)fake_last()->send.code;
}

/* --- Limits of a user ---------------------------------------------------------------------- */

START_TEST(bytes_of_a_user_are_limited)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .waiting_bytes = 20000,
	};

	begin(&limits);
	opens(1000);
	opens(1000);
	opens(1001);
	arrive(&ends[0], 9000 - ONE);
	arrive(&ends[1], 9000 - ONE);
	/* A received message no longer counts, even while the program holds it. */
	ck_assert_int_eq(receive(&ends[0]), 1);
	arrive(&ends[0], 11000 - ONE);
	ck_assert_int_eq(ipc_stream_is_canceled(ends[0].stream), 0);
	/* Another user has its own limit. */
	arrive(&ends[2], 20000 - ONE);
	ck_assert_int_eq(ipc_stream_is_canceled(ends[2].stream), 0);

	arrive(&ends[1], 1);
	ck_assert_uint_eq(last_code(), STREAM_END);
	is_broken(&ends[1], 1, -EDQUOT);
	is_broken(&ends[0], 1, -EAGAIN);
	is_broken(&ends[2], 1, -EAGAIN);
	end();
}
END_TEST

START_TEST(single_message_is_always_accepted)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .waiting_bytes = 1,
	};
	const struct ipcbus_object handles[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 20, .tag = 1 },
		{ IPCBUS_OBJECT_HANDLE, .value = 21, .tag = 2 },
	};

	begin(&limits);
	opens(1000);
	for (int i = 0; i < 3; i++) {
		arrive_with(&ends[0], "x", 1, handles, 2);
		ck_assert_int_eq(receive(&ends[0]), 1);
	}
	arrive(&ends[0], 1);
	arrive(&ends[0], 1);
	is_broken(&ends[0], 1, -EDQUOT);
	end();
}
END_TEST

/* Messages of ended streams no longer count, however the stream ended. */
START_TEST(discarded_messages_do_not_count)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .waiting_bytes = 3 * ONE + 3,
	};

	begin(&limits);
	opens(1000);
	opens(1000);
	opens(1000);
	arrive(&ends[1], 1);
	arrive(&ends[2], 1);
	ipc_stream_cancel(ends[1].stream);
	/* For a stream that has ended. */
	arrive(&ends[1], 1);
	ipc_stream_unref(ends[2].stream);
	for (int i = 0; i < 3; i++)
		arrive(&ends[0], 1);
	ck_assert_int_eq(ipc_stream_is_canceled(ends[0].stream), 0);
	arrive(&ends[0], 1);
	is_broken(&ends[0], 3, -EDQUOT);
	ipc_stream_ref(ends[2].stream);
	n_ends = 2;
	end();
}
END_TEST

/* A message has at most so many. */
#define HANDLES 64

static const struct ipcbus_object *handles_new(void)
{
	static struct ipcbus_object handles[HANDLES];

	for (unsigned int i = 0; i < HANDLES; i++)
		handles[i] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 20 + i,
						     .tag = i + 1 };
	return handles;
}

START_TEST(files_and_objects_are_limited)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits) };
	const struct ipcbus_object *handles = handles_new();

	ck_assert_uint_eq(LIMIT_WAITING_ENTRIES, 256);
	begin(&limits);
	opens(1000);
	opens(1000);
	for (int i = 0; i < 3; i++)
		arrive_with(&ends[0], "x", 1, handles, HANDLES);
	arrive_with(&ends[1], "x", 1, handles, HANDLES);
	arrive(&ends[1], 1);
	ck_assert_int_eq(ipc_stream_is_canceled(ends[1].stream), 0);
	arrive_with(&ends[1], "x", 1, handles, 1);
	is_broken(&ends[1], 2, -EDQUOT);
	is_broken(&ends[0], 3, -EAGAIN);
	end();
}
END_TEST

/* --- Lost messages ---------------------------------------------------------------------------- */

START_TEST(lost_message_prevents_a_successful_end)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .message_size = 1000, .waiting_bytes = 4 * ONE,
	};

	begin(&limits);
	opens(1000);
	opens(1001);
	arrive(&ends[0], 1);
	arrive(&ends[0], 1001);
	ends_well(&ends[0]);
	is_broken(&ends[0], 1, -EMSGSIZE);

	for (int i = 0; i < 5; i++)
		arrive(&ends[1], 1);
	ends_well(&ends[1]);
	is_broken(&ends[1], 3, -EDQUOT);
	end();
}
END_TEST

START_TEST(messages_beyond_the_credit_are_lost)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits) };

	begin(&limits);
	opens(1000);
	for (unsigned int i = 0; i <= STREAM_WINDOW; i++)
		arrive(&ends[0], 1);
	ends_well(&ends[0]);
	is_broken(&ends[0], STREAM_WINDOW, -EPROTO);
	end();
}
END_TEST

/* Messages for a closed end. The remote side still holds objects of the end. */
START_TEST(closed_end_sends_nothing)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .message_size = 1000,
	};
	unsigned int sent;

	begin(&limits);
	opens(1000);
	ipc_stream_unref(ends[0].stream);
	n_ends = 0;
	ck_assert_uint_eq(last_code(), STREAM_END);
	sent = fake.n_sent;
	arrive(&ends[0], 1001);
	ck_assert_uint_eq(fake.n_sent, sent);
	end();
}
END_TEST

/* --- Opening ---------------------------------------------------------------------------------- */

/* A request that names an object that it did not contain, after a valid request. */
START_TEST(an_object_that_did_not_come)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits) };
	const struct ipcbus_object entries[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1001 },
		{ IPCBUS_OBJECT_HANDLE, .value = 10, .tag = 1003 },
		{ IPCBUS_OBJECT_HANDLE, .value = 11, .tag = 1002 },
	};
	struct ipcbus_event event = { .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50,
				      .code = IPC_NUMBER_STREAM, .uid = 1000 };

	begin(&limits);
	event.cookie = object->wants.cookie;
	push_open_bringing(event, 1, entries, 3);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	n_ends = 1;
	push_open_bringing(event, 1, entries, 2);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EBADMSG);
	ck_assert_ptr_null(ends[1].stream);
	end();
}
END_TEST

/* --- Limits of a service ------------------------------------------------------------------- */

static uint64_t cookie_of_node(uint64_t node)
{
	const struct ipc_object *made = LIST_FIRST(&ipc->objects);

	while (made && made->node != node)
		made = LIST_NEXT(made, link);
	return made ? made->wants.cookie : 0;
}

/* Messages of empty parts, which take many times their size. A single message is accepted. */
START_TEST(a_service_fills_no_client)
{
	static uint8_t many[30000];
	struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	const Ipc__Test__EchoReply *got;
	struct ipc_proxy *peer;
	struct test *test;
	int r, n = 0;

	for (size_t i = 0; i < sizeof(many); i += 2)
		many[i] = 0x7a;
	fake_reset();
	n_ends = 1;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_set_message_max(ipc, sizeof(many)), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
	test = test_from_proxy(peer);
	push_opened();
	ck_assert_int_eq(test_count_open(test, NULL, &request, &ends[0].stream, NULL), 0);
	ends[0].data_cookie = cookie_of_node(1);
	for (unsigned int i = 0; i < STREAM_WINDOW; i++)
		arrive_with(&ends[0], many, sizeof(many), NULL, 0);
	while ((r = test_count_receive(ends[0].stream, 0, &got, &error)) > 0)
		n++;
	ck_assert_int_eq(r, -EDQUOT);
	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, STREAM_WINDOW);
	ipc_error_done(&error);
	ipc_stream_unref(ends[0].stream);
	test_unref(test);
	ipc_unref(ipc);
}
END_TEST

START_TEST(a_service_leaves_no_objects)
{
	const struct ipcbus_object *handles = handles_new();
	struct ipc_proxy *peer;

	fake_reset();
	n_ends = 1;
	object = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, NULL, &ends[0].stream, NULL), 0);
	ends[0].data_cookie = cookie_of_node(1);
	for (int i = 0; i < 4; i++)
		arrive_with(&ends[0], "x", 1, handles, HANDLES);
	ck_assert_int_eq(ipc_stream_is_canceled(ends[0].stream), 0);
	arrive_with(&ends[0], "x", 1, handles, 1);
	is_broken(&ends[0], 4, -EDQUOT);
	ipc_proxy_unref(peer);
	end();
}
END_TEST

/* --- Closed ends ------------------------------------------------------------------------------ */

static void open_and_close(struct ipc_proxy *peer)
{
	struct ipc_stream *stream;

	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, NULL, &stream, NULL), 0);
	ipc_stream_unref(stream);
}

/* The service drops an object of an end. */
static void release(uint64_t node)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_IDLE,
					 .cookie = cookie_of_node(node) }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

START_TEST(a_service_keeps_no_closed_ends)
{
	struct ipc_proxy *peer;

	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
	for (unsigned int i = 0; i < STREAM_MAX_CLOSED; i++)
		open_and_close(peer);
	ck_assert_uint_eq(fake.n_destroyed, 0);
	ck_assert_uint_eq(ipc->cookies.count, 2 * STREAM_MAX_CLOSED);
	/* The service drops the end that was closed first, and another. */
	release(1);
	release(2);
	release(101);
	release(102);
	open_and_close(peer);
	ck_assert_uint_eq(fake.n_destroyed, 0);

	/* The end that was closed second still exists, and ends now. */
	open_and_close(peer);
	ck_assert_uint_eq(fake.n_destroyed, 2);
	ck_assert_uint_eq(cookie_of_node(3), 0);
	ck_assert_uint_eq(cookie_of_node(4), 0);
	ck_assert_uint_ne(cookie_of_node(5), 0);
	ck_assert_uint_eq(ipc->cookies.count, 2 * STREAM_MAX_CLOSED - 2);
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}
END_TEST

/* --- Batches --------------------------------------------------------------------------------- */

START_TEST(a_waiting_thread_takes_several_messages)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits) };
	unsigned int before;

	begin(&limits);
	opens(1000);
	queue(ends[0].data_cookie, STREAM_MESSAGE, 1);
	ck_assert_uint_eq(await(&ends[0]), 1);
	for (uint8_t i = 2; i < 8; i++)
		queue(ends[0].data_cookie, STREAM_MESSAGE, i);
	before = fake.exchanges;
	for (uint8_t i = 2; i < 8; i++)
		ck_assert_uint_eq(await(&ends[0]), i);
	/* It took them, and released their buffers. */
	ck_assert_uint_eq(fake.exchanges, before + 2);
	end();
}
END_TEST

/* A batch for the program stays together, and waits for a thread that serves. */
START_TEST(a_waiting_thread_leaves_other_oneways)
{
	static const struct ipc_object_limits limits = { .size = sizeof(limits) };

	begin(&limits);
	opens(1000);
	oneways = 0;
	queue(ends[0].data_cookie, STREAM_MESSAGE, 1);
	ck_assert_uint_eq(await(&ends[0]), 1);
	for (uint8_t i = 1; i < 4; i++)
		queue(object->wants.cookie, i, i);
	queue(ends[0].data_cookie, STREAM_MESSAGE, 2);
	ck_assert_uint_eq(await(&ends[0]), 2);
	ck_assert_uint_eq(oneways, 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(oneways, 3);
	ck_assert_uint_eq(last_oneway, 3);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-waiting", bytes_of_a_user_are_limited,
			 single_message_is_always_accepted, discarded_messages_do_not_count,
			 files_and_objects_are_limited,
			 lost_message_prevents_a_successful_end,
			 messages_beyond_the_credit_are_lost,
			 closed_end_sends_nothing, an_object_that_did_not_come,
			 a_service_fills_no_client, a_service_leaves_no_objects,
			 a_service_keeps_no_closed_ends,
			 a_waiting_thread_takes_several_messages,
			 a_waiting_thread_leaves_other_oneways);
}
