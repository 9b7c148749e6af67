// SPDX-License-Identifier: MIT
/*
 * Messages of the other side that end a stream, on a fake device: each side gets the error with its
 * origin, instead of a death that did not happen.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/proxy.h"
#include "method.h"
#include "stream-run.h"
#include "test.ipc.h"

/* Field 1 with a wire type that no message here uses, followed by a truncated field. */
#define JUNK		"\x0d\x01"

static struct ipc *ipc;
static struct ipc_object *object;
static struct test *peer;
static struct ipc_stream *stream;
static uint64_t data_cookie, control_cookie;
static unsigned int ends, destroys;
static struct ipc_error reported;

static int convey(struct ipc_stream *to, void *userdata)
{
	(void)userdata;
	stream = ipc_stream_ref(to);
	return 0;
}

static const struct test_ops served = { .convey = convey };

static void begin_with(bool server, size_t metadata_size)
{
	struct ipc_proxy *proxy;

	fake_reset();
	ends = destroys = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	peer = test_from_proxy(proxy);
	ck_assert_int_eq(test_object_new(ipc, &served, NULL, NULL, &object), 0);
	object_id(object);
	if (server) {
		push_open_with((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100,
						      .buffer = 50,
						      .cookie = object->wants.cookie,
						      .code = IPC_NUMBER_STREAM, .uid = 1000 },
			       method_of(&test_interface, "Convey")->number, 0, STREAM_WINDOW,
			       metadata_size);
		ck_assert_int_eq(ipc_process(ipc), 1);
		if (metadata_size > STREAM_MAX_EXPLANATION)
			return;
	} else {
		push_opened();
		ck_assert_int_eq(test_convey_open(peer, NULL, &stream, NULL), 0);
	}
	data_cookie = opened_cookie(0);
	control_cookie = opened_cookie(1);
}

static void begin(bool server)
{
	begin_with(server, /* metadata_size= */ 0);
}

static void end(void)
{
	ipc_error_done(&reported);
	ipc_stream_unref(stream);
	test_unref(peer);
	ipc_object_unref(object);
	ipc_unref(ipc);
}

static void arrive(uint64_t cookie, uint32_t code, const void *bytes, size_t size)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code,
					 .cookie = cookie, .buffer = 8 },
		  bytes, size, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

/* The last message to the other side must be the end of the stream, with that error. */
static void is_explained(int error)
{
	const struct fake_sent *sent = fake_last();
	Ipc__StreamEnd *said;

	ck_assert_uint_eq(sent->send.handle, 9);
	ck_assert_uint_eq(sent->send.code, STREAM_END);
	said = ipc__stream_end__unpack(NULL, sent->send.data_size, sent->data);
	ck_assert_ptr_nonnull(said);
	ck_assert_int_eq(said->code, error);
	ipc__stream_end__free_unpacked(said, NULL);
}

/* Receiving and sending must fail with that error. */
static void is_over(int error, enum ipc_origin origin)
{
	const Ipc__Test__Crate *crate;
	const Ipc__Test__Cargo *cargo;
	Ipc__Test__Crate sent = IPC__TEST__CRATE__INIT;
	Ipc__Test__Cargo asked = IPC__TEST__CARGO__INIT;

	if (stream->of.server) {
		ck_assert_int_eq(test_receive_convey(stream, 0, &cargo, &reported), error);
		ck_assert_int_eq(test_send_convey(stream, 0, &sent), error);
	} else {
		ck_assert_int_eq(test_convey_receive(stream, 0, &crate, &reported), error);
		ck_assert_int_eq(test_convey_send(stream, 0, &asked), error);
	}
	ck_assert_int_eq(reported.code, error);
	ck_assert_int_eq(reported.origin, origin);
}

/* Messages that are malformed, or exceed a limit. */
static const struct {
	bool control;
	uint32_t code;
	const char *bytes;
	int error;
} wrong[] = {
	{ false, STREAM_MESSAGE, JUNK, -EBADMSG },
	{ false, STREAM_END, JUNK, -EBADMSG },
	{ true, STREAM_CREDIT, JUNK, -EBADMSG },
	{ true, STREAM_CREDIT, "\x08\x7f", -EPROTO },
};

static void wrong_arrives(size_t i)
{
	arrive(wrong[i].control ? control_cookie : data_cookie, wrong[i].code, wrong[i].bytes,
	       strlen(wrong[i].bytes));
}

START_TEST(both_sides_learn_why)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (int server = 0; server < 2; server++) {
			begin(server);
			wrong_arrives(i);
			is_explained(wrong[i].error);
			is_over(wrong[i].error, IPC_ORIGIN_HERE);
			ck_assert_int_eq(ipc_stream_is_canceled(stream), 1);
			/* The program has not ended it, and need not do so. */
			ck_assert_int_eq(ipc_stream_end(stream), -EALREADY);
			end();
		}
}
END_TEST

/* The same at the peer. */
START_TEST(the_reason_comes_from_the_peer)
{
	Ipc__StreamEnd said = IPC__STREAM_END__INIT;
	uint8_t bytes[16];

	for (int server = 0; server < 2; server++) {
		begin(server);
		said.has_code = true;
		said.code = -EBADMSG;
		arrive(data_cookie, STREAM_END, bytes, ipc__stream_end__pack(&said, bytes));
		/* A failed client may still receive, until it is released. */
		if (server)
			stream_break(stream, -EOWNERDEAD);
		is_over(-EBADMSG, IPC_ORIGIN_PEER);
		end();
	}
}
END_TEST

/* --- Callbacks -------------------------------------------------------------------------- */

static void on_end(struct ipc_stream *ended, int result, const struct ipc_error *error,
		   void *userdata)
{
	(void)ended, (void)userdata;
	ck_assert_int_eq(error->code, result);
	reported.code = result;
	reported.origin = error->origin;
	ends++;
}

static void on_destroy(void *userdata)
{
	(void)userdata;
	ck_assert_uint_eq(ends, 1);
	destroys++;
}

static const struct ipc_stream_ops ops = {
	.size = sizeof(ops), .on_end = on_end, .destroy = on_destroy,
};

START_TEST(callbacks_learn_why)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (int server = 0; server < 2; server++) {
			begin(server);
			ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
			wrong_arrives(i);
			serve_all_of(ipc);
			ck_assert_uint_eq(ends, 1);
			ck_assert_uint_eq(destroys, 1);
			ck_assert_int_eq(reported.code, wrong[i].error);
			ck_assert_int_eq(reported.origin, IPC_ORIGIN_HERE);
			end();
		}
}
END_TEST

static void take_line(int priority, const char *text, void *userdata)
{
	(void)priority;
	snprintf(userdata, 200, "%s", text);
}

START_TEST(a_violation_is_logged_once)
{
	char line[200];

	ipc_set_log(take_line, line);
	for (int server = 0; server < 2; server++) {
		begin(server);
		*line = '\0';
		wrong_arrives(3);
		ck_assert_ptr_nonnull(strstr(line, ": a stream broke off: the two sides disagree"));
		*line = '\0';
		wrong_arrives(3);
		ck_assert_str_eq(line, "");
		end();
	}
	ipc_set_log(NULL, NULL);
}
END_TEST

/* Messages that no callback takes. */
START_TEST(nobody_takes_messages)
{
	begin(/* server= */ true);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	arrive(data_cookie, STREAM_MESSAGE, "", 0);
	serve_all_of(ipc);
	is_explained(-EPROTO);
	ck_assert_uint_eq(ends, 1);
	ck_assert_uint_eq(destroys, 1);
	end();
}
END_TEST

/* If a server has ended the stream itself, later messages do not call its on_end. */
START_TEST(messages_after_the_end_call_no_on_end)
{
	begin(/* server= */ true);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	wrong_arrives(0);
	is_explained(0);
	ck_assert_uint_eq(fake.n_sent, 2);
	end();
}
END_TEST

/* Nor is there an on_end for a message after the other side's end, and this side may continue. */
START_TEST(a_message_after_the_end_is_discarded)
{
	Ipc__Test__Crate more = IPC__TEST__CRATE__INIT;
	unsigned int sent;

	begin(/* server= */ true);
	arrive(data_cookie, STREAM_END, "", 0);
	sent = fake.n_sent;
	arrive(data_cookie, STREAM_MESSAGE, "", 0);
	ck_assert_uint_eq(fake.n_sent, sent);
	ck_assert_int_eq(test_send_convey(stream, 0, &more), 0);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	is_explained(0);
	end();
}
END_TEST

/* A canceled stream is over without an end by the program, even after further messages. */
START_TEST(messages_after_a_cancellation_call_no_on_end)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (int server = 0; server < 2; server++) {
			begin(server);
			arrive(control_cookie, STREAM_CANCEL, NULL, 0);
			wrong_arrives(i);
			ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
			serve_all_of(ipc);
			ck_assert_uint_eq(ends, 1);
			ck_assert_uint_eq(destroys, 1);
			ck_assert_int_eq(reported.code, -ECANCELED);
			ck_assert_int_eq(reported.origin, IPC_ORIGIN_PEER);
			end();
		}
}
END_TEST

/* --- Before the request ------------------------------------------------------------------ */

static int count(struct ipc_stream *to, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)to, (void)request, (void)userdata;
	ck_abort_msg("there was no request");
}

/* A server's end that waits for its request. */
static void begin_deferred(void)
{
	static const struct test_ops counts = { .count = count };

	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &counts, NULL, NULL, &object), 0);
	object_id(object);
	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50,
					 .cookie = object->wants.cookie, .code = IPC_NUMBER_STREAM,
					 .uid = 1000 },
		  method_of(&test_interface, "Count")->number, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	data_cookie = opened_cookie(0);
	control_cookie = opened_cookie(1);
	peer = NULL;
	stream = NULL;
}

/* The proxies of the other side are then released, even if the error could not be sent. */
START_TEST(refused_end_without_request_sends_no_more)
{
	static const int fails[] = { 0, -EOWNERDEAD, -ENOMEM };
	const size_t n = sizeof(wrong) / sizeof(wrong[0]);
	unsigned int sent;

	for (size_t i = 0; i < 3 * n; i++) {
		begin_deferred();
		fake.send_error = fails[i / n];
		fake.send_error_kind = IPCBUS_SEND_ONEWAY;
		/* The explanation, and the code alone. */
		fake.send_error_more = 1;
		wrong_arrives(i % n);
		fake.send_error_more = 0;
		fake.send_error = 0;
		if (!fails[i / n])
			is_explained(wrong[i % n].error);
		sent = fake.n_sent;
		for (size_t more = 0; more < n; more++)
			wrong_arrives(more);
		ck_assert_uint_eq(fake.n_sent, sent);
		end();
	}
}
END_TEST

/* --- Requests of raw objects --------------------------------------------------------------- */

static unsigned int n_opened;
static char requested[8];

static int raw_serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return -EOPNOTSUPP;
}

static int raw_stream(struct ipc_stream *to, uint32_t method, void *userdata)
{
	(void)userdata;
	ck_assert_uint_eq(method, 2);
	n_opened++;
	return to ? 0 : -EINVAL;
}

static int raw_has_request(uint32_t method, void *userdata)
{
	(void)userdata;
	return method == 1;
}

/* The handler may set callbacks. */
static int raw_stream_request(struct ipc_stream *to, uint32_t method,
			      const struct ipc_raw_message *request, void *userdata)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops) };

	ck_assert_uint_eq(method, 1);
	snprintf(requested, sizeof(requested), "%.*s", (int)request->size,
		 (const char *)request->data);
	stream = ipc_stream_ref(to);
	return ipc_stream_set_ops(to, &ops, userdata);
}

START_TEST(raw_stream_waits_for_its_request)
{
	struct ipc_raw_ops ops = { .flags = IPC_RAW_STREAM_REQUESTS, .serve = raw_serve,
				   .stream = raw_stream, .has_request = raw_has_request };

	fake_reset();
	stream = NULL;
	peer = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), -EINVAL);
	ops.stream_request = raw_stream_request;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), 0);
	object_id(object);
	for (uint32_t method = 1; method <= 2; method++) {
		push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100,
						 .buffer = 50, .cookie = object->wants.cookie,
						 .code = IPC_NUMBER_STREAM, .uid = 1000 },
			  method, 0);
		ck_assert_int_eq(ipc_process(ipc), 1);
		ck_assert_uint_eq(n_opened, method - 1);
		if (method == 1)
			data_cookie = opened_cookie(0);
	}
	ck_assert_ptr_null(stream);
	arrive(data_cookie, STREAM_MESSAGE, "ask", 3);
	ck_assert_str_eq(requested, "ask");
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	serve_all_of(ipc);
	end();
}
END_TEST

/* --- Sizes -------------------------------------------------------------------------------- */

static void end_with_details(size_t size)
{
	Ipc__StreamEnd said = IPC__STREAM_END__INIT;
	Ipc__Error error = IPC__ERROR__INIT;
	uint8_t *details = calloc(1, size), *bytes = malloc(size + 100);

	ck_assert(details && bytes);
	error.has_details = true;
	error.details = (ProtobufCBinaryData){ .data = details, .len = size };
	said.has_code = true;
	said.code = -EREMOTEIO;
	said.error = &error;
	arrive(data_cookie, STREAM_END, bytes, ipc__stream_end__pack(&said, bytes));
	free(details);
	free(bytes);
}

START_TEST(an_explanation_has_a_size)
{
	for (int server = 0; server < 2; server++)
		for (int large = 0; large < 2; large++) {
			begin(server);
			end_with_details(STREAM_MAX_EXPLANATION / 2 * (large ? 3 : 1));
			if (server)
				stream_break(stream, -EOWNERDEAD);
			is_over(-EREMOTEIO, IPC_ORIGIN_PEER);
			ck_assert_uint_eq(reported.details_size,
					  large ? 0 : STREAM_MAX_EXPLANATION / 2);
			end();
		}
}
END_TEST

START_TEST(metadata_has_a_size)
{
	begin_with(/* server= */ true, STREAM_MAX_EXPLANATION);
	ck_assert_uint_eq(strlen(ipc_stream_metadata(stream, "name")),
			  STREAM_MAX_EXPLANATION - sizeof("name") - 1);
	end();

	stream = NULL;
	begin_with(/* server= */ true, STREAM_MAX_EXPLANATION + 1);
	ck_assert_ptr_null(stream);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EMSGSIZE);
	end();
}
END_TEST

/* If the other side still holds objects of a closed end, the end keeps no explanation. */
START_TEST(a_closed_end_keeps_no_explanation)
{
	struct ipc_stream *closed;

	begin(/* server= */ true);
	closed = stream;
	stream_hold(closed);
	end_with_details(1000);
	ck_assert_uint_eq(closed->in_error.details_size, 1000);
	stream = ipc_stream_unref(stream);
	ck_assert_uint_eq(closed->in_error.details_size, 0);
	stream_put(closed);
	end();
}
END_TEST

/* --- Cancellation ------------------------------------------------------------------------- */

START_TEST(origin_of_the_cancellation)
{
	for (int server = 0; server < 2; server++) {
		begin(server);
		arrive(control_cookie, STREAM_CANCEL, NULL, 0);
		is_over(-ECANCELED, IPC_ORIGIN_PEER);
		end();

		begin(server);
		ipc_stream_cancel(stream);
		arrive(control_cookie, STREAM_CANCEL, NULL, 0);
		is_over(-ECANCELED, IPC_ORIGIN_HERE);
		end();
	}
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-refused", both_sides_learn_why, a_violation_is_logged_once,
			 the_reason_comes_from_the_peer, callbacks_learn_why, nobody_takes_messages,
			 messages_after_the_end_call_no_on_end,
			 a_message_after_the_end_is_discarded,
			 messages_after_a_cancellation_call_no_on_end,
			 refused_end_without_request_sends_no_more,
			 raw_stream_waits_for_its_request, an_explanation_has_a_size,
			 metadata_has_a_size, a_closed_end_keeps_no_explanation,
			 origin_of_the_cancellation);
}
