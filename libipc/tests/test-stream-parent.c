// SPDX-License-Identifier: MIT
/*
 * Calls and streams made for a stream, and streams with a cancellation, on the fake device: their
 * timeouts, and the cancels to the driver and the other sides when the stream ends or the
 * cancellation is canceled.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "core/call.h"
#include "core/proxy.h"
#include "stream-run.h"

static struct ipc *ipc;
static struct ipc_proxy *peer;
static struct ipc_stream *parent;
static uint64_t data_cookie, control_cookie;
static unsigned int ended;
static int result;

static void begin_with(uint64_t timeout_usec)
{
	const struct ipc_options options = { .timeout_usec = timeout_usec };

	fake_reset();
	ended = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, &options, &parent, NULL), 0);
	data_cookie = opened_cookie(0);
	control_cookie = opened_cookie(1);
}

static void begin(void)
{
	begin_with(0);
}

static void end(void)
{
	ipc_stream_unref(parent);
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}

static void on_reply(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	(void)reply, (void)userdata;
	ck_assert_int_eq(error->code, r);
	ended++;
	result = r;
}

/* Makes a call for the stream. Returns its id at the driver. */
static uint64_t call_for(struct ipc_stream *stream)
{
	const struct ipc_options options = { .parent_stream = stream };
	struct ipc_raw_message request = { .method = 1 };

	ck_assert_int_eq(ipc_raw_call_async(peer, &request, &options, on_reply, NULL, NULL), 0);
	return fake_last()->send.cookie;
}

static int call_now(const struct ipc_options *options)
{
	struct ipc_raw_message request = { .method = 1 };

	return ipc_raw_call(peer, &request, options, NULL, NULL);
}

static int open_for(struct ipc_stream *stream, struct ipc_stream **ret_stream)
{
	const struct ipc_options options = { .parent_stream = stream };

	push_opened();
	return ipc_raw_stream_open(peer, 1, &options, ret_stream, NULL);
}

static void push_end(uint32_t kind, uint64_t id, int error)
{
	fake_push((struct ipcbus_event){ .kind = kind, .cookie = id, .error = error }, NULL, 0,
		  NULL, 0);
}

static void arrive(uint64_t cookie, uint32_t code)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code,
					 .cookie = cookie, .buffer = 8 }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void push_idle(uint64_t cookie)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_IDLE, .cookie = cookie }, NULL, 0,
		  NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

/* --- Failures --------------------------------------------------------------------------- */

static void cancel_here(void)
{
	ipc_stream_cancel(parent);
}

static void cancel_there(void)
{
	arrive(control_cookie, STREAM_CANCEL);
}

static void die_there(void)
{
	stream_break(parent, -EOWNERDEAD);
}

/* Grants more credit than allowed. */
static void lie_there(void)
{
	for (int i = 0; i <= STREAM_WINDOW; i++)
		arrive(data_cookie, STREAM_MESSAGE);
}

static void close_here(void)
{
	parent = ipc_stream_unref(parent);
}

START_TEST(failures_end_its_calls)
{
	static void (*const breaks[])(void) = {
		cancel_here, cancel_there, die_there, lie_there, close_here,
	};
	struct ipc_options options = { 0 };
	struct ipc_stream *child;
	uint64_t ids[2];

	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		begin();
		options.parent_stream = parent;
		for (int k = 0; k < 2; k++)
			ids[k] = call_for(parent);
		ck_assert_int_eq(open_for(parent, &child), 0);
		ck_assert_uint_eq(fake.n_cancels, 0);
		breaks[i]();
		ck_assert_uint_eq(fake.n_cancels, 2);
		ck_assert_uint_eq(fake.canceled, ids[0]);
		ck_assert_int_eq(ipc_stream_is_canceled(child), 1);
		/* The driver's events complete them. */
		ck_assert_uint_eq(ended, 0);
		for (int k = 0; k < 2; k++)
			push_end(IPCBUS_EVENT_FAILED, ids[k], -ECANCELED);
		serve_all_of(ipc);
		ck_assert_uint_eq(ended, 2);
		ck_assert_int_eq(result, -ECANCELED);
		/* Later calls are not sent. */
		if (parent) {
			fake.n_sent = 0;
			ck_assert_int_eq(call_now(&options), -ECANCELED);
			ck_assert_uint_eq(fake.n_sent, 0);
		}
		ipc_stream_unref(child);
		end();
	}
}
END_TEST

/* The other side of a child stream is notified too. */
START_TEST(its_streams_are_canceled)
{
	const struct ipc_raw_message *received;
	struct ipc_stream *child, *grandchild;
	unsigned int cancels = 0;

	begin();
	ck_assert_int_eq(open_for(parent, &child), 0);
	ck_assert_int_eq(open_for(child, &grandchild), 0);
	fake.n_sent = 0;
	ipc_stream_cancel(parent);
	for (unsigned int i = 0; i < fake.n_sent; i++)
		cancels += fake.sent[i].send.code == STREAM_CANCEL &&
			   fake.sent[i].send.handle == 10;
	ck_assert_uint_eq(cancels, 3);
	ck_assert_int_eq(ipc_raw_stream_receive(grandchild, 0, &received, NULL), -ECANCELED);
	ck_assert_int_eq(open_for(parent, &child), -ECANCELED);
	ipc_stream_unref(child);
	ipc_stream_unref(grandchild);
	end();
}
END_TEST

/* The server has ended, but messages may still be queued. */
START_TEST(successful_remote_end_cancels_no_calls)
{
	uint64_t id;

	begin();
	id = call_for(parent);
	arrive(data_cookie, STREAM_END);
	/* The server releases its end, and dies. */
	push_idle(data_cookie);
	push_idle(control_cookie);
	stream_break(parent, -EOWNERDEAD);
	ck_assert_int_eq(ipc_stream_is_canceled(parent), 0);
	ck_assert_int_eq(ipc_stream_end(parent), 0);
	parent = ipc_stream_unref(parent);
	ck_assert_uint_eq(fake.n_cancels, 0);
	push_end(IPCBUS_EVENT_REPLY, id, 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(ended, 1);
	ck_assert_int_eq(result, 0);
	end();
}
END_TEST

/* --- A server's end --------------------------------------------------------------------- */

static struct ipc_stream *served;
static uint64_t served_id;

static int refuse(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return -EOPNOTSUPP;
}

static int call_and_keep(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	(void)method, (void)userdata;
	served_id = call_for(stream);
	served = ipc_stream_ref(stream);
	return 0;
}

static int call_and_fail(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	(void)method, (void)userdata;
	served_id = call_for(stream);
	return -EIO;
}

/* A client opens a stream at an object of this side. */
static void serve_with(const struct ipc_raw_ops *ops, uint64_t deadline)
{
	struct ipc_object *object;
	uint64_t id;

	served = NULL;
	ck_assert_int_eq(ipc_raw_object_new(ipc, ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 60, .buffer = 60,
					 .code = IPC_NUMBER_STREAM,
					 .cookie = object->wants.cookie }, 3, deadline);
	serve_all_of(ipc);
	ipc_object_unref(object);
}

static const struct ipc_raw_ops keeping = { .serve = refuse, .stream = call_and_keep };
static const struct ipc_raw_ops failing = { .serve = refuse, .stream = call_and_fail };

START_TEST(end_at_the_server_cancels_its_calls_and_streams)
{
	for (int how = 0; how < 4; how++) {
		begin();
		serve_with(how == 3 ? &failing : &keeping, 0);
		if (how < 3)
			ck_assert_uint_eq(fake.n_cancels, 0);
		if (how == 0)
			ck_assert_int_eq(ipc_stream_end(served), 0);
		else if (how == 1)
			ipc_stream_cancel(served);
		else
			served = ipc_stream_unref(served);
		/* Closing may cancel again: a call that has ended is not found. */
		ck_assert_uint_ge(fake.n_cancels, 1);
		ck_assert_uint_eq(fake.canceled, served_id);
		ipc_stream_unref(served);
		push_end(IPCBUS_EVENT_FAILED, served_id, -ECANCELED);
		serve_all_of(ipc);
		end();
	}
}
END_TEST

START_TEST(unsent_end_cancels_no_calls)
{
	begin();
	serve_with(&keeping, 0);
	fake.send_error = -EINVAL;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	ck_assert_int_eq(ipc_stream_end(served), -EINVAL);
	ck_assert_uint_eq(fake.n_cancels, 0);
	ck_assert_int_eq(ipc_stream_end(served), 0);
	ck_assert_uint_eq(fake.n_cancels, 1);
	ipc_stream_unref(served);
	end();
}
END_TEST

/* --- Time ----------------------------------------------------------------------------------- */

START_TEST(it_limits_its_calls_and_streams)
{
	struct ipc_options options = { .timeout_usec = 5000000000 };
	struct ipc_stream *child;

	begin_with(1000000000);
	options.parent_stream = parent;
	push_end(IPCBUS_EVENT_REPLY, 0, 0);
	ck_assert_int_eq(call_now(&options), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, parent->deadline);
	call_for(parent);
	ck_assert_uint_eq(fake_last()->send.deadline, parent->deadline);
	ck_assert_int_eq(open_for(parent, &child), 0);
	ck_assert_uint_eq(child->deadline, parent->deadline);
	ipc_stream_unref(child);

	/* An earlier deadline is kept. */
	options.timeout_usec = 1000;
	push_end(IPCBUS_EVENT_REPLY, 0, 0);
	ck_assert_int_eq(call_now(&options), 0);
	ck_assert_uint_lt(fake_last()->send.deadline, parent->deadline);
	end();

	begin();
	serve_with(&keeping, 12345);
	ck_assert_uint_eq(fake_last()->send.deadline, 12345);
	ipc_stream_unref(served);
	end();
}
END_TEST

/* The driver ends them with -ETIMEDOUT, so they are not canceled. */
START_TEST(its_time_is_theirs)
{
	struct ipc_stream *child;

	begin_with(1000000000);
	ck_assert_int_eq(open_for(parent, &child), 0);
	call_for(parent);
	parent->deadline = child->deadline = time_now();
	stream_break(parent, -ECANCELED);
	ck_assert_uint_eq(fake.n_cancels, 0);
	ck_assert_int_eq(ipc_stream_is_canceled(child), 1);
	ck_assert_int_eq(child->broken, -ETIMEDOUT);
	ipc_stream_unref(child);
	end();
}
END_TEST

/* --- Options -------------------------------------------------------------------------------- */

static int call_with_both(struct ipc_call *call, const struct ipc_raw_message *request,
			  void *userdata)
{
	const struct ipc_options options = { .parent = call, .parent_stream = parent };

	(void)request, (void)userdata;
	ck_assert_int_eq(call_now(&options), -EINVAL);
	return call_now(&(struct ipc_options){ .parent = call });
}

START_TEST(options_of_a_parent)
{
	static const struct ipc_raw_ops ops = { .serve = call_with_both };
	struct ipc_options options = { 0 };
	struct ipc_raw_message oneway = { .method = 1 };
	struct ipc_proxy *elsewhere;
	struct ipc_object *object;
	struct ipc *other;
	uint64_t id;

	begin();
	options.parent_stream = parent;
	ck_assert_int_eq(ipc_raw_oneway(peer, &oneway, &options), -EINVAL);
	options.flags = IPC_DETACHED;
	ck_assert_int_eq(call_now(&options), -EINVAL);
	options.flags = 0;
	ck_assert_int_eq(ipc_open(&other, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(other, 5, NULL, &elsewhere), 0);
	ck_assert_int_eq(ipc_raw_call(elsewhere, &oneway, &options, NULL, NULL), -EINVAL);
	ipc_proxy_unref(elsewhere);
	ipc_unref(other);

	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 50, .code = 1,
					 .cookie = object->wants.cookie, .buffer = 50 },
		  "call", 4, NULL, 0);
	push_end(IPCBUS_EVENT_REPLY, 0, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ipc_object_unref(object);
	end();
}
END_TEST

static void cancel_elsewhere(void)
{
	fake.cancel_error = -ENOENT;
	ipc_stream_cancel(parent);
	fake.cancel_error = 0;
}

/* Between the library's check and the send. */
START_TEST(canceled_while_it_is_sent)
{
	for (int async = 0; async < 2; async++) {
		const struct ipc_raw_message request = { .method = 1 };
		struct ipc_options options = { 0 };
		uint64_t id;

		begin();
		options.parent_stream = parent;
		id = ipc->last_cookie + 1;
		fake.on_send = cancel_elsewhere;
		push_end(IPCBUS_EVENT_FAILED, id, -ECANCELED);
		if (async) {
			ck_assert_int_eq(ipc_raw_call_async(peer, &request, &options, on_reply,
							    NULL, NULL), 0);
			serve_all_of(ipc);
			ck_assert_int_eq(result, -ECANCELED);
		} else {
			ck_assert_int_eq(call_now(&options), -ECANCELED);
		}
		ck_assert_uint_eq(fake.n_cancels, 2);
		ck_assert_uint_eq(fake.canceled, id);
		end();
	}
}
END_TEST

/* --- Cancellations ---------------------------------------------------------------------------- */

static unsigned int over;

static void on_end(struct ipc_stream *stream, int r, const struct ipc_error *error, void *userdata)
{
	(void)stream, (void)userdata;
	ck_assert_int_eq(error->code, r);
	ended++;
	result = r;
}

static void on_destroy(void *userdata)
{
	(void)userdata;
	over++;
}

static struct ipc_stream *open_with(const struct ipc_options *options)
{
	struct ipc_stream *stream;

	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, options, &stream, NULL), 0);
	return stream;
}

START_TEST(a_cancellation_breaks_off_all_its_streams)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_end = on_end, .destroy = on_destroy,
	};
	const struct ipc_raw_message *received;
	struct ipc_raw_message sent = { .size = 0 };
	struct ipc_options options = { 0 };
	struct ipc_stream *streams[3], *refused;

	begin();
	over = 0;
	ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
	for (int i = 0; i < 3; i++)
		streams[i] = open_with(&options);
	/* The first stream has callbacks, and the program has no reference. */
	ck_assert_int_eq(ipc_stream_set_ops(streams[2], &ops, NULL), 0);
	ipc_stream_unref(streams[2]);
	/* A stream was released. */
	ipc_stream_unref(streams[1]);

	fake.n_sent = 0;
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	ck_assert_uint_eq(fake.n_sent, 2);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(fake.sent[i].send.code, STREAM_CANCEL);
	ck_assert_int_eq(ipc_raw_stream_receive(streams[0], 0, &received, NULL), -ECANCELED);
	ck_assert_int_eq(ipc_raw_stream_send(streams[0], &sent, 0), -ECANCELED);
	/* Never inside a function that the program called. */
	ck_assert_uint_eq(ended + over, 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(ended, 1);
	ck_assert_int_eq(result, -ECANCELED);
	ck_assert_uint_eq(over, 1);

	/* The cancellation stays canceled. */
	fake.n_sent = 0;
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, &options, &refused, NULL), -ECANCELED);
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	ck_assert_uint_eq(fake.n_sent, 0);
	ipc_stream_unref(streams[0]);
	ipc_cancellation_unref(options.cancellation);
	/* The stream of begin() has no cancellation. */
	ck_assert_int_eq(ipc_stream_is_canceled(parent), 0);
	end();
}
END_TEST

START_TEST(a_stream_outlives_its_cancellation)
{
	struct ipc_options options = { 0 };
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
	stream = open_with(&options);
	ipc_cancellation_unref(options.cancellation);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 0);
	ipc_stream_cancel(stream);
	ipc_stream_unref(stream);
	end();
}
END_TEST

static struct ipc_cancellation *current;

static void cancel_current(void)
{
	ck_assert_int_eq(ipc_cancel(current), 0);
}

/* The server has accepted the stream in the meantime, so it is notified. */
START_TEST(canceled_while_it_is_opened)
{
	struct ipc_options options = { 0 };
	struct ipc_stream *stream;

	begin();
	ck_assert_int_eq(ipc_cancellation_new(ipc, &current), 0);
	options.cancellation = current;
	fake.on_send = cancel_current;
	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, &options, &stream, NULL), -ECANCELED);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_CANCEL);
	ck_assert_uint_eq(fake_last()->send.handle, 10);
	ipc_cancellation_unref(current);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-parent", failures_end_its_calls,
			 its_streams_are_canceled, successful_remote_end_cancels_no_calls,
			 end_at_the_server_cancels_its_calls_and_streams,
			 unsent_end_cancels_no_calls, it_limits_its_calls_and_streams,
			 its_time_is_theirs, options_of_a_parent, canceled_while_it_is_sent,
			 a_cancellation_breaks_off_all_its_streams,
			 a_stream_outlives_its_cancellation, canceled_while_it_is_opened);
}
