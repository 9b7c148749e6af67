// SPDX-License-Identifier: MIT
/*
 * Streams without memory, as test-library.c does for calls: failed sends can be repeated, a
 * received message that could not be kept ends the stream, and the other side always notices the
 * end, at least because its objects are dropped.
 */
#define _GNU_SOURCE

#include "library.h"
#include "memory.h"
#include "core/stream.h"


static struct ipc_stream *stream;
static struct ipc_object *data, *control;	/* the local end, held by the remote side */
static const Ipc__Test__EchoReply *received;
static int n_writable;
static char details[20000];

static void writable(struct ipc_stream *which, void *userdata)
{
	(void)which, (void)userdata;
	n_writable++;
}

static const struct ipc_stream_ops writable_ops = {
	.size = sizeof(writable_ops), .on_writable = writable,
};

/* --- The remote side --------------------------------------------------------------- */

static void push_open_reply(void)
{
	push_stream_end((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, /* method= */ 0);
}

static void push_open(const char *method)
{
	struct ipcbus_event event = request_event(IPCBUS_EVENT_CALL, method);

	event.code = IPC_NUMBER_STREAM;
	push_stream_end(event, method_of(&test_interface, method)->number);
}

/* Reads the local end's objects from the last message with objects. */
static void note_ends(void)
{
	for (unsigned int i = 0; i < fake.n_sent; i++) {
		const struct fake_sent *sent = &fake.sent[i];

		if (sent->send.object_count != 2)
			continue;
		data = map_get(&ipc->cookies, id_cookie(sent->objects[0].tag));
		control = map_get(&ipc->cookies, id_cookie(sent->objects[1].tag));
	}
}

static void push_to(const struct ipc_object *end_of, uint32_t code,
		    const ProtobufCMessage *message)
{
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code,
				    .cookie = end_of->wants.cookie }, message, NULL, 0);
}

static void push_message(void)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	reply.text = "tick";
	push_to(data, STREAM_MESSAGE, &reply.base);
}

/* The remote side has dropped the local end. */
static void push_idle(const struct ipc_object *end_of)
{
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_IDLE, .cookie = end_of->wants.cookie },
	     NULL, NULL, 0);
}

/* Closes the stream, and checks that no resources are left. */
static void close_stream(void)
{
	/* A stream with callbacks would continue. */
	if (stream && stream->has_ops)
		ipc_stream_cancel(stream);
	stream = ipc_stream_unref(stream);
	process_all();
	ck_assert_int_eq(memory_handles(), 1);
	ck_assert_uint_eq(ipc->watches.count, 0);
	ck_assert(TAILQ_EMPTY(&ipc->writable));
	ck_assert_uint_eq(atomic_load(&ipc->attention), 0);
}

/* --- Opening ---------------------------------------------------------------------- */

static int act_open_count(void)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	request.text = "from a client";
	return test_count_open(peer, NULL, &request, &stream, &error);
}

static int act_open_gather(void)
{
	return test_gather_open(peer, NULL, &stream, &error);
}

static void open_with(int (*act)(void))
{
	push_open_reply();
	ck_assert_int_eq(act(), 0);
	note_ends();
}

static void prepare_count(void)
{
	open_with(act_open_count);
}

static void prepare_gather(void)
{
	open_with(act_open_gather);
}

static void finish_open(int r, int (*act)(void))
{
	assert_may(r);
	if (r < 0) {
		ck_assert_ptr_null(stream);
		ck_assert_int_eq(error.code, r);
		ck_assert_int_eq(memory_handles(), 1);
		if (!is_waiting())
			push_open_reply();
		ck_assert_int_eq(act(), 0);
	}
	ck_assert_int_eq(memory_handles(), 3);
	close_stream();
}

static void finish_open_count(int r)
{
	finish_open(r, act_open_count);
}

static void finish_open_gather(int r)
{
	finish_open(r, act_open_gather);
}

/* --- A timeout ----------------------------------------------------------------- */

static void prepare_limited(void)
{
	static const struct ipc_options options = { .timeout_usec = 1000000000000 };

	push_open_reply();
	ck_assert_int_eq(test_gather_open(peer, &options, &stream, &error), 0);
}

static int act_set_ops(void)
{
	return ipc_stream_set_ops(stream, &writable_ops, NULL);
}

static void finish_limited(int r)
{
	assert_may(r);
	ck_assert(!LIST_FIRST(&ipc->timers.list) == (r < 0));
	ck_assert_uint_eq(atomic_load(&ipc->attention), r ? 0 : ATTEND_TIMER | ATTEND_POLL);
	if (r < 0)
		ck_assert_int_eq(act_set_ops(), 0);
	ck_assert_ptr_nonnull(LIST_FIRST(&ipc->timers.list));
	close_stream();
}

/* --- Sending ---------------------------------------------------------------------- */

static int send_within(uint64_t timeout_usec)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	request.text = "one";
	return test_gather_send(stream, timeout_usec, &request);
}

static int act_send(void)
{
	return send_within(0);
}

static int act_send_waiting(void)
{
	return send_within(IPC_NEVER);
}

/* The next send is refused for lack of space. */
static void no_space(void)
{
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
}

static void prepare_no_space(void)
{
	prepare_gather();
	no_space();
}

static void prepare_no_space_ready(void)
{
	prepare_no_space();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &writable_ops, NULL), 0);
}

/* A message that was not sent has used no credit. */
static void finish_send(int r)
{
	assert_may(r);
	fake.send_error = 0;
	ck_assert_uint_eq(stream->credit, STREAM_WINDOW - (r == 0));
	if (r < 0)
		ck_assert_int_eq(act_send(), 0);
	ck_assert_uint_eq(fake_last()->send.handle, DATA);
	ck_assert_uint_eq(stream->credit, STREAM_WINDOW - 1);
	close_stream();
}

static void prepare_no_credit(void)
{
	Ipc__StreamCredit credit = IPC__STREAM_CREDIT__INIT;

	prepare_gather();
	for (int i = 0; i < STREAM_WINDOW; i++)
		ck_assert_int_eq(act_send(), 0);
	ck_assert_int_eq(act_send(), -EAGAIN);
	credit.has_messages = true;
	credit.messages = 8;
	push_to(control, STREAM_CREDIT, &credit.base);
}

/* Received credit may be lost: then the stream ends. */
static void finish_credit(int r)
{
	assert_may(r);
	process_all();
	if (stream->broken) {
		ck_assert_int_eq(stream->broken, -ENOMEM);
		ck_assert_int_eq(act_send(), -ENOMEM);
	} else {
		if (stream->credit == 8)
			ck_assert_int_eq(act_send(), 0);
		ck_assert_uint_eq(stream->credit, 7);
	}
	close_stream();
}

/* --- Ends ------------------------------------------------------------------------- */

static int act_end(void)
{
	return ipc_stream_end(stream);
}

static int act_fail(void)
{
	return ipc_stream_fail(stream, 0, "fail.Test", "%s", "explained");
}

static int act_raise(void)
{
	/* A longer error than any before. */
	struct ipc_error all = {
		.code = -EDOM, .number = 5, .name = "fail.Test", .text = "explained",
		.details = details, .details_size = sizeof(details),
	};

	return ipc_stream_fail_with(stream, &all);
}

static Ipc__StreamEnd *sent_end(void)
{
	const struct fake_sent *sent = fake_last();
	Ipc__StreamEnd *end;

	ck_assert_uint_eq(sent->send.handle, DATA);
	ck_assert_uint_eq(sent->send.code, STREAM_END);
	end = ipc__stream_end__unpack(NULL, sent->send.data_size, sent->data);
	ck_assert_ptr_nonnull(end);
	return end;
}

/* The explanation may be missing, but not the end, and its code must be right. */
static void finish_ended(int r, int (*act)(void), int code)
{
	Ipc__StreamEnd *end;

	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act(), 0);
	ck_assert_int_eq(act(), -EALREADY);
	end = sent_end();
	ck_assert_int_eq(end->code, code);
	if (end->error && end->error->text)
		ck_assert_str_eq(end->error->text, "explained");
	ipc__stream_end__free_unpacked(end, NULL);
	close_stream();
}

static void finish_end(int r)
{
	finish_ended(r, act_end, 0);
}

static void finish_fail(int r)
{
	finish_ended(r, act_fail, -EREMOTEIO);
}

static void finish_raise(int r)
{
	finish_ended(r, act_raise, -EDOM);
}

static int act_cancel(void)
{
	ipc_stream_cancel(stream);
	return 0;
}

static void finish_cancel(int r)
{
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(act_send(), -ECANCELED);
	close_stream();
}

static int act_close(void)
{
	stream = ipc_stream_unref(stream);
	return 0;
}

static void finish_close(int r)
{
	ck_assert_int_eq(r, 0);
	close_stream();
}

/* The remote side drops the local end, which it notices without a message. */
static void prepare_let_go(void)
{
	prepare_count();
	push_idle(data);
	push_idle(control);
	ck_assert_int_eq(act_process(), 1);
}

static void finish_let_go(int r)
{
	assert_may(r);
	process_all();
	ck_assert_int_eq(test_count_receive(stream, 0, &received, &error), -EOWNERDEAD);
	close_stream();
}

/* --- Receiving -------------------------------------------------------------------- */

static void prepare_message(void)
{
	prepare_count();
	push_message();
}

static int receive_within(uint64_t timeout_usec)
{
	return test_count_receive(stream, timeout_usec, &received, &error);
}

static int act_receive(void)
{
	return receive_within(0);
}

static int act_receive_waiting(void)
{
	return receive_within(IPC_NEVER);
}

/* The whole message arrives, or each receive returns the same error. */
static void finish_message(int r)
{
	ck_assert(r == 1 || r == -ENOMEM);
	process_all();
	r = received ? 1 : act_receive();
	if (r == 1) {
		ck_assert_str_eq(received->text, "tick");
		ck_assert_int_eq(act_receive(), -EAGAIN);
	} else {
		ck_assert_int_eq(r, -ENOMEM);
		push_message();
		process_all();
		ck_assert_int_eq(act_receive(), -ENOMEM);
	}
	received = NULL;
	close_stream();
}

/* With the next message, half of the receive window is used. */
static void prepare_half(void)
{
	prepare_count();
	for (int i = 0; i < STREAM_WINDOW / 2; i++) {
		push_message();
		ck_assert_int_eq(act_process(), 1);
	}
	for (int i = 0; i < STREAM_WINDOW / 2; i++)
		ck_assert_int_eq(act_receive(), 1);
}

static void finish_half(int r)
{
	Ipc__StreamCredit *credit;

	ck_assert(r == -EAGAIN || r == -ENOMEM);
	if (r == -ENOMEM)
		ck_assert_int_eq(act_receive(), -EAGAIN);
	ck_assert_uint_eq(fake_last()->send.handle, CONTROL);
	credit = ipc__stream_credit__unpack(NULL, fake_last()->send.data_size, fake_last()->data);
	ck_assert_uint_eq(credit->messages, STREAM_WINDOW / 2);
	ipc__stream_credit__free_unpacked(credit, NULL);
	received = NULL;
	close_stream();
}

static void prepare_error(void)
{
	Ipc__StreamEnd over = IPC__STREAM_END__INIT;
	Ipc__Error explained = IPC__ERROR__INIT;

	prepare_count();
	explained.name = "fail.Name";
	explained.text = "explained";
	explained.has_details = true;
	explained.details.data = (uint8_t *)"details";
	explained.details.len = 7;
	over.has_code = true;
	over.code = -EREMOTEIO;
	over.error = &explained;
	push_to(data, STREAM_END, &over.base);
}

static int act_error(void)
{
	int r = act_process();

	return r < 0 ? r : act_receive();
}

static void finish_error(int r)
{
	process_all();
	ck_assert(r == -EREMOTEIO || r == -ENOMEM);
	r = act_receive();
	ck_assert(r == -EREMOTEIO || r == -ENOMEM);
	ck_assert_int_eq(error.code, r);
	if (error.name)
		ck_assert_str_eq(error.name, "fail.Name");
	if (error.details)
		ck_assert_mem_eq(error.details, "details", error.details_size);
	close_stream();
}

/* --- Opened by the remote side ------------------------------------------------------- */

static void prepare_serve_gather(void)
{
	push_open("Gather");
}

/* The open gets a reply in any case: with a local end, or with an error. */
static void finish_serve_gather(int r)
{
	unsigned int replies = 0;

	assert_may(r);
	process_all();
	for (unsigned int i = 0; i < fake.n_sent; i++) {
		const struct ipcbus_send *sent = &fake.sent[i].send;

		replies += sent->call == CALL;
		if (sent->kind == IPCBUS_SEND_ERROR) {
			ck_assert_uint_eq(sent->code, ENOMEM);
			ck_assert_ptr_null(opened);
		}
	}
	ck_assert_uint_eq(replies, 1);
	opened = ipc_stream_unref(opened);
	close_stream();
}

/* The stream's handler waits for the request. */
static void prepare_request(void)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	push_open("Count");
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(handled, 0);
	note_ends();
	request.text = "from a client";
	push_to(data, STREAM_MESSAGE, &request.base);
}

/*
 * The handler gets the request, or the remote side gets an error. Without memory for the error, the
 * remote side notices that the local end was dropped.
 */
static void finish_request(int r)
{
	Ipc__StreamEnd *end;

	assert_may(r);
	process_all();
	if (!opened) {
		ck_assert_int_eq(memory_handles(), 1);
		if (fake_last()->send.kind == IPCBUS_SEND_ONEWAY) {
			end = sent_end();
			ck_assert_int_eq(end->code, -ENOMEM);
			ipc__stream_end__free_unpacked(end, NULL);
		}
	}
	opened = ipc_stream_unref(opened);
	close_stream();
}

static void prepare_serving(void)
{
	push_open("Gather");
	ck_assert_int_eq(act_process(), 1);
	ck_assert_ptr_nonnull(opened);
}

/* The explanation of the failure is refused, or for lack of memory the failure itself. */
static void prepare_serving_refused(void)
{
	prepare_serving();
	fake.send_error = -ENOMEM;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
}

static int act_serve_fail(void)
{
	return ipc_stream_fail(opened, 0, "fail.Test", "%s", "explained");
}

/* A failure that could not be sent must not become a successful end. */
static void finish_serve_fail(int r)
{
	Ipc__StreamEnd *end;

	assert_may(r);
	opened = ipc_stream_unref(opened);
	end = sent_end();
	ck_assert_int_eq(end->code, -EREMOTEIO);
	ipc__stream_end__free_unpacked(end, NULL);
	close_stream();
}

static const struct scenario scenarios[] = {
	{ "open for replies", push_open_reply, act_open_count, finish_open_count },
	{ "open for requests", push_open_reply, act_open_gather, finish_open_gather },
	{ "callbacks with a timeout", prepare_limited, act_set_ops, finish_limited },
	{ "send", prepare_gather, act_send, finish_send },
	{ "send, and wait", prepare_gather, act_send_waiting, finish_send },
	{ "send without space", prepare_no_space_ready, act_send, finish_send },
	{ "send without space, and wait", prepare_no_space, act_send_waiting, finish_send },
	{ "send without credit, and wait", prepare_no_credit, act_send_waiting, finish_credit },
	{ "credit", prepare_no_credit, act_process, finish_credit },
	{ "end", prepare_gather, act_end, finish_end },
	{ "fail", prepare_gather, act_fail, finish_fail },
	{ "raise", prepare_gather, act_raise, finish_raise },
	{ "cancel", prepare_gather, act_cancel, finish_cancel },
	{ "let go", prepare_gather, act_close, finish_close },
	{ "is let go", prepare_let_go, act_process, finish_let_go },
	{ "a message", prepare_message, act_process, finish_message },
	{ "wait for a message", prepare_message, act_receive_waiting, finish_message },
	{ "give credit", prepare_half, act_receive, finish_half },
	{ "an error", prepare_error, act_error, finish_error },
	{ "serve requests", prepare_serve_gather, act_process, finish_serve_gather },
	{ "serve replies", prepare_request, act_process, finish_request },
	{ "serve, fail and let go", prepare_serving, act_serve_fail, finish_serve_fail },
	{ "serve, fail, be refused and let go", prepare_serving_refused, act_serve_fail,
	  finish_serve_fail },
};

int main(void)
{
	return library_walk(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
