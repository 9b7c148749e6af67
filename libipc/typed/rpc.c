// SPDX-License-Identifier: MIT
/* Calls of generated code to other processes (<ipc/rpc.h>): pack, send, wait, unpack. */
#define _GNU_SOURCE
#include <errno.h>

#include "core/async.h"
#include "core/entry.h"
#include "core/proxy.h"
#include "core/request.h"
#include "pack.h"
#include "table.h"
#include "typed.h"

/* --- Requests -------------------------------------------------------------------- */

struct rpc {
	struct request request;
	struct packed packed;		/* table.n is 0 if it was packed by its codec */
};

/* Packs a message without a codec, a message that its codec cannot pack, or a request with
 * metadata. */
static __attribute__((noinline)) int rpc_pack_other(struct rpc *rpc,
						    const struct ipc_method *method,
						    const struct ipc_options *options,
						    const ProtobufCMessage *message)
{
	return message_pack(&rpc->packed, rpc->request.t, message, method->flags,
			    options ? options->metadata : NULL, GATHER_MIN, &rpc->request.x.send);
}

/* Begins a request and packs its message. If the request is not sent after this, the caller must
 * call table_unsent(). */
static int rpc_start(struct rpc *rpc, uint32_t kind, struct ipc_proxy *proxy,
		     const struct ipc_method *method, const struct ipc_options *options,
		     const ProtobufCMessage *message)
{
	int r;

	if (unlikely(!method || !message || message->descriptor != method->request))
		return -EINVAL;
	r = request_init(&rpc->request, kind, proxy, method->number, method->timeout_usec, options);
	if (unlikely(r < 0))
		return r;

	rpc->packed.table.n = 0;
	if (method->flags & (IPC_METHOD_REPLY_OBJECTS | IPC_METHOD_REPLY_BYTES))
		rpc->request.x.send.flags |= IPCBUS_SEND_ACCEPT_FDS;
	/* The messages of a codec have no objects. */
	if (likely(!(options && options->metadata)) &&
	    likely(message_pack_small(rpc->request.t, method->request_codec, message,
				      &rpc->request.x.send)))
		return 0;
	return rpc_pack_other(rpc, method, options, message);
}

/* Logs why a request was not sent, for functions without an error. Returns r. A request of another
 * type may not even be initialized. */
static int log_unsent(int r, const struct ipc_method *method, const ProtobufCMessage *message)
{
	return method && message && message->descriptor == method->request ?
		       message_unsent(r, method->name, message) :
		       r;
}

/* --- Replies ------------------------------------------------------------------ */

/* The message of the user's type lies right behind. */
struct typed_reply {
	struct reply base;
	struct message message;
	uint64_t block[];
};

static struct typed_reply *typed_reply_of(ProtobufCMessage *message)
{
	return (struct typed_reply *)((char *)message - offsetof(struct typed_reply, block));
}

/* Takes the objects of the event: binds them to fields of the reply, or releases them. */
static int take_objects(struct typed_reply *reply, struct ipc *ipc,
			const struct ipc_method *method, const struct ipcbus_event *event)
{
	int r;

	r = claims_take(&reply->message, ipc, event);
	if (r < 0 || !(method->flags & IPC_METHOD_REPLY_OBJECTS))
		return r;
	return claims_bind(ipc, &reply->message);
}

/* Allocates a reply with enough memory for a usual message of this size. */
static struct typed_reply *reply_new(struct thread *t,
				     const ProtobufCMessageDescriptor *descriptor,
				     bool borrow, size_t size)
{
	size_t copied = borrow ? 0 : size;
	struct typed_reply *reply;

	reply = (void *)reply_alloc(t, sizeof(*reply) + descriptor->sizeof_message + copied +
				       (size < 512 ? size : 512) + 64);
	if (reply)
		message_init(&reply->message, reply->block, reply->base.size - sizeof(*reply),
			     size);
	return reply;
}

/* Unpacks a reply. Sets *ret_reply also on failure: to NULL if there is no memory for it. */
static inline int rpc_unpack(struct thread *t, const struct ipc_method *method, bool borrow,
			     const uint8_t *data, size_t size, struct typed_reply **ret_reply)
{
	struct typed_reply *reply = reply_new(t, method->reply, borrow, size);
	int r;

	*ret_reply = reply;
	if (!reply)
		return -ENOMEM;
	r = message_unpack(&reply->message, method->reply, borrow, data, size);
	if (r < 0)
		return r;
	/* typed_reply_of() counts on it. */
	return likely((void *)reply->message.root == (void *)reply->block) ? 0 : -EPROTO;
}

/*
 * A reply that points into the region occupies it as long as the program keeps the reply. So all
 * replies together borrow at most a quarter of the region, and further replies are copied.
 */
static bool borrow_begin(struct ipc *ipc, const struct ipc_method *method, size_t size)
{
	if (size < BORROW_MIN || !(method->flags & IPC_METHOD_REPLY_BYTES) ||
	    method->flags & IPC_METHOD_COPY)
		return false;
	if (atomic_fetch_add_explicit(&ipc->borrowed, size, memory_order_relaxed) + size <=
	    ipc->device.region_size / 4)
		return true;
	borrow_end(ipc, size);
	return false;
}

/* Unpacks the reply of an event, which may then point into its buffer or file. */
static int unpack_event(struct thread *t, const struct ipc_method *method,
			struct ipcbus_event *event, struct mapping *file,
			struct typed_reply **ret_reply)
{
	const uint8_t *data = device_at(&t->ipc->device, event->offset);
	bool borrowed = !file->data && borrow_begin(t->ipc, method, event->data_size);
	int r;

	r = rpc_unpack(t, method, borrowed || file->data, data, event->data_size, ret_reply);
	if (*ret_reply && ((*ret_reply)->message.borrows || file->data)) {
		reply_hold(&(*ret_reply)->base, t->ipc, event, borrowed, file);
		return r;
	}
	payload_close(file);
	if (borrowed)
		borrow_end(t->ipc, event->data_size);
	return r;
}

static bool is_too_large(struct ipc *ipc, size_t size)
{
	return unlikely(size > atomic_load_explicit(&ipc->message_max, memory_order_relaxed));
}

static void free_reply(struct typed_reply *reply)
{
	if (!reply)
		return;
	claims_release(&reply->message);
	message_done(&reply->message);
	reply_free(&reply->base);
}

/* Fast path for a usual reply. Returns false if take_other() must do it. */
static inline bool take_small(struct thread *t, const struct ipc_method *method,
			      const struct ipcbus_event *event, ProtobufCMessage **ret_reply)
{
	const uint8_t *data = device_at(&t->ipc->device, event->offset);
	const struct ipc_codec *codec = method->reply_codec;
	size_t size = event->data_size;
	struct typed_reply *reply;

	if (!is_small(event, codec) ||
	    is_too_large(t->ipc, size))
		return false;
	reply = (void *)reply_alloc(t, sizeof(*reply) + method->reply->sizeof_message + 2 * size +
				       64);
	if (unlikely(!reply))
		return false;
	if (unlikely(!message_unpack_small(&reply->message, codec, reply->block,
					   reply->base.size - sizeof(*reply), data, size))) {
		reply_free(&reply->base);
		return false;
	}
	*ret_reply = reply->message.root;
	return true;
}

static __attribute__((noinline)) int take_other(struct thread *t, const struct ipc_method *method,
						struct ipcbus_event *event,
						ProtobufCMessage **ret_reply)
{
	struct mapping file = { NULL, 0 };
	struct ipc *ipc = t->ipc;
	struct typed_reply *reply;
	int r = 0;

	if (payload_is_file(ipc, event)) {
		r = payload_open(ipc, event, &file);
	} else if (is_too_large(ipc, event->data_size)) {
		event_refuse(ipc, event);
		r = -EMSGSIZE;
	}
	if (r < 0)
		return r;
	r = unpack_event(t, method, event, &file, &reply);
	if (unlikely(r < 0))
		event_refuse(ipc, event);
	else
		r = take_objects(reply, ipc, method, event);
	if (unlikely(r < 0)) {
		free_reply(reply);
		return r;
	}
	*ret_reply = reply->message.root;
	return 0;
}

/*
 * Takes ownership of the objects and the buffer of the event. Returns 0 and, unless ret_reply is
 * NULL, the reply in *ret_reply; or the error, also in *error.
 */
static int rpc_take_end(struct thread *t, const struct ipc_method *method,
			struct ipcbus_event *event, uint64_t deadline, ProtobufCMessage **ret_reply,
			struct ipc_error *error)
{
	int r = 0;

	if (unlikely(event->kind != IPCBUS_EVENT_REPLY)) {
		r = reply_failed(t, event, deadline, error);
	} else if (ret_reply && !take_small(t, method, event, ret_reply)) {
		r = take_other(t, method, event, ret_reply);
		if (unlikely(r < 0))
			error_set(error, r);
	} else if (!ret_reply) {
		event_refuse(t->ipc, event);
	}
	reply_release(t, event);
	return r;
}

void ipc_rpc_keep(ProtobufCMessage *message)
{
	if (message)
		typed_reply_of(message)->base.kept = true;
}

void ipc_rpc_free(ProtobufCMessage *message)
{
	if (message)
		free_reply(typed_reply_of(message));
}

/* --- Calls --------------------------------------------------------------------- */

int ipc_rpc_call_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		      const struct ipc_options *options, const ProtobufCMessage *message,
		      ProtobufCMessage **ret_reply, struct ipc_error *error)
{
	struct rpc rpc;
	int r;

	r = rpc_start(&rpc, IPCBUS_SEND_CALL, proxy, method, options, message);
	if (unlikely(r < 0))
		return request_unsent(error, r, method, message);

	r = request_call(&rpc.request, options);
	if (unlikely(r < 0 || rpc.request.x.event.kind == IPCBUS_EVENT_FAILED))
		table_unsent(&rpc.packed.table, rpc.request.t->ipc);
	if (unlikely(r < 0))
		return error_from(error, request_origin(&rpc.request, r), r);
	return rpc_take_end(rpc.request.t, method, &rpc.request.x.event,
			    rpc.request.x.send.deadline, ret_reply, error);
}

/* --- Calls without waiting -------------------------------------------------------- */

static void complete_typed(struct thread *t, const struct async *async, struct ipcbus_event *event)
{
	struct ipc_error error = IPC_ERROR_INIT;
	ProtobufCMessage *reply = NULL;
	int r;

	r = rpc_take_end(t, async->method, event, async->deadline, &reply, &error);
	if (async->complete)
		((ipc_rpc_complete)async->complete)(r, reply, &error, async->cb, async->userdata);
	if (reply && !typed_reply_of(reply)->base.kept)
		ipc_rpc_free(reply);
	ipc_error_done(&error);
}

static int call_async(struct ipc_proxy *proxy, const struct async *model,
		      const struct ipc_options *options, const ProtobufCMessage *message,
		      struct ipc_slot **ret_slot)
{
	const struct ipc_method *method = model->method;
	struct rpc rpc;
	int r;

	r = rpc_start(&rpc, REQUEST_ASYNC, proxy, method, options, message);
	if (r < 0)
		return log_unsent(r, method, message);
	r = request_async(&rpc.request, model, options, ret_slot);
	if (r < 0)
		table_unsent(&rpc.packed.table, rpc.request.t->ipc);
	return r;
}

int ipc_rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		       const struct ipc_options *options, const ProtobufCMessage *message,
		       ipc_rpc_complete complete, ipc_rpc_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	const struct async model = {
		.end = complete_typed,
		.method = method,
		.complete = (void (*)(void))complete,
		.cb = cb,
		.userdata = userdata,
	};

	return complete && cb ? call_async(proxy, &model, options, message, ret_slot) : -EINVAL;
}

int rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		   const struct ipc_options *options, const ProtobufCMessage *message,
		   ipc_rpc_complete complete, void *userdata, uint64_t *ret_id)
{
	const struct async model = {
		.end = complete_typed,
		.method = method,
		.complete = (void (*)(void))complete,
		.userdata = userdata,
		.ret_id = ret_id,
	};

	return call_async(proxy, &model, options, message, /* ret_slot= */ NULL);
}

/* --- Oneways ------------------------------------------------------------------- */

int ipc_rpc_oneway_with(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *message)
{
	struct rpc rpc;
	int r;

	r = rpc_start(&rpc, IPCBUS_SEND_ONEWAY, proxy, method, options, message);
	if (r < 0)
		return log_unsent(r, method, message);
	r = request_oneway(&rpc.request);
	if (r < 0)
		table_unsent(&rpc.packed.table, rpc.request.t->ipc);
	return r;
}
