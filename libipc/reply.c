// SPDX-License-Identifier: MIT
/*
 * Replies and errors as they arrive. See reply.h; ipc_rpc_free() and
 * ipc_rpc_keep() are for generated code (rpc.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "reply.h"
#include "table.h"

/* A reply: the message of the user's type lies right behind. */
struct reply {
	struct message message;
	bool kept;
	uint64_t block[];
};

static struct reply *reply_of(ProtobufCMessage *message)
{
	return (struct reply *)((char *)message - offsetof(struct reply, block));
}

/* --- Failure ------------------------------------------------------------------ */

int error_set(struct ipc_error *error, int code)
{
	if (error) {
		ipc_error_done(error);
		error->code = code;
	}
	return code;
}

static char *dup_text(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

/*
 * An error that the server raised. What explains it may be anything, or not
 * fit into memory: then the code must do.
 */
static int receive_error(struct ipc_error *error, const struct device_event *event)
{
	uint64_t block[64];
	struct message message;
	const Ipc__Error *explained;

	error_set(error, event->error);
	if (!error || !event->size)
		return event->error;

	message_init(&message, block, sizeof(block), event->size);
	if (message_unpack(&message, &ipc__error__descriptor, /* recursive= */ false,
			   event->payload, event->size) == 0) {
		explained = (const Ipc__Error *)message.root;
		error->name = dup_text(explained->name);
		error->message = dup_text(explained->message);
	}
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
	if (r < 0 || !(method->flags & IPC_METHOD_REPLY_OBJECTS))
		return r;
	return claims_bind(&reply->message);
}

/* One block for all that a usual message of this size needs. */
static struct reply *reply_new(const ProtobufCMessageDescriptor *descriptor, size_t size)
{
	size_t block = descriptor->sizeof_message + size + (size < 512 ? size : 512) + 64;
	struct reply *reply;

	reply = malloc(sizeof(*reply) + block);
	if (!reply)
		return NULL;

	message_init(&reply->message, reply->block, block, size);
	reply->kept = false;
	return reply;
}

static void reply_free(struct reply *reply)
{
	if (!reply)
		return;
	claims_release(&reply->message);
	message_done(&reply->message);
	free(reply);
}

static int receive(struct ipc *ipc, const struct ipc_method *method,
		   const struct device_event *event, ProtobufCMessage **ret_reply)
{
	struct reply *reply = NULL;
	int r = 0;

	if (ret_reply) {
		reply = reply_new(method->reply, event->size);
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

	if (ret_reply)
		*ret_reply = reply->message.root;
	return 0;
}

int reply_receive(struct thread *t, const struct ipc_method *method,
		  const struct device_event *event, ProtobufCMessage **ret_reply,
		  struct ipc_error *error)
{
	int r;

	if (likely(event->kind == DEVICE_EVENT_REPLY)) {
		r = receive(t->ipc, method, event, ret_reply);
		if (unlikely(r < 0))
			error_set(error, r);
	} else if (event->kind == DEVICE_EVENT_ERROR) {
		claims_refuse(t->ipc, event);
		r = receive_error(error, event);
	} else {
		r = error_set(error, event->error);
	}
	thread_free_later(t, event->buffer, event->size);
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
