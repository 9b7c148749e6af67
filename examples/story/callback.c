// SPDX-License-Identifier: MIT
/*
 * A callback: the client brings an object of its own along, and the server
 * calls it before it answers. The client has one thread, which waits for that
 * very answer, and so has the server: each call back runs on the thread that
 * waits on its side, deeper in the same chain of calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "client.h"

#define COUNT_TO	3

/**
 * struct ear - the listener, as its handler knows it
 * @story: to be called again from the handler
 * @counting: the client is inside Count()
 * @heard: the last number
 * @caller_tid: the server's thread that calls
 * @own_tid: the client's thread that handles
 */
struct ear {
	struct story *story;
	int counting;
	unsigned int heard;
	pid_t caller_tid;
	pid_t own_tid;
};

/* Calls the server from within its own call, so one level deeper still. */
static int meet_again(struct ear *ear)
{
	ipc_auto(story_meet_reply_free) Story__MeetReply *reply = NULL;
	int r;

	r = story_meet(ear->story, &reply, /* error= */ NULL);
	if (r < 0)
		return r;

	show("  server thread", "%u        answers Meet(), deep inside Count()", reply->tid);
	return (pid_t)reply->tid == ear->caller_tid ? 0 : -EPROTO;
}

static int heard(struct ipc_call *call, const Story__HeardRequest *request, void *userdata)
{
	Story__HeardReply reply = STORY__HEARD_REPLY__INIT;
	struct ear *ear = userdata;
	int r;

	if (!ear->counting || request->number != ear->heard + 1)
		return -EPROTO;
	ear->heard = request->number;
	ear->caller_tid = ipc_call_tid(call);
	ear->own_tid = gettid();
	show("  server thread", "%d    calls Heard(%u) of the client's object", ear->caller_tid,
	     request->number);
	show("  client thread", "%d      handles it, and calls Meet()", ear->own_tid);
	r = meet_again(ear);
	if (r < 0)
		return r;

	reply.tid = ear->own_tid;
	return listener_reply_heard(call, &reply);
}

static const struct listener_ops ops = { .heard = heard };

static int check(const struct ear *ear, const Story__CountReply *reply)
{
	if (ear->heard != COUNT_TO)
		return fail("%u numbers were heard of %d", ear->heard, COUNT_TO);
	if (ear->own_tid != gettid())
		return fail("the call back came on thread %d, not on this one", ear->own_tid);
	if (ear->caller_tid != (pid_t)reply->tid)
		return fail("thread %d called back, thread %u answered", ear->caller_tid, reply->tid);
	return 0;
}

int step_callback(struct ipc *ipc, struct story *story)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	ipc_auto(story_count_reply_free) Story__CountReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__CountRequest request = STORY__COUNT_REQUEST__INIT;
	Ipc__Object listener = IPC__OBJECT__INIT;
	struct ear ear = { .story = story };
	int r;

	r = listener_object_new(ipc, &ops, &ear, /* destroy= */ NULL, &object);
	if (r < 0)
		return ipc_fail("make a listener", r, NULL);

	listener.id = ipc_object_id(object);
	request.listener = &listener;
	request.to = COUNT_TO;
	show("client thread", "%d  calls Count(%d), and waits", gettid(), COUNT_TO);
	ear.counting = 1;
	r = story_count(story, &request, &reply, &error);
	ear.counting = 0;
	if (r < 0)
		return ipc_fail("count", r, &error);

	show("server thread", "%u  has answered Count()", reply->tid);
	return check(&ear, reply);
}
