// SPDX-License-Identifier: MIT
/*
 * Streams of protobuf messages, on the fake device: the contents of a message, and the identity of
 * the other side.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conn/frame.h"
#include "core/object.h"
#include "core/proxy.h"
#include "core/stream.h"
#include "fake-device.h"
#include "method.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static struct test *peer;
static struct ipc_object *object;
static struct ipc_stream *stream, *served;
static char story[256];

static int count(struct ipc_stream *to, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)request, (void)userdata;
	served = ipc_stream_ref(to);
	return 0;
}

static const struct test_ops ops = { .count = count };

static void push_end_of_peer(struct ipcbus_event event, uint32_t method)
{
	struct ipcbus_object entries[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1001 },
		{ IPCBUS_OBJECT_HANDLE, .value = 10, .tag = 1002 },
	};
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;
	uint8_t bytes[64];

	data.id = 1001;
	control.id = 1002;
	open.data = &data;
	open.control = &control;
	open.has_window = true;
	open.window = 16;
	open.has_method = method != 0;
	open.method = method;
	fake_push(event, bytes, ipc__stream_open__pack(&open, bytes), entries, 2);
}

static void begin(void)
{
	struct ipc_proxy *proxy;

	fake_reset();
	*story = '\0';
	served = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	peer = test_from_proxy(proxy);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &object), 0);
	object_id(object);
}

static void begin_conveying(void)
{
	begin();
	push_end_of_peer((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, 0);
	ck_assert_int_eq(test_convey_open(peer, NULL, &stream, NULL), 0);
}

static void end(void)
{
	ipc_stream_unref(stream);
	test_unref(peer);
	ipc_object_unref(object);
	ipc_unref(ipc);
	stream = NULL;
}

/* Returns this side's data object, from the message that opened the stream. */
static struct ipc_object *data_object(void)
{
	for (unsigned int i = 0; i < fake.n_sent; i++)
		if (fake.sent[i].send.object_count == 2)
			return map_get(&ipc->cookies, id_cookie(fake.sent[i].objects[0].tag));
	ck_abort_msg("no stream was opened");
}

static void arrive(uint32_t code, const void *bytes, size_t size,
		   const struct ipcbus_object *came)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code, .buffer = 8,
					 .cookie = data_object()->wants.cookie },
		  bytes, size, came, came != NULL);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

/* A crate with five bytes and a file arrives. */
static void crate_arrives(void)
{
	struct ipcbus_object came = { .type = IPCBUS_OBJECT_FD, .tag = 77 };
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	uint8_t payload[64];

	came.value = (uint64_t)open("/dev/null", O_RDONLY | O_CLOEXEC);
	crate.data = (ProtobufCBinaryData){ .len = 5, .data = (uint8_t *)"bytes" };
	fd.fd = 77;
	crate.fd = &fd;
	arrive(STREAM_MESSAGE, payload, ipc__test__crate__pack(&crate, payload), &came);
}

START_TEST(objects_and_bytes)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	const Ipc__Test__Crate *crate;
	Ipc__Object id = IPC__OBJECT__INIT;
	int fd;

	begin_conveying();
	ck_assert(data_object()->wants.flags & IPCBUS_NODE_ACCEPT_FDS);
	crate_arrives();
	ck_assert_int_eq(test_convey_receive(stream, 0, &crate, NULL), 1);
	ck_assert_uint_eq(crate->data.len, 5);
	ck_assert_mem_eq(crate->data.data, "bytes", 5);
	fd = ipc_take_fd(&crate->fd->fd);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(close(fd), 0);

	id.id = object_id(object);
	cargo.object = &id;
	ck_assert_int_eq(test_convey_send(stream, 0, &cargo), 0);
	ck_assert_uint_eq(fake_last()->send.handle, 9);
	ck_assert_uint_eq(fake_last()->send.object_count, 1);
	ck_assert(!object->maybe_idle);
	end();
}
END_TEST

START_TEST(no_files_without_a_field)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	begin();
	push_end_of_peer((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, 0);
	ck_assert_int_eq(test_count_open(peer, NULL, &request, &stream, NULL), 0);
	ck_assert(!(data_object()->wants.flags & IPCBUS_NODE_ACCEPT_FDS));
	end();
}
END_TEST

/* --- Opening without blocking -------------------------------------------------------- */

static unsigned int calls, destroyed;
static int opened_result;

static void opened(int result, struct ipc_stream *with, const struct ipc_error *error,
		   void *userdata)
{
	ck_assert_ptr_eq(userdata, &calls);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(!with, result < 0);
	calls++;
	opened_result = result;
	stream = with;
}

static void count_destroy(void *userdata)
{
	ck_assert_ptr_eq(userdata, &calls);
	destroyed++;
}

static int never_serves(struct ipc_stream *to, const ProtobufCMessage *request, const void *table,
			void *userdata)
{
	(void)to, (void)request, (void)table, (void)userdata;
	return -EOPNOTSUPP;
}

/* A stream of replies whose request has objects. */
static const struct ipc_method fetch = {
	.number = 99,
	.flags = IPC_METHOD_REPLY_STREAM | IPC_METHOD_REQUEST_OBJECTS,
	.name = "Fetch",
	.request = &ipc__test__cargo__descriptor,
	.reply = &ipc__test__crate__descriptor,
	.open = never_serves,
};

static void begin_opening(void)
{
	begin();
	calls = destroyed = 0;
	opened_result = 1;
}

static void reply_comes(void)
{
	push_end_of_peer((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7,
						.cookie = fake_last()->send.cookie }, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static const struct fake_sent *sent_with(uint32_t code)
{
	for (unsigned int i = 0; i < fake.n_sent; i++)
		if (fake.sent[i].send.code == code && fake.sent[i].send.handle == 9)
			return &fake.sent[i];
	return NULL;
}

static int start_counting(char *text, struct ipc_slot **ret_slot)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	int r;

	request.text = text;
	r = test_count_open_async(peer, NULL, &request, opened, &calls, ret_slot);
	ck_assert_uint_eq(calls, 0);
	return r;
}

START_TEST(opening_copies_the_request)
{
	const struct fake_sent *sent;
	char text[] = "first";
	uint8_t bytes[] = { 10, 5, 'f', 'i', 'r', 's', 't' };

	begin_opening();
	ck_assert_int_eq(start_counting(text, NULL), 0);
	strcpy(text, "later");
	ck_assert_ptr_null(sent_with(STREAM_MESSAGE));
	reply_comes();
	ck_assert_uint_eq(calls, 1);
	ck_assert_int_eq(opened_result, 0);
	sent = sent_with(STREAM_MESSAGE);
	ck_assert_ptr_nonnull(sent);
	ck_assert_uint_eq(sent->send.data_size, sizeof(bytes));
	ck_assert_mem_eq(sent->data, bytes, sizeof(bytes));
	ck_assert_ptr_nonnull(sent_with(STREAM_END));
	end();
}
END_TEST

START_TEST(opening_without_a_request)
{
	begin_opening();
	ck_assert_int_eq(test_convey_open_async(peer, NULL, opened, &calls, NULL), 0);
	reply_comes();
	ck_assert_int_eq(opened_result, 0);
	ck_assert_ptr_null(sent_with(STREAM_MESSAGE));
	ck_assert_ptr_null(sent_with(STREAM_END));
	end();
}
END_TEST

/* The cargo has an object of this process, an object of another process, and a file. */
static void start_fetching(struct ipc_slot **ret_slot)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object own = IPC__OBJECT__INIT, foreign = IPC__OBJECT__INIT;
	Ipc__Object *objects[] = { &foreign };
	Ipc__Fd fd = IPC__FD__INIT;
	struct ipc_proxy *other;

	ck_assert_int_eq(proxy_arrived_at(ipc, 6, NULL, &other), 0);
	own.id = object_id(object);
	foreign.id = ipc_proxy_id(other);
	fd.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd.fd, 0);
	cargo.object = &own;
	cargo.objects = objects;
	cargo.n_objects = 1;
	cargo.fd = &fd;
	ck_assert_int_eq(ipc_rpc_stream_open_async(test_proxy(peer), &fetch, NULL, &cargo.base,
						   opened, &calls, ret_slot), 0);
	ck_assert_int_eq(close(fd.fd), 0);
	ipc_proxy_unref(other);
	object = ipc_object_unref(object);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(kept_request_holds_objects_and_files)
{
	const struct fake_sent *sent;
	unsigned int n_destroyed;
	int fds;

	begin_opening();
	fds = count_fds();
	n_destroyed = fake.n_destroyed;
	start_fetching(NULL);
	ck_assert_int_eq(count_fds(), fds + 1);
	ck_assert_uint_eq(fake.n_destroyed, n_destroyed);
	reply_comes();
	ck_assert_int_eq(opened_result, 0);
	sent = sent_with(STREAM_MESSAGE);
	ck_assert_ptr_nonnull(sent);
	ck_assert_uint_eq(sent->send.object_count, 3);
	ck_assert_uint_eq(sent->objects[0].type, IPCBUS_OBJECT_NODE);
	ck_assert_uint_eq(sent->objects[1].type, IPCBUS_OBJECT_HANDLE);
	ck_assert_uint_eq(sent->objects[1].value, 6);
	ck_assert_uint_eq(sent->objects[2].type, IPCBUS_OBJECT_FD);
	ck_assert_int_eq(count_fds(), fds);
	end();
}
END_TEST

START_TEST(ended_slot_cancels_the_opening)
{
	struct ipc_slot *slot = NULL;
	uint64_t cookie;
	int fds;

	begin_opening();
	fds = count_fds();
	start_fetching(&slot);
	ipc_slot_set_destroy(slot, count_destroy);
	cookie = fake_last()->send.cookie;
	ck_assert_ptr_null(ipc_slot_end(slot));
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_uint_eq(fake.n_cancels, 1);
	ck_assert_uint_eq(fake.canceled, cookie);
	/* The server was faster: it must learn of the cancellation, and gets no request. */
	reply_comes();
	ck_assert_uint_eq(calls, 0);
	ck_assert_ptr_null(sent_with(STREAM_MESSAGE));
	ck_assert_uint_eq(fake_last()->send.code, STREAM_CANCEL);
	ck_assert_uint_eq(fake_last()->send.handle, 10);
	ck_assert_int_eq(count_fds(), fds);
	end();
}
END_TEST

START_TEST(opening_that_ended_keeps_its_stream)
{
	struct ipc_slot *slot = NULL;

	begin_opening();
	ck_assert_int_eq(start_counting((char *)"", &slot), 0);
	ipc_slot_set_destroy(slot, count_destroy);
	reply_comes();
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_ptr_null(ipc_slot_end(slot));
	ck_assert_uint_eq(fake_last()->send.code, STREAM_END);
	ck_assert(!ipc_stream_is_canceled(stream));
	end();
}
END_TEST

START_TEST(opening_fails)
{
	struct ipc_slot *slot = NULL;
	int fds;

	/* There is no space for the request. */
	begin_opening();
	ck_assert_int_eq(start_counting((char *)"", NULL), 0);
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	reply_comes();
	ck_assert_uint_eq(calls, 1);
	ck_assert_int_eq(opened_result, -EAGAIN);
	end();

	/* The server refuses the stream. */
	begin_opening();
	fds = count_fds();
	start_fetching(NULL);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .buffer = 7, .error = -EDQUOT,
					 .cookie = fake_last()->send.cookie }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(calls, 1);
	ck_assert_int_eq(opened_result, -EDQUOT);
	ck_assert_ptr_null(sent_with(STREAM_MESSAGE));
	ck_assert_int_eq(count_fds(), fds);
	end();

	/* The call cannot be sent. */
	begin_opening();
	fake.send_error = -EDQUOT;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(start_counting((char *)"", &slot), -EDQUOT);
	ck_assert_ptr_null(slot);
	end();
}
END_TEST

START_TEST(wrong_openings)
{
	const struct ipc_method *convey = method_of(&test_interface, "Convey");
	const struct ipc_method *echo = method_of(&test_interface, "Echo");
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	struct ipc_proxy *proxy;
	Ipc__Fd fd = IPC__FD__INIT;

	begin_opening();
	proxy = test_proxy(peer);
#define OPEN(...) ipc_rpc_stream_open_async(__VA_ARGS__, &calls, NULL)
	ck_assert_int_eq(OPEN(NULL, convey, NULL, NULL, opened), -EINVAL);
	ck_assert_int_eq(OPEN(proxy, NULL, NULL, NULL, opened), -EINVAL);
	ck_assert_int_eq(OPEN(proxy, convey, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(OPEN(proxy, convey, NULL, &cargo.base, opened), -EINVAL);
	ck_assert_int_eq(OPEN(proxy, echo, NULL, &request.base, opened), -EINVAL);
	ck_assert_int_eq(OPEN(proxy, &fetch, NULL, NULL, opened), -EINVAL);
	ck_assert_int_eq(OPEN(proxy, &fetch, NULL, &request.base, opened), -EINVAL);
	request.text = (char *)"\xff";
	ck_assert_int_eq(test_count_open_async(peer, NULL, &request, opened, &calls, NULL),
			 -EINVAL);
	cargo.fd = &fd;
	fd.fd = -1;
	ck_assert_int_eq(OPEN(proxy, &fetch, NULL, &cargo.base, opened), -EBADF);
	ck_assert_uint_eq(fake.n_sent, 0);
	end();
	ck_assert_uint_eq(calls, 0);
}
END_TEST

/* --- Messages ------------------------------------------------------------------------- */

START_TEST(not_of_this_stream)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	const struct ipc_method *convey = method_of(&test_interface, "Convey");
	const struct ipc_method *gather = method_of(&test_interface, "Gather");
	const ProtobufCMessage *message = NULL;

	begin_conveying();
	ck_assert_int_eq(ipc_rpc_stream_send(NULL, convey, 0, &cargo.base), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_send(stream, NULL, 0, &cargo.base), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_send(stream, gather, 0, &cargo.base), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_send(stream, convey, 0, NULL), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_send(stream, convey, 0, &crate.base), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_receive(NULL, convey, 0, &message, NULL), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_receive(stream, gather, 0, &message, NULL), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_receive(stream, convey, 0, NULL, NULL), -EINVAL);
	ck_assert_int_eq(test_convey_receive(stream, 0, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_rpc_stream_finish(stream, gather, 0, &message, NULL), -EINVAL);
	/* An end carries no message. */
	arrive(STREAM_END, NULL, 0, NULL);
	ck_assert_int_eq(ipc_rpc_stream_receive(stream, convey, 0, &message, NULL), 0);
	ck_assert_ptr_null(message);
	end();
}
END_TEST

static void take_crate(struct ipc_stream *from, const Ipc__Test__Crate *crate, void *userdata)
{
	unsigned int *crates = userdata;

	ck_assert_ptr_eq(from, stream);
	ck_assert_mem_eq(crate->data.data, "bytes", 5);
	(*crates)++;
}

static void never(struct ipc_stream *from, void *userdata)
{
	(void)from, (void)userdata;
	ck_abort_msg("a refused callback runs");
}

static void count_end(struct ipc_stream *ended, int result, const struct ipc_error *error,
		      void *userdata)
{
	unsigned int *crates = userdata;

	(void)ended, (void)error;
	ck_assert_int_eq(result, 0);
	*crates += 10;
}

START_TEST(callbacks_get_the_message)
{
	struct ipc_stream_ops callbacks = { .size = sizeof(callbacks), .on_end = count_end };
	struct ipc_stream_ops more = callbacks;
	unsigned int crates = 0;

	begin_conveying();
	more.on_message = never;
	ck_assert_int_eq(test_convey_set_ops(stream, take_crate, &more, &crates), -EINVAL);
	ck_assert_int_eq(test_convey_set_ops(stream, take_crate, NULL, &crates), -EINVAL);
	ck_assert_int_eq(test_convey_set_ops(stream, NULL, &callbacks, &crates), -EINVAL);
	ck_assert_int_eq(test_count_set_ops(stream, NULL, &callbacks, &crates), -EINVAL);
	more = callbacks;
	more.size--;
	ck_assert_int_eq(test_convey_set_ops(stream, take_crate, &more, &crates), -EINVAL);
	/* After a failure, callbacks can still be set. */
	ck_assert_int_eq(test_convey_set_ops(stream, take_crate, &callbacks, &crates), 0);
	ck_assert_int_eq(test_convey_set_ops(stream, take_crate, &callbacks, &crates), -EALREADY);
	crate_arrives();
	crate_arrives();
	while (ipc_process(ipc) > 0)
		;
	ck_assert_uint_eq(crates, 2);
	arrive(STREAM_END, NULL, 0, NULL);
	while (ipc_process(ipc) > 0)
		;
	ck_assert_uint_eq(crates, 12);
	end();
}
END_TEST

START_TEST(failures_that_break_it)
{
	struct ipc_error error = IPC_ERROR_INIT;
	const Ipc__Test__Crate *crate;

	/* The driver reported the death of the other side. */
	begin_conveying();
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t cookie = id_cookie(fake.sent[0].objects[i].tag);

		fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_IDLE, .cookie = cookie },
			  NULL, 0, NULL, 0);
	}
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(test_convey_receive(stream, 0, &crate, &error), -EAGAIN);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(test_convey_receive(stream, 0, &crate, &error), -EOWNERDEAD);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_BUS);
	end();

	/* The other side sent a malformed message. */
	begin_conveying();
	arrive(STREAM_END, "junk", 4, NULL);
	ck_assert_int_eq(test_convey_receive(stream, 0, &crate, &error), -EBADMSG);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
	ipc_error_done(&error);
	end();
}
END_TEST

START_TEST(messages_to_the_client_are_limited)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	struct ipc_error error = IPC_ERROR_INIT;
	const Ipc__Test__Crate *got;
	char label[100] = "";
	uint8_t bytes[128];
	size_t size;

	memset(label, 'x', sizeof(label) - 1);
	crate.label = label;
	size = ipc__test__crate__pack(&crate, bytes);

	for (int over = 0; over < 2; over++) {
		begin();
		ck_assert_int_eq(ipc_set_message_max(ipc, size - (size_t)over), 0);
		push_end_of_peer((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 },
				 0);
		ck_assert_int_eq(test_convey_open(peer, NULL, &stream, NULL), 0);
		crate_arrives();
		ck_assert_int_eq(test_convey_receive(stream, 0, &got, &error), 1);
		arrive(STREAM_MESSAGE, bytes, size, NULL);
		ck_assert_int_eq(test_convey_receive(stream, 0, &got, &error),
				 over ? -EMSGSIZE : 1);
		ipc_error_done(&error);
		end();
	}
}
END_TEST

START_TEST(identity_of_the_opener)
{
	struct ipcbus_event opens = {
		.kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50, .code = IPC_NUMBER_STREAM,
		.pid = 2, .uid = 3, .gid = 4,
	};
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	uint8_t bytes[16];

	begin();
	opens.cookie = fake.cookie;
	push_end_of_peer(opens, method_of(&test_interface, "Count")->number);
	ck_assert_int_eq(ipc_process(ipc), 1);
	/* The handler must wait for the request. */
	ck_assert_ptr_null(served);
	arrive(STREAM_MESSAGE, bytes, ipc__test__echo_request__pack(&request, bytes), NULL);
	ck_assert_ptr_nonnull(served);
	ck_assert_int_eq(ipc_stream_pid(served), 2);
	ck_assert_uint_eq(ipc_stream_uid(served), 3);
	ck_assert_uint_eq(ipc_stream_gid(served), 4);
	ipc_stream_unref(served);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("typed-stream", objects_and_bytes, no_files_without_a_field,
			 opening_copies_the_request, opening_without_a_request,
			 kept_request_holds_objects_and_files, ended_slot_cancels_the_opening,
			 opening_that_ended_keeps_its_stream, opening_fails, wrong_openings,
			 not_of_this_stream, callbacks_get_the_message,
			 failures_that_break_it, messages_to_the_client_are_limited,
			 identity_of_the_opener);
}
