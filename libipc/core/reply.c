// SPDX-License-Identifier: MIT
/*
 * Replies and errors as they arrive. See reply.h; ipc_rpc_free() and
 * ipc_rpc_keep() are for generated code (rpc.h).
 */
#include <errno.h>
#include <stdlib.h>

#include "typed/blob.h"
#include "typed/message.h"
#include "reply.h"
#include "typed/table.h"

/* A reply: the message of the user's type lies right behind. */
struct reply {
	struct message message;
	bool kept;
	size_t room;			/* bytes of block */
	struct ipc *ipc;		/* held with the buffer; NULL: neither is */
	uint64_t buffer;		/* in which the message's blobs lie */
	size_t size;
	uint64_t block[];
};

static struct reply *reply_of(ProtobufCMessage *message)
{
	return (struct reply *)((char *)message - offsetof(struct reply, block));
}

/* --- Failure ------------------------------------------------------------------ */

/* An error that the server raised. What explains it may be anything. */
static int receive_error(struct ipc_error *error, const struct device_event *event)
{
	uint64_t block[64];
	struct message message;

	error_set(error, event->error);
	if (!error || !event->size)
		return event->error;

	message_init(&message, block, sizeof(block), event->size);
	if (message_unpack(&message, &ipc__error__descriptor, /* recursive= */ false,
			   event->payload, event->size) == 0)
		error_explain(error, event->error, (const Ipc__Error *)message.root);
	message_done(&message);
	return event->error;
}

/* --- Success ------------------------------------------------------------------ */

static int reply_unpack(struct reply *reply, const struct ipc_method *method,
			const struct device_event *event)
{
	int r;

	r = message_unpack(&reply->message, method->reply,
			   method->flags & IPC_METHOD_REPLY_RECURSIVE, event->payload,
			   event->size);
	if (r < 0)
		return r;
	/* reply_of() counts on it: protobuf-c allocates the message first. */
	return likely((void *)reply->message.root == (void *)reply->block) ? 0 : -EPROTO;
}

/* What came with the reply: held by its fields, or given back. */
static int reply_claim(struct reply *reply, struct ipc *ipc, const struct ipc_method *method,
		       const struct device_event *event)
{
	int r;

	r = claims_take(&reply->message, ipc, event);
	if (r == 0 && unlikely(method->flags & IPC_METHOD_REPLY_BLOBS))
		r = blobs_bind(&reply->message);
	if (r < 0 || !(method->flags & IPC_METHOD_REPLY_OBJECTS))
		return r;
	return claims_bind(&reply->message);
}

/* What a thread keeps for its next reply: enough for a usual one, and not for more. */
#define SIZE_KEPT	((size_t)1024)

static struct reply *reply_alloc(struct thread *t, size_t room)
{
	struct reply *reply = t->spare_reply;

	if (likely(reply && room <= reply->room)) {
		t->spare_reply = NULL;
		return reply;
	}
	if (room < SIZE_KEPT)
		room = SIZE_KEPT;
	reply = malloc(sizeof(*reply) + room);
	if (reply)
		reply->room = room;
	return reply;
}

/* One block for all that a usual message of this size needs. */
static struct reply *reply_new(struct thread *t, const ProtobufCMessageDescriptor *descriptor,
			       const struct device_event *event)
{
	size_t size = frame_message_size(event->payload, event->size);
	struct reply *reply;

	reply = reply_alloc(t, descriptor->sizeof_message + size + (size < 512 ? size : 512) + 64);
	if (!reply)
		return NULL;

	message_init(&reply->message, reply->block, reply->room, size);
	reply->kept = false;
	reply->ipc = NULL;
	return reply;
}

/* The buffer goes back with whatever this thread does next. */
static void reply_release_buffer(struct reply *reply)
{
	struct thread *t;

	if (thread_get(reply->ipc, &t) == 0)
		thread_release_later(t, reply->buffer, reply->size);
	ipc_unref(reply->ipc);
}

/* The memory stays with the thread that frees it, whosever reply it was. */
static void reply_free(struct reply *reply)
{
	struct thread *t;

	if (!reply)
		return;
	claims_release(&reply->message);
	message_done(&reply->message);
	if (unlikely(reply->ipc))
		reply_release_buffer(reply);
	t = thread_last;
	if (likely(t && !t->spare_reply && reply->room == SIZE_KEPT))
		t->spare_reply = reply;
	else
		free(reply);
}

/* The reply has blobs in its buffer: the two stay together. */
static void reply_hold(struct reply *reply, struct ipc *ipc, struct device_event *event)
{
	reply->ipc = ipc_ref(ipc);
	reply->buffer = event->buffer;
	reply->size = event->size;
	event->buffer = 0;
}

static int receive(struct thread *t, const struct ipc_method *method, struct device_event *event,
		   ProtobufCMessage **ret_reply)
{
	struct ipc *ipc = t->ipc;
	struct reply *reply = NULL;
	int r = 0;

	if (ret_reply) {
		reply = reply_new(t, method->reply, event);
		r = reply ? reply_unpack(reply, method, event) : -ENOMEM;
	}
	if (!ret_reply || unlikely(r < 0))
		claims_refuse(ipc, event);
	else
		r = reply_claim(reply, ipc, method, event);
	if (unlikely(r < 0)) {
		reply_free(reply);
		return r;
	}

	if (!ret_reply)
		return 0;
	if (unlikely(reply->message.framed))
		reply_hold(reply, ipc, event);
	*ret_reply = reply->message.root;
	return 0;
}

int reply_receive(struct thread *t, const struct ipc_method *method,
		  struct device_event *event, ProtobufCMessage **ret_reply,
		  struct ipc_error *error)
{
	int r;

	if (likely(event->kind == DEVICE_EVENT_REPLY)) {
		r = receive(t, method, event, ret_reply);
		if (unlikely(r < 0))
			error_set(error, r);
	} else if (event->kind == DEVICE_EVENT_ERROR) {
		claims_refuse(t->ipc, event);
		r = receive_error(error, event);
	} else {
		r = error_set(error, event->error);
	}
	thread_release_later(t, event->buffer, event->size);
	return r;
}

/* --- Keeping and freeing --------------------------------------------------------- */

void reply_release(ProtobufCMessage *message)
{
	if (message && !reply_of(message)->kept)
		reply_free(reply_of(message));
}

void ipc_rpc_keep(ProtobufCMessage *message)
{
	if (message)
		reply_of(message)->kept = true;
}

void ipc_rpc_free(ProtobufCMessage *message)
{
	if (message)
		reply_free(reply_of(message));
}
