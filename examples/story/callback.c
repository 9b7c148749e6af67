// SPDX-License-Identifier: MIT
/*
 * A callback: the client passes an object, and the server calls it before it replies. Both have a
 * single thread. Each nested call runs on the thread that waits in the same chain.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "client.h"

#define COUNT_TO	3

/**
 * struct listener_state - userdata of the listener
 * @story: the server, which the handler calls
 * @counting: the client is inside Count()
 * @heard: the last number
 * @caller_tid: the thread of the server that calls
 * @own_tid: the thread of the client that handles
 */
struct listener_state {
	struct story *story;
	int counting;
	unsigned int heard;
	pid_t caller_tid;
	pid_t own_tid;
};

/* Calls the server while the server waits for this client: one level deeper. */
static int meet_again(struct listener_state *state)
{
	ipc_auto(story_meet_reply_free) Story__MeetReply *reply = NULL;
	int r;

	r = story_meet(state->story, &reply, /* error= */ NULL);
	if (r < 0)
		return r;

	show("  server thread", "%u        replies to Meet(), while it serves Count()", reply->tid);
	return (pid_t)reply->tid == state->caller_tid ? 0 : -EPROTO;
}

static int heard(struct ipc_call *call, const Story__HeardRequest *request, void *userdata)
{
	Story__HeardReply reply = STORY__HEARD_REPLY__INIT;
	struct listener_state *state = userdata;
	int r;

	if (!state->counting || request->number != state->heard + 1)
		return -EPROTO;
	state->heard = request->number;
	state->caller_tid = ipc_call_tid(call);
	state->own_tid = gettid();
	show("  server thread", "%d    calls Heard(%u) of the client's object", state->caller_tid,
	     request->number);
	show("  client thread", "%d      handles Heard(), and calls Meet()", state->own_tid);
	r = meet_again(state);
	if (r < 0)
		return r;

	reply.tid = state->own_tid;
	return story_listener_reply_heard(call, &reply);
}

static const struct story_listener_ops ops = { .heard = heard };

static int check(const struct listener_state *state, const Story__CountReply *reply)
{
	if (state->heard != COUNT_TO)
		return fail("%u of %d numbers arrived", state->heard, COUNT_TO);
	if (state->own_tid != gettid())
		return fail("the callback ran on thread %d, not on this one", state->own_tid);
	if (state->caller_tid != (pid_t)reply->tid)
		return fail("thread %d called back, thread %u replied", state->caller_tid,
			    reply->tid);
	return 0;
}

int step_callback(struct ipc *ipc, struct story *story)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	ipc_auto(story_count_reply_free) Story__CountReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__CountRequest request = STORY__COUNT_REQUEST__INIT;
	Ipc__Object listener = IPC__OBJECT__INIT;
	struct listener_state state = { .story = story };
	int r;

	r = story_listener_object_new(ipc, &ops, &state, /* destroy= */ NULL, &object);
	if (r < 0)
		return ipc_print_error("create a listener", r, NULL);

	r = ipc_object_id(object, &listener.id);
	if (r < 0)
		return ipc_print_error("create a listener", r, NULL);
	request.listener = &listener;
	request.to = COUNT_TO;
	show("client thread", "%d  calls Count(%d) and waits", gettid(), COUNT_TO);
	state.counting = 1;
	r = story_count(story, &request, &reply, &error);
	state.counting = 0;
	if (r < 0)
		return ipc_print_error("count", r, &error);

	show("server thread", "%u  has replied to Count()", reply->tid);
	return check(&state, reply);
}
