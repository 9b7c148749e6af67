// SPDX-License-Identifier: MIT
/*
 * A stub's way out: pack, send, wait, unpack. What generated code calls for
 * methods of others (rpc.h).
 *
 * While a thread waits for its reply, calls of the same chain may come back to
 * it; they are served right here, on top of the one that waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "proxy.h"
#include "table.h"

/* A reply: the message of the user's type lies right behind. */
struct reply {
	struct message message;
	uint64_t block[];
};

/* --- Failure ------------------------------------------------------------------ */

/* What a failed call leaves behind, without a name and text of the server's. */
static int fail(struct ipc_error *error, int code)
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
static int fail_remote(struct ipc_error *error, const struct device_event *event)
{
	uint64_t block[64];
	struct message message;
	const Ipc__Error *explained;

	fail(error, event->error);
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

/* --- Sending ------------------------------------------------------------------ */

static int check(const struct ipc_proxy *proxy, const struct ipc_method *method,
		 const ProtobufCMessage *request)
{
	if (unlikely(!proxy || !proxy->ipc || !method || !request ||
		     request->descriptor != method->request))
		return -EINVAL;
	return 0;
}

/* Packs the request; the table is for methods that can carry objects only. */
static int prepare(struct thread *t, const struct ipc_proxy *proxy,
		   const struct ipc_method *method, const ProtobufCMessage *request,
		   struct table *table, struct device_send *send)
{
	size_t size;
	int r;

	r = thread_pack(t, request, &size);
	if (r < 0)
		return r;

	send->handle = proxy->handle;
	send->code = method->code;
	send->data = t->scratch.data;
	send->size = size;
	send->accept_fds = method->flags & IPC_METHOD_REPLY_OBJECTS;
	if (!(method->flags & IPC_METHOD_REQUEST_OBJECTS))
		return 0;

	r = table_build(table, proxy->ipc, request);
	if (r < 0)
		return r;
	send->objects = table->objects;
	send->n_objects = table->n;
	return 0;
}

/* Waits for the reply of what was sent, and serves what comes before it. */
static int wait_reply(struct thread *t, struct device_event *event)
{
	int r;

	for (;;) {
		switch (event->kind) {
		case DEVICE_EVENT_REPLY:
		case DEVICE_EVENT_ERROR:
		case DEVICE_EVENT_FAILED:
			return 0;
		default:
			dispatch(t, event);
		}
		r = thread_wait(t, DEVICE_WAIT, event);
		if (r < 0)
			return r;
	}
}

static int send_and_wait(struct thread *t, const struct device_send *send,
			 struct device_event *event)
{
	int r;

	r = thread_exchange(t, send, DEVICE_WAIT, event);
	if (unlikely(r < 0))
		return r;
	if (likely(event->kind == DEVICE_EVENT_REPLY))
		return 0;

	t->waiting++;
	r = wait_reply(t, event);
	t->waiting--;
	return r;
}

/* --- Receiving ---------------------------------------------------------------- */

static int reply_unpack(struct reply *reply, const struct ipc_method *method,
			const struct device_event *event)
{
	int r;

	r = message_unpack(&reply->message, method->reply,
			   method->flags & IPC_METHOD_REPLY_RECURSIVE, event->payload,
			   event->size);
	if (r < 0)
		return r;
	/* ipc_rpc_free() counts on it: protobuf-c allocates the message first. */
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
	if (reply)
		message_init(&reply->message, reply->block, block, size);
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

void ipc_rpc_free(ProtobufCMessage *message)
{
	if (message)
		reply_free((struct reply *)((char *)message - offsetof(struct reply, block)));
}

/* --- The calls of generated code ------------------------------------------------ */

static int finish(struct thread *t, const struct ipc_method *method,
		  const struct device_event *event, ProtobufCMessage **ret_reply,
		  struct ipc_error *error)
{
	int r;

	if (likely(event->kind == DEVICE_EVENT_REPLY)) {
		r = receive(t->ipc, method, event, ret_reply);
		if (unlikely(r < 0))
			fail(error, r);
	} else if (event->kind == DEVICE_EVENT_ERROR) {
		claims_refuse(t->ipc, event);
		r = fail_remote(error, event);
	} else {
		r = fail(error, event->error);
	}
	thread_free_later(t, event->buffer, event->size);
	return r;
}

int ipc_rpc_call(struct ipc_proxy *proxy, const struct ipc_method *method,
		 const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
		 struct ipc_error *error)
{
	struct device_send send = { .kind = DEVICE_SEND_CALL };
	struct device_event event;
	struct table table;
	struct thread *t;
	int r;

	r = check(proxy, method, request);
	if (unlikely(r < 0))
		return fail(error, r);
	r = thread_get(proxy->ipc, &t);
	if (unlikely(r < 0))
		return fail(error, r);
	r = thread_flush_stash(t);
	if (unlikely(r < 0))
		return fail(error, r);
	r = prepare(t, proxy, method, request, &table, &send);
	if (unlikely(r < 0))
		return fail(error, r);

	r = send_and_wait(t, &send, &event);
	if (unlikely(send.n_objects && (r < 0 || event.kind == DEVICE_EVENT_FAILED)))
		table_unsent(&table, t->ipc);
	if (unlikely(r < 0))
		return fail(error, r);
	return finish(t, method, &event, ret_reply, error);
}

int ipc_rpc_oneway(struct ipc_proxy *proxy, const struct ipc_method *method,
		   const ProtobufCMessage *request)
{
	struct device_send send = { .kind = DEVICE_SEND_ONEWAY };
	struct device_event event;
	struct table table;
	struct thread *t;
	int r;

	r = check(proxy, method, request);
	if (r < 0)
		return r;
	r = thread_get(proxy->ipc, &t);
	if (r < 0)
		return r;
	r = thread_flush_stash(t);
	if (r < 0)
		return r;
	r = prepare(t, proxy, method, request, &table, &send);
	if (r < 0)
		return r;

	r = thread_exchange(t, &send, /* flags= */ 0, &event);
	if (r < 0 && send.n_objects)
		table_unsent(&table, t->ipc);
	return r;
}

int ipc_rpc_serve(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		  const void *ops, void *userdata)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_object_new(ipc, interface, ops, userdata, /* destroy= */ NULL, &object);
	if (r < 0)
		return r;
	return ipc_add_name(ipc, name, object);
}
