// SPDX-License-Identifier: MIT
/*
 * A server with streams of every kind; see streams.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "streams.h"

/* For look(): numbers sent since the last Count or Offer began; result of the last stream that
 * ended; handlers that have not ended, except those of Later. */
static _Atomic uint64_t sent;
static _Atomic int last_error;
static _Atomic unsigned int handlers;

static int push_numbers(struct ipc_stream *stream, const Stream__CountRequest *request,
			int (*push)(struct ipc_stream *, uint64_t, const Stream__Number *))
{
	Stream__Number number = STREAM__NUMBER__INIT;
	int r = 0;

	number.ballast.len = request->ballast;
	number.ballast.data = calloc(1, request->ballast + 1);
	for (uint64_t i = 1; i <= request->count && r == 0; i++) {
		number.value = i;
		r = push(stream, IPC_NEVER, &number);
		if (r == 0)
			sent++;
		if (request->usec)
			usleep(request->usec);
	}
	free(number.ballast.data);
	last_error = r;
	return r;
}

static int wait_count(struct ipc_stream *stream, const Stream__CountRequest *request,
		      void *userdata)
{
	int r;

	(void)userdata;
	handlers++;
	sent = 0;
	ck_assert_int_eq(ipc_stream_pid(stream) != 0, 1);
	r = push_numbers(stream, request, streams_send_count);
	if (r == 0 && request->number) {
		struct ipc_error error = {
			.code = request->code,
			.number = request->number,
			.name = "stream.Worse",
			.text = request->text,
			.details = request->details.data,
			.details_size = request->details.len,
		};

		r = ipc_stream_fail_with(stream, &error);
	} else if (r == 0 && request->code) {
		r = ipc_stream_fail(stream, request->code, request->text[0] ? "stream.Bad" : NULL,
				    "%s", request->text);
	}
	handlers--;
	return r;
}

static int wait_sum(struct ipc_stream *stream, void *userdata)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Stream__Number total = STREAM__NUMBER__INIT;
	const Stream__Number *number;
	int r;

	(void)userdata;
	handlers++;
	while ((r = streams_receive_sum(stream, SECONDS(10), &number, &error)) > 0) {
		total.value += number->value;
		/* Receives more slowly than the client sends. */
		if (number->ballast.len)
			usleep(2000);
	}
	last_error = r;
	/* An error with name and text is returned to the client unchanged. */
	if (r < 0 && error.number)
		ipc_stream_fail_with(stream, &error);
	if (r == 0)
		r = streams_reply_sum(stream, &total);
	handlers--;
	return r;
}

static int wait_twice(struct ipc_stream *stream, void *userdata)
{
	Stream__Number reply = STREAM__NUMBER__INIT;
	const Stream__Number *number;
	int r;

	(void)userdata;
	handlers++;
	while ((r = streams_receive_twice(stream, SECONDS(10), &number, NULL)) > 0) {
		if (number->value == 666) {
			r = ipc_stream_fail(stream, -ERANGE, NULL, "%s", "an evil number");
			break;
		}
		reply.value = 2 * number->value;
		reply.ballast = number->ballast;
		r = streams_send_twice(stream, SECONDS(10), &reply);
		if (r < 0)
			break;
	}
	last_error = r;
	handlers--;
	return r;
}

/* The handler of Later returns at once, and a thread sends the numbers. */
struct job {
	struct ipc_stream *stream;
	Stream__CountRequest request;
};

static void *feed(void *data)
{
	struct job *job = data;

	if (push_numbers(job->stream, &job->request, streams_send_later) == 0)
		ipc_stream_end(job->stream);
	ipc_stream_unref(job->stream);
	free(job);
	return NULL;
}

static int later(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	struct job *job = malloc(sizeof(*job));
	pthread_t thread;

	(void)userdata;
	job->stream = ipc_stream_ref(stream);
	job->request = *request;
	job->request.text = NULL;
	if (pthread_create(&thread, NULL, feed, job))
		return -EAGAIN;
	pthread_detach(thread);
	return 0;
}

/* --- With callbacks ------------------------------------------------------------------- */

/* A stream of numbers that is fed whenever it is writable, without pauses (request->usec). */
struct feed {
	Stream__Number number;	/* the last sent */
	uint64_t count;		/* the last to send */
	struct ipc_error end;	/* code and number 0: no error */
	int (*push)(struct ipc_stream *, uint64_t, const Stream__Number *);
};

static void feed_destroy(void *userdata)
{
	struct feed *feed = userdata;

	ipc_error_done(&feed->end);
	free(feed->number.ballast.data);
	free(feed);
	handlers--;
}

static int end_feed(struct ipc_stream *stream, const struct feed *feed)
{
	if (feed->end.number)
		return ipc_stream_fail_with(stream, &feed->end);
	if (feed->end.code)
		return ipc_stream_fail(stream, feed->end.code,
				       feed->end.text[0] ? "stream.Bad" : NULL, "%s",
				       feed->end.text);
	return ipc_stream_end(stream);
}

static void feed_more(struct ipc_stream *stream, void *userdata)
{
	struct feed *feed = userdata;
	int r = 0;

	while (r == 0 && feed->number.value < feed->count) {
		feed->number.value++;
		r = feed->push(stream, 0, &feed->number);
		if (r < 0)
			feed->number.value--;
		else
			sent++;
	}
	if (r == -EAGAIN)
		return;
	last_error = r;
	/* After an error, on_end is called anyway. */
	end_feed(stream, feed);
}

static void feed_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		     void *userdata)
{
	(void)stream, (void)userdata;
	ck_assert_int_eq(error->code, result);
	last_error = result;
}

static const struct ipc_stream_ops feed_ops = {
	.size = sizeof(feed_ops),
	.on_writable = feed_more,
	.on_end = feed_end,
	.destroy = feed_destroy,
};

static int start_feed(struct ipc_stream *stream, const Stream__CountRequest *request,
		      int (*push)(struct ipc_stream *, uint64_t, const Stream__Number *))
{
	struct feed *feed = calloc(1, sizeof(*feed));
	int r;

	ck_assert_int_eq(ipc_stream_pid(stream) != 0, 1);
	sent = 0;
	handlers++;
	feed->number = (Stream__Number)STREAM__NUMBER__INIT;
	feed->number.ballast.len = request->ballast;
	feed->number.ballast.data = calloc(1, request->ballast + 1);
	feed->count = request->count;
	if (ipc_stream_metadata(stream, "after"))
		feed->number.value = strtoull(ipc_stream_metadata(stream, "after"), NULL, 10);
	ck_assert_ptr_null(ipc_stream_metadata(stream, "before"));
	feed->push = push;
	feed->end.code = request->code;
	feed->end.number = request->number;
	feed->end.name = request->number ? strdup("stream.Worse") : NULL;
	feed->end.text = strdup(request->text);
	feed->end.details_size = request->details.len;
	feed->end.details = malloc(request->details.len + 1);
	if (request->details.len)
		memcpy(feed->end.details, request->details.data, request->details.len);
	r = ipc_stream_set_ops(stream, &feed_ops, feed);
	if (r < 0) {
		feed_destroy(feed);
		return r;
	}
	ck_assert_int_eq(ipc_stream_set_ops(stream, &feed_ops, feed), -EALREADY);
	feed_more(stream, feed);
	return 0;
}

static int count(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	(void)userdata;
	return start_feed(stream, request, streams_send_count);
}

static int offer(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	(void)userdata;
	return start_feed(stream, request, streams_send_offer);
}

static void sum_message(struct ipc_stream *stream, const Stream__Number *number, void *userdata)
{
	Stream__Number *total = userdata;

	(void)stream;
	total->value += number->value;
	if (number->ballast.len)
		usleep(2000);
}

static void sum_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		    void *userdata)
{
	last_error = result;
	if (result == 0)
		streams_reply_sum(stream, userdata);
	else if (error->number)
		ipc_stream_fail_with(stream, error);
	else
		ipc_stream_fail(stream, result, NULL, NULL);
}

static void number_destroy(void *userdata)
{
	free(userdata);
	handlers--;
}

static int sum(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_end = sum_end,
		.destroy = number_destroy,
	};
	Stream__Number *total = malloc(sizeof(*total));

	(void)userdata;
	handlers++;
	*total = (Stream__Number)STREAM__NUMBER__INIT;
	return streams_set_ops_sum(stream, sum_message, &ops, total);
}

/* A received number that could not be sent yet, or 0. Until then, no more are received. */
struct twice {
	uint64_t value;
	uint8_t *ballast;
	size_t size;
	bool ended;
};

static void twice_destroy(void *userdata)
{
	free(((struct twice *)userdata)->ballast);
	number_destroy(userdata);
}

static int twice_push(struct ipc_stream *stream, struct twice *twice)
{
	Stream__Number reply = STREAM__NUMBER__INIT;
	int r;

	reply.value = twice->value;
	reply.ballast.data = twice->ballast;
	reply.ballast.len = twice->size;
	r = streams_send_twice(stream, 0, &reply);
	if (r != -EAGAIN)
		twice->value = 0;
	return r;
}

static void twice_message(struct ipc_stream *stream, void *userdata)
{
	struct twice *twice = userdata;
	const Stream__Number *number;
	uint8_t *ballast;
	int r = 0;

	while (!twice->value && r == 0 && streams_receive_twice(stream, 0, &number, NULL) > 0) {
		if (number->value == 666) {
			ipc_stream_fail(stream, -ERANGE, NULL, "%s", "an evil number");
			return;
		}
		ballast = realloc(twice->ballast, number->ballast.len + 1);
		if (!ballast) {
			ipc_stream_fail(stream, -ENOMEM, NULL, NULL);
			return;
		}
		twice->value = 2 * number->value;
		twice->size = number->ballast.len;
		twice->ballast = ballast;
		if (twice->size)
			memcpy(twice->ballast, number->ballast.data, twice->size);
		r = twice_push(stream, twice);
	}
	if (r < 0 && r != -EAGAIN)
		ipc_stream_fail(stream, r, NULL, NULL);
	else if (!twice->value && twice->ended)
		ipc_stream_end(stream);
}

static void twice_writable(struct ipc_stream *stream, void *userdata)
{
	struct twice *twice = userdata;

	if (twice->value && twice_push(stream, twice) == -EAGAIN)
		return;
	twice_message(stream, twice);
}

static void twice_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		      void *userdata)
{
	struct twice *twice = userdata;

	(void)error;
	last_error = result;
	twice->ended = true;
	if (!twice->value)
		ipc_stream_end(stream);
}

static int twice(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = twice_message,
		.on_writable = twice_writable,
		.on_end = twice_end,
		.destroy = twice_destroy,
	};

	(void)userdata;
	handlers++;
	return ipc_stream_set_ops(stream, &ops, calloc(1, sizeof(struct twice)));
}

static int look(struct ipc_call *call, void *userdata)
{
	Stream__LookReply reply = STREAM__LOOK_REPLY__INIT;

	(void)userdata;
	reply.sent = sent;
	reply.last_error = last_error;
	reply.handlers = handlers;
	return streams_reply_look(call, &reply);
}

const struct streams_ops streams_handlers = {
	.count = count, .sum = sum, .twice = twice, .later = later, .offer = offer, .look = look
};

const struct streams_ops waiting_streams_handlers = {
	.count = wait_count, .sum = wait_sum, .twice = wait_twice, .later = later, .offer = offer,
	.look = look
};

static int prepare(struct ipc *ipc, const struct streams_ops *ops)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = streams_object_new(ipc, ops, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

int prepare_streams(struct ipc *ipc)
{
	return prepare(ipc, &streams_handlers);
}

int prepare_waiting_streams(struct ipc *ipc)
{
	return prepare(ipc, &waiting_streams_handlers);
}
