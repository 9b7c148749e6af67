// SPDX-License-Identifier: MIT
/*
 * A server of streams of every kind: see streams.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "streams.h"

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

static int count(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	int r;

	(void)userdata;
	handlers++;
	sent = 0;
	ck_assert_int_eq(ipc_stream_pid(stream) != 0, 1);
	r = push_numbers(stream, request, streams_push_count);
	if (r == 0 && request->number) {
		struct ipc_error error = {
			request->code, request->number, "stream.Worse", request->text,
			request->details.data, request->details.len,
		};

		r = ipc_stream_raise(stream, &error);
	} else if (r == 0 && request->code) {
		r = ipc_stream_fail(stream, request->code, request->text[0] ? "stream.Bad" : NULL,
				    "%s", request->text);
	}
	handlers--;
	return r;
}

static int sum(struct ipc_stream *stream, void *userdata)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Stream__Number total = STREAM__NUMBER__INIT;
	const Stream__Number *number;
	int r;

	(void)userdata;
	handlers++;
	while ((r = streams_pull_sum(stream, SECONDS(10), &number, &error)) > 0) {
		total.value += number->value;
		/* It is not to be read as fast as it is sent. */
		if (number->ballast.len)
			usleep(2000);
	}
	last_error = r;
	/* What is more than an errno goes back as it came. */
	if (r < 0 && error.number)
		ipc_stream_raise(stream, &error);
	if (r == 0)
		r = streams_reply_sum(stream, &total);
	handlers--;
	return r;
}

static int twice(struct ipc_stream *stream, void *userdata)
{
	Stream__Number reply = STREAM__NUMBER__INIT;
	const Stream__Number *number;
	int r;

	(void)userdata;
	handlers++;
	while ((r = streams_pull_twice(stream, SECONDS(10), &number, NULL)) > 0) {
		if (number->value == 666) {
			r = ipc_stream_fail(stream, -ERANGE, NULL, "%s", "an evil number");
			break;
		}
		reply.value = 2 * number->value;
		reply.ballast = number->ballast;
		r = streams_push_twice(stream, SECONDS(10), &reply);
		if (r < 0)
			break;
	}
	last_error = r;
	handlers--;
	return r;
}

struct job {
	struct ipc_stream *stream;
	Stream__CountRequest request;
};

static void *feed(void *data)
{
	struct job *job = data;

	push_numbers(job->stream, &job->request, streams_push_later);
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

struct offer {
	pthread_mutex_t lock;
	Stream__Number number;
	uint64_t count;
	bool done;
};

/* The callback may come again, on any thread, until the stream is let go. */
static void offer_more(struct ipc_stream *stream, void *userdata)
{
	struct offer *o = userdata;
	bool over = false;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	while (!o->done && r == 0 && o->number.value < o->count) {
		o->number.value++;
		r = streams_push_offer(stream, 0, &o->number);
		if (r < 0)
			o->number.value--;
	}
	if (!o->done && r != -EAGAIN) {
		over = o->done = true;
		last_error = r;
	}
	pthread_mutex_unlock(&o->lock);
	if (over) {
		ipc_stream_on_ready(stream, NULL, NULL);
		ipc_stream_unref(stream);
	}
}

static int offer(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	static struct offer o = { .lock = PTHREAD_MUTEX_INITIALIZER };
	static uint8_t ballast[100000];

	(void)userdata;
	o.number = (Stream__Number)STREAM__NUMBER__INIT;
	o.number.ballast.data = ballast;
	o.number.ballast.len = request->ballast;
	o.count = request->count;
	o.done = false;
	ipc_stream_on_ready(ipc_stream_ref(stream), offer_more, &o);
	offer_more(stream, &o);
	return 0;
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

int prepare_streams(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = streams_object_new(ipc, &streams_handlers, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}
