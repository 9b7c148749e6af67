// SPDX-License-Identifier: MIT
/*
 * Streams that a program forwards, on the fake device: opening without waiting, messages that
 * on_message does not take yet, and other threads in the meantime.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/call.h"
#include "core/object.h"
#include "core/proxy.h"
#include "conn/writable.h"
#include "stream-run.h"

static struct ipc *ipc;
static struct ipc_proxy *peer;
static struct ipc_stream *stream;
static uint64_t data_cookie;
static unsigned int called, wanted, opened_calls;
static int opened_result;
static enum ipc_origin opened_origin;

static void begin(void)
{
	fake_reset();
	called = wanted = opened_calls = 0;
	opened_result = 1;
	stream = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
}

static void end(void)
{
	ipc_stream_unref(stream);
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}

static void opened(int result, struct ipc_stream *with, const struct ipc_error *error,
		   void *userdata)
{
	ck_assert_ptr_eq(userdata, &stream);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(!with, result < 0);
	opened_calls++;
	opened_result = result;
	opened_origin = error->origin;
	stream = with;
}

static int start(const struct ipc_options *options)
{
	int r = ipc_raw_stream_open_async(peer, 3, options, opened, &stream);

	/* Never inside the function. */
	ck_assert_uint_eq(opened_calls, 0);
	if (r == 0)
		data_cookie = opened_cookie(0);
	return r;
}

static struct ipcbus_event ended(uint32_t kind)
{
	return (struct ipcbus_event){ .kind = kind, .cookie = fake_last()->send.cookie,
				      .buffer = kind == IPCBUS_EVENT_FAILED ? 0 : 7,
				      .error = kind == IPCBUS_EVENT_REPLY ? 0 : -EOPNOTSUPP };
}

static void open_stream(void)
{
	ck_assert_int_eq(start(NULL), 0);
	push_open(ended(IPCBUS_EVENT_REPLY), 0, 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(opened_calls, 1);
	ck_assert_int_eq(opened_result, 0);
}

static void arrive(const char *text)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = STREAM_MESSAGE,
					 .cookie = data_cookie, .buffer = 8 },
		  text, strlen(text), NULL, 0);
	serve_all_of(ipc);
}

static void take_all(struct ipc_stream *ready, void *userdata)
{
	const struct ipc_raw_message *received;

	(void)userdata;
	while (ipc_raw_stream_receive(ready, 0, &received, NULL) == 1)
		;
}

/* --- Opening ------------------------------------------------------------------------- */

START_TEST(opening_does_not_wait)
{
	const struct ipc_raw_message message = { .data = "there", .size = 5 };
	const struct ipc_raw_message *received;

	begin();
	open_stream();
	ck_assert_uint_eq(fake_last()->send.code, IPC_NUMBER_STREAM);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &message, 0), 0);
	ck_assert_mem_eq(fake_last()->data, "there", 5);
	arrive("back");
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), 1);
	ck_assert_mem_eq(received->data, "back", 4);
	end();
}
END_TEST

START_TEST(opening_may_fail)
{
	begin();
	ck_assert_int_eq(ipc_raw_stream_open_async(peer, 0, NULL, opened, &stream), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_open_async(peer, 1, NULL, NULL, &stream), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_open_async(NULL, 1, NULL, opened, &stream), -EINVAL);
	fake.send_error = -EDQUOT;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(start(NULL), -EDQUOT);

	ck_assert_int_eq(start(NULL), 0);
	fake_push(ended(IPCBUS_EVENT_ERROR), NULL, 0, NULL, 0);
	serve_all_of(ipc);
	ck_assert_int_eq(opened_result, -EOPNOTSUPP);
	ck_assert_uint_eq(opened_origin, IPC_ORIGIN_PEER);
	ck_assert_uint_eq(opened_calls, 1);
	end();
}
END_TEST

/* The other side grants too much, or its reply is invalid. */
START_TEST(invalid_reply_opens_no_stream)
{
	begin();
	ck_assert_int_eq(start(NULL), 0);
	push_open_of(ended(IPCBUS_EVENT_REPLY), 0, 0, STREAM_WINDOW + 1);
	serve_all_of(ipc);
	ck_assert_int_eq(opened_result, -EPROTO);
	opened_calls = 0;
	ck_assert_int_eq(start(NULL), 0);
	fake_push(ended(IPCBUS_EVENT_REPLY), "\377", 1, NULL, 0);
	serve_all_of(ipc);
	ck_assert_int_eq(opened_result, -EBADMSG);
	end();
}
END_TEST

/* With callbacks, no credit is granted before the first message has been offered. */
START_TEST(credit_is_granted_when_there_is_space)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_message = take_all };

	begin();
	open_stream();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	fake.send_error_more = 1000;
	for (unsigned int i = 0; i < STREAM_WINDOW / 2; i++)
		arrive("message");
	fake.send_error = 0;
	ck_assert_uint_ne(fake_last()->send.code, STREAM_CREDIT);
	writable_notify(ipc);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_CREDIT);
	ck_assert_uint_eq(fake_last()->send.handle, 10);
	/* The stream is kept for its callbacks until it has ended. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = STREAM_END,
					 .cookie = data_cookie, .buffer = 8 },
		  NULL, 0, NULL, 0);
	serve_all_of(ipc);
	end();
}
END_TEST

static void on_writable(struct ipc_stream *writable, void *userdata)
{
	(void)writable, (void)userdata;
}

/* A refused send tries once more, because space may be freed before the callback is set. */
START_TEST(a_send_that_finds_no_space_tries_again)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_message = take_all, .on_writable = on_writable,
	};
	const struct ipc_raw_message message = { .data = "more", .size = 4 };

	begin();
	open_stream();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	fake.send_error_more = 1;
	ck_assert_int_eq(ipc_raw_stream_send(stream, &message, 0), -EAGAIN);
	fake.send_error = -EAGAIN;
	ck_assert_int_eq(ipc_raw_stream_send(stream, &message, 0), 0);
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
	end();
}
END_TEST

START_TEST(calls_of_nothing)
{
	const struct ipc_raw_message *received;
	const struct ipc_raw_message message = { .size = 0 };

	begin();
	open_stream();
	ck_assert_int_eq(ipc_raw_stream_receive(NULL, 0, &received, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_send(NULL, &message, 0), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_send(stream, NULL, 0), -EINVAL);
	end();
}
END_TEST

START_TEST(a_cancellation_ends_the_opening_and_the_stream)
{
	const struct ipc_raw_message *received;
	struct ipc_options options = { 0 };
	uint64_t cookie;

	begin();
	ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
	ck_assert_int_eq(start(&options), 0);
	cookie = fake_last()->send.cookie;
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	ck_assert_uint_eq(fake.n_cancels, 1);
	ck_assert_uint_eq(fake.canceled, cookie);
	/* The server was faster: the stream must not be kept. */
	push_open(ended(IPCBUS_EVENT_REPLY), 0, 0);
	serve_all_of(ipc);
	ck_assert_int_eq(opened_result, -ECANCELED);
	ipc_cancellation_unref(options.cancellation);

	/* The library keeps it for long enough. */
	opened_calls = 0;
	ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
	ck_assert_int_eq(start(&options), 0);
	push_open(ended(IPCBUS_EVENT_REPLY), 0, 0);
	serve_all_of(ipc);
	ck_assert_int_eq(opened_result, 0);
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	ipc_cancellation_unref(options.cancellation);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), -ECANCELED);
	end();
}
END_TEST

/* The server may have accepted the stream, and has no other way to notice. */
START_TEST(failed_opening_ends_at_the_server)
{
	begin();
	ck_assert_int_eq(start(NULL), 0);
	ck_assert_uint_eq(fake.n_destroyed, 0);
	fake_push(ended(IPCBUS_EVENT_FAILED), NULL, 0, NULL, 0);
	serve_all_of(ipc);
	ck_assert_int_lt(opened_result, 0);
	ck_assert_uint_eq(fake.n_destroyed, 2);

	/* When the server releases the objects of an open end, they are destroyed. */
	opened_calls = 0;
	open_stream();
	stream = ipc_stream_unref(stream);
	ck_assert_uint_eq(fake.n_destroyed, 2);
	end();
}
END_TEST

START_TEST(a_parent_is_held_until_it_is_open)
{
	const struct ipc_raw_message *received;
	struct ipc_options options = { 0 };

	begin();
	open_stream();
	options.parent_stream = stream;
	opened_calls = 0;
	ck_assert_int_eq(start(&options), 0);
	push_open(ended(IPCBUS_EVENT_REPLY), 0, 0);
	serve_all_of(ipc);
	ck_assert_int_eq(opened_result, 0);
	ipc_stream_cancel(options.parent_stream);
	ipc_stream_unref(options.parent_stream);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), -ECANCELED);
	end();
}
END_TEST

/* --- Messages that were not taken ------------------------------------------------------ */

static void on_message(struct ipc_stream *ready, void *userdata)
{
	const struct ipc_raw_message *received;

	(void)userdata;
	called++;
	if (!wanted)
		return;
	wanted--;
	ck_assert_int_eq(ipc_raw_stream_receive(ready, 0, &received, NULL), 1);
}

static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_message = on_message };

START_TEST(untaken_message_comes_after_resume)
{
	begin();
	open_stream();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	arrive("one");
	arrive("two");
	arrive("three");
	ck_assert_uint_eq(called, 3);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 3);

	/* Two messages are taken, and the third is offered. */
	wanted = 2;
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	ck_assert_uint_eq(called, 3);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 6);
	wanted = 1;
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 7);
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
	end();
}
END_TEST

START_TEST(resume_without_a_message_has_no_effect)
{
	begin();
	ck_assert_int_eq(ipc_stream_resume(NULL), -EINVAL);
	open_stream();
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	arrive("one");
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 0);
	wanted = 1;
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 1);
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 1);
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
	ck_assert_int_eq(ipc_stream_resume(stream), 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(called, 1);
	end();
}
END_TEST

/* --- Another thread between two steps ------------------------------------------------------- */

/* The rest of ipc_stream_set_ops(), after it dropped the lock of the stream. */
static void (*then)(void);

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	static int (*unlock)(pthread_mutex_t *mutex);
	void (*now)(void) = NULL;
	int r;

	if (!unlock)
		unlock = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
	if (then && stream && mutex == &stream->lock && stream->has_ops) {
		now = then;
		then = NULL;
	}
	r = unlock(mutex);
	if (now)
		now();
	return r;
}

static unsigned int destroyed;

static void count_destroy(void *userdata)
{
	(void)userdata;
	destroyed++;
}

static void cancel_and_serve(void)
{
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
}

START_TEST(callbacks_may_end_it_before_they_are_set)
{
	static const struct ipc_stream_ops both = {
		.size = sizeof(both), .on_message = on_message, .destroy = count_destroy,
	};

	begin();
	open_stream();
	then = cancel_and_serve;
	ck_assert_int_eq(ipc_stream_set_ops(stream, &both, NULL), 0);
	ck_assert_ptr_null(then);
	ck_assert_uint_eq(destroyed, 1);
	/* The program still has its reference. */
	ck_assert_uint_eq(stream->users, 1);
	ck_assert(!stream->closed);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-async", opening_does_not_wait, opening_may_fail,
			 invalid_reply_opens_no_stream, credit_is_granted_when_there_is_space,
			 a_send_that_finds_no_space_tries_again,
			 calls_of_nothing,
			 a_cancellation_ends_the_opening_and_the_stream,
			 failed_opening_ends_at_the_server,
			 a_parent_is_held_until_it_is_open, untaken_message_comes_after_resume,
			 resume_without_a_message_has_no_effect,
			 callbacks_may_end_it_before_they_are_set);
}
