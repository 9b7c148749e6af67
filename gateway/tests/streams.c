// SPDX-License-Identifier: MIT
/*
 * The streams of the service in the tests: see streams.h. Each handler waits on its own
 * thread, except output without a delay, which a feed sends by callbacks. The state is for Look(),
 * which tests call to see how far the streams are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "streams.h"

static atomic_uint running;	/* handlers and feeds */
static atomic_ullong taken, sent, stream_left;
static atomic_int input_end;
static char metadata[256];

void streams_look(Interop__LookReply *reply)
{
	reply->streams = running;
	reply->taken = taken;
	reply->sent = sent;
	reply->input = input_end;
	reply->stream_left = stream_left;
	reply->stream_metadata = metadata;
}

int streams_input(struct ipc_stream *stream, void *userdata)
{
	Interop__Reply reply = INTEROP__REPLY__INIT;
	const Interop__Request *request;
	int r;

	(void)userdata;
	running++;
	while ((r = test_receive_input(stream, IPC_NEVER, &request, NULL)) > 0) {
		taken++;
		reply.request_size += request->body.len;
		if (request->code)
			break;
		if (request->sleep_msec)
			usleep(request->sleep_msec * 1000);
	}
	input_end = r ?: 1;
	if (r > 0)
		r = ipc_stream_fail(stream, request->code, NULL, "%s", request->message);
	else if (r == 0)
		r = test_reply_input(stream, &reply);
	running--;
	return r;
}

/* Replies that are sent without a waiting thread. */
struct feed {
	Interop__Reply reply;
	uint32_t replies;
};

static void feed_more(struct ipc_stream *stream, void *userdata)
{
	struct feed *feed = userdata;

	while (feed->reply.request_size < feed->replies) {
		if (test_send_output(stream, 0, &feed->reply) < 0)
			return;
		feed->reply.request_size++;
		sent++;
	}
	ipc_stream_end(stream);
}

static void feed_done(void *userdata)
{
	struct feed *feed = userdata;

	free(feed->reply.body.data);
	free(feed);
	running--;
}

static int start_feed(struct ipc_stream *stream, const Interop__Plan *plan)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_writable = feed_more, .destroy = feed_done,
	};
	struct feed *feed = calloc(1, sizeof(*feed));
	int r;

	if (!feed)
		return -ENOMEM;
	*feed = (struct feed){ .reply = INTEROP__REPLY__INIT, .replies = plan->replies };
	feed->reply.body.len = plan->size;
	feed->reply.body.data = calloc(1, plan->size + 1);
	r = ipc_stream_set_ops(stream, &ops, feed);
	if (r < 0) {
		feed_done(feed);
		return r;
	}
	feed_more(stream, feed);
	return 0;
}

int streams_output(struct ipc_stream *stream, const Interop__Plan *plan, void *userdata)
{
	uint64_t left = ipc_stream_remaining(stream);
	Interop__Reply reply = INTEROP__REPLY__INIT;
	int r = 0;

	(void)userdata;
	running++;
	if (!plan->sleep_msec && !plan->code && left == IPC_NEVER)
		return start_feed(stream, plan);
	stream_left = left == IPC_NEVER ? 0 : left / 1000;
	snprintf(metadata, sizeof(metadata), "%s", ipc_stream_metadata(stream, "x-stream") ?: "");
	reply.body.len = plan->size;
	reply.body.data = calloc(1, plan->size + 1);
	for (uint32_t i = 0; r == 0 && reply.body.data && i < plan->replies; i++) {
		reply.request_size = i;
		r = test_send_output(stream, IPC_NEVER, &reply);
		sent += r == 0;
		if (plan->sleep_msec)
			usleep(plan->sleep_msec * 1000);
	}
	free(reply.body.data);
	if (r == 0 && plan->code)
		r = ipc_stream_fail(stream, plan->code, NULL, "%s", plan->message);
	running--;
	return r;
}

int streams_duplex(struct ipc_stream *stream, void *userdata)
{
	Interop__Reply reply = INTEROP__REPLY__INIT;
	const Interop__Request *request;
	int r;

	(void)userdata;
	running++;
	while ((r = test_receive_duplex(stream, IPC_NEVER, &request, NULL)) > 0) {
		taken++;
		reply.request_size = request->body.len;
		reply.body.len = request->size;
		reply.body.data = calloc(1, request->size + 1);
		r = reply.body.data ? test_send_duplex(stream, IPC_NEVER, &reply) : -ENOMEM;
		free(reply.body.data);
		if (r < 0)
			break;
		sent++;
	}
	running--;
	return r;
}

int streams_deaf(struct ipc_stream *stream, void *userdata)
{
	(void)userdata;
	running++;
	while (!ipc_stream_is_canceled(stream))
		usleep(5000);
	running--;
	return 0;
}

int streams_broken(struct ipc_stream *stream, void *userdata)
{
	const Interop__Request *request;

	(void)userdata;
	test_receive_broken(stream, IPC_NEVER, &request, NULL);
	ipc_stream_cancel(stream);
	return 0;
}
