// SPDX-License-Identifier: MIT
/* Messages of bytes: <ipc/raw.h>. The ends of a stream use them too (stream-open.c). */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async.h"
#include "call.h"
#include "conn/frame.h"
#include "entry.h"
#include "errors.h"
#include "object.h"
#include "proxy.h"
#include "raw.h"
#include "request.h"

_Static_assert(IPC_RAW_FRAME == FRAME_MAGIC, "programs know the byte");

/* --- Sending ------------------------------------------------------------------- */

/* A message as the driver takes it. */
struct outgoing {
	struct table table;
	struct frame_header header;
	/* The header, the program's parts, padding to 8 bytes, metadata. */
	struct ipcbus_iovec parts[IPC_RAW_PARTS_MAX + 3];
};

static int append_object(struct table *table, struct ipc *ipc, struct ipc_object *object,
			 uint64_t tag)
{
	uint64_t id;
	int r;

	if (!object || object->ipc != ipc)
		return -EBADF;
	r = ipc_object_id(object, &id);
	return r < 0 ? r : table_append_node(table, ipc, id, tag);
}

static int append_entry(struct table *table, struct ipc *ipc, const struct ipc_raw_entry *entry)
{
	switch (entry->type) {
	case IPC_RAW_OBJECT:
		return append_object(table, ipc, entry->object, entry->tag);
	case IPC_RAW_PROXY:
		if (!entry->proxy || entry->proxy->ipc != ipc)
			return -EBADF;
		return table_append(table, IPCBUS_OBJECT_HANDLE, entry->proxy->handle, entry->tag);
	case IPC_RAW_FD:
		if (entry->fd < 0)
			return -EBADF;
		return table_append(table, IPCBUS_OBJECT_FD, (uint64_t)entry->fd, entry->tag);
	}
	return -EINVAL;
}

static __attribute__((noinline)) int append_entries(struct table *table, struct ipc *ipc,
						    const struct ipc_raw_message *message)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < message->n_entries; i++)
		r = append_entry(table, ipc, &message->entries[i]);
	if (r < 0)
		table_unsent(table, ipc);
	return r;
}

int raw_check_parts(const struct ipc_raw_message *message)
{
	if ((message->n_parts && (message->data || !message->parts)) ||
	    (message->n_entries && !message->entries))
		return -EINVAL;
	return message->n_parts > IPC_RAW_PARTS_MAX ? -E2BIG : 0;
}

static void raw_add_part(struct outgoing *out, struct ipcbus_send *send, const void *data,
			 size_t size)
{
	out->parts[send->iov_count++] = (struct ipcbus_iovec){ (uintptr_t)data, size };
	send->data_size += size;
}

static void add_bytes(struct outgoing *out, struct ipcbus_send *send,
		      const struct ipc_raw_message *message)
{
	for (size_t i = 0; i < message->n_parts; i++)
		raw_add_part(out, send, message->parts[i].iov_base, message->parts[i].iov_len);
	if (message->size)
		raw_add_part(out, send, message->data, message->size);
}

/* A frame of the bytes and metadata, which lies in the scratch. */
static int add_frame(struct outgoing *out, struct thread *t, struct ipcbus_send *send,
		     const struct ipc_raw_message *message, const char *const *metadata)
{
	static const uint64_t zero;
	size_t extra = metadata_size(metadata);
	size_t size;

	if (extra > METADATA_MAX)
		return -EMSGSIZE;
	if (thread_reserve(t, extra) < 0)
		return -ENOMEM;
	metadata_copy(t->scratch.data, metadata);
	raw_add_part(out, send, &out->header, sizeof(out->header));
	add_bytes(out, send, message);
	size = send->data_size - sizeof(out->header);
	if (size > UINT32_MAX)
		return -EMSGSIZE;
	out->header = (struct frame_header){
		.magic = FRAME_MAGIC,
		.message_size = (uint32_t)size,
		.metadata_size = (uint32_t)extra,
	};
	if (FRAME_ALIGN(size) > size)
		raw_add_part(out, send, &zero, FRAME_ALIGN(size) - size);
	raw_add_part(out, send, t->scratch.data, extra);
	return 0;
}

static int fill_bytes(struct outgoing *out, struct thread *t, struct ipcbus_send *send,
		      const struct ipc_raw_message *message, const char *const *metadata)
{
	bool framed = metadata && *metadata;

	if (!framed && !message->n_parts) {
		send->data = (uintptr_t)message->data;
		send->data_size = message->size;
		return 0;
	}
	send->flags |= IPCBUS_SEND_IOV;
	send->data = (uintptr_t)out->parts;
	if (framed)
		return add_frame(out, t, send, message, metadata);
	add_bytes(out, send, message);
	return 0;
}

/* On success out->table has references: if the message cannot be sent, the caller must call
 * table_unsent(). On failure it has none. */
static inline int fill(struct outgoing *out, struct thread *t, struct ipcbus_send *send,
		       const struct ipc_raw_message *message, const char *const *metadata)
{
	int r;

	out->table.n = 0;
	if (raw_is_plain(message) && likely(!metadata)) {
		send->data = (uintptr_t)message->data;
		send->data_size = message->size;
		return 0;
	}
	r = fill_bytes(out, t, send, message, metadata);
	if (r == 0)
		r = append_entries(&out->table, t->ipc, message);
	if (r == 0)
		table_attach(&out->table, send);
	return r;
}

static int raw_start(struct request *request, struct outgoing *out, uint32_t kind,
		     struct ipc_proxy *proxy, const struct ipc_raw_message *message,
		     const struct ipc_options *options)
{
	int r;

	r = raw_check(message, kind == IPCBUS_SEND_ONEWAY ? 0 : IPC_RAW_ACCEPT_FDS);
	if (r == 0)
		r = request_init(request, kind, proxy, message->method, /* timeout_usec= */ 0,
				 options);
	if (r)
		return r;
	if (message->flags & IPC_RAW_ACCEPT_FDS)
		request->x.send.flags |= IPCBUS_SEND_ACCEPT_FDS;
	return fill(out, request->t, &request->x.send, message, options ? options->metadata : NULL);
}

/* --- Replies ------------------------------------------------------------------- */

struct raw_reply {
	struct reply base;
	struct ipc_raw_message message;
	struct ipc_raw_entry entries[];
};

static struct raw_reply *raw_reply_of(struct ipc_raw_message *message)
{
	return (struct raw_reply *)((char *)message - offsetof(struct raw_reply, message));
}

static inline int take_entries(struct ipc_raw_message *message, struct ipc_raw_entry *entries,
			       struct ipc *ipc, const struct ipcbus_event *event)
{
	if (likely(!event->object_count))
		return 0;
	return entries_take(entries, &message->n_entries, ipc, event);
}

static void release_entries(struct ipc_raw_message *message)
{
	for (size_t i = 0; i < message->n_entries; i++)
		entry_release(&message->entries[i]);
	message->n_entries = 0;
}

static int raw_take_reply(struct thread *t, struct ipcbus_event *event,
			  struct ipc_raw_message **ret_reply)
{
	struct mapping file = { NULL, 0 };
	struct ipc *ipc = t->ipc;
	struct raw_reply *reply;
	int r = 0;

	if (payload_is_file(ipc, event))
		r = payload_open(ipc, event, &file);
	if (r < 0)
		return r;
	reply = (void *)reply_alloc(t, sizeof(*reply) +
				    event->object_count * sizeof(reply->entries[0]));
	if (!reply) {
		event_refuse(ipc, event);
		payload_close(&file);
		return -ENOMEM;
	}
	reply->message = (struct ipc_raw_message){
		.data = device_at(&ipc->device, event->offset),
		.size = event->data_size,
		.entries = reply->entries,
	};
	reply_hold(&reply->base, ipc, event, /* borrowed= */ false, &file);
	r = take_entries(&reply->message, reply->entries, ipc, event);
	if (r < 0) {
		ipc_raw_free(&reply->message);
		return r;
	}
	*ret_reply = &reply->message;
	return 0;
}

static int raw_take_end(struct thread *t, struct ipcbus_event *event, uint64_t deadline,
			struct ipc_raw_message **ret_reply, struct ipc_error *error)
{
	int r = 0;

	if (event->kind != IPCBUS_EVENT_REPLY)
		r = reply_failed(t, event, deadline, error);
	else if (ret_reply)
		r = raw_take_reply(t, event, ret_reply);
	else
		event_refuse(t->ipc, event);
	if (r < 0 && event->kind == IPCBUS_EVENT_REPLY)
		error_set(error, r);
	reply_release(t, event);
	return r;
}

void ipc_raw_free(struct ipc_raw_message *message)
{
	if (!message)
		return;
	release_entries(message);
	reply_free(&raw_reply_of(message)->base);
}

void ipc_raw_keep(struct ipc_raw_message *reply)
{
	if (reply)
		raw_reply_of(reply)->base.kept = true;
}

/* --- Calls ---------------------------------------------------------------------- */

int ipc_raw_call(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		 const struct ipc_options *options, struct ipc_raw_message **ret_reply,
		 struct ipc_error *error)
{
	struct outgoing out;
	struct request call;
	int r;

	r = raw_start(&call, &out, IPCBUS_SEND_CALL, proxy, request, options);
	if (unlikely(r < 0))
		return error_set(error, r);
	r = request_call(&call, options);
	if (unlikely(r < 0 || call.x.event.kind == IPCBUS_EVENT_FAILED))
		table_unsent(&out.table, call.t->ipc);
	if (unlikely(r < 0))
		return error_from(error, request_origin(&call, r), r);
	return raw_take_end(call.t, &call.x.event, call.x.send.deadline, ret_reply, error);
}

static void complete_raw(struct thread *t, const struct async *async, struct ipcbus_event *event)
{
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_raw_message *reply = NULL;
	int r;

	r = raw_take_end(t, event, async->deadline, &reply, &error);
	if (async->cb)
		((ipc_raw_cb)async->cb)(r, reply, &error, async->userdata);
	if (reply && !raw_reply_of(reply)->base.kept)
		ipc_raw_free(reply);
	ipc_error_done(&error);
}

int raw_call_async(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		   const struct ipc_options *options, ipc_raw_cb cb, void *userdata,
		   uint64_t *ret_id, struct ipc_slot **ret_slot)
{
	const struct async model = {
		.end = complete_raw,
		.cb = (void (*)(void))cb,
		.userdata = userdata,
		.ret_id = ret_id,
	};
	struct outgoing out;
	struct request call;
	int r;

	if (!cb)
		return -EINVAL;
	r = raw_start(&call, &out, REQUEST_ASYNC, proxy, request, options);
	if (r < 0)
		return r;
	r = request_async(&call, &model, options, ret_slot);
	if (r < 0)
		table_unsent(&out.table, call.t->ipc);
	return r;
}

int ipc_raw_call_async(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		       const struct ipc_options *options, ipc_raw_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	return raw_call_async(proxy, request, options, cb, userdata, /* ret_id= */ NULL, ret_slot);
}

int ipc_raw_oneway(struct ipc_proxy *proxy, const struct ipc_raw_message *message,
		   const struct ipc_options *options)
{
	struct outgoing out;
	struct request request;
	int r;

	r = raw_start(&request, &out, IPCBUS_SEND_ONEWAY, proxy, message, options);
	if (r < 0)
		return r;
	r = request_oneway(&request);
	if (r < 0)
		table_unsent(&out.table, request.t->ipc);
	return r;
}

/* --- Serving --------------------------------------------------------------------- */

/* In the memory of a call. */
struct raw_request {
	struct ipc_raw_message message;
	void *copy;
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
};

_Static_assert(sizeof(struct raw_request) <= CALL_BLOCK, "a call has memory for it");

static void request_done(struct ipc_call *call)
{
	struct raw_request *request = (struct raw_request *)call->block;

	release_entries(&request->message);
	free(request->copy);
}

int raw_receive(struct ipc_call *call, const struct ipcbus_event *event, bool copy,
		const struct ipc_raw_message **ret_message)
{
	struct raw_request *request = (struct raw_request *)call->block;

	copy = copy && call->size && !call->file.data;
	request->copy = copy ? malloc(call->size) : NULL;
	if (copy && !request->copy) {
		event_refuse(call->ipc, event);
		return -ENOMEM;
	}
	request->message = (struct ipc_raw_message){
		.method = call->code,
		.data = request->copy ? memcpy(request->copy, call->payload, call->size) :
					call->payload,
		.size = call->size,
		.entries = request->entries,
	};
	call->done = request_done;
	*ret_message = &request->message;
	return take_entries(&request->message, request->entries, call->ipc, event);
}

/* --- Replying -------------------------------------------------------------------- */

/* The bytes of a reply that waits for its handler's return are its thread's. */
static int gather(struct thread *t, const struct ipc_raw_message *message, size_t *ret_size)
{
	size_t size = message->size;
	uint8_t *at;

	for (size_t i = 0; i < message->n_parts; i++)
		size += message->parts[i].iov_len;
	if (thread_reserve(t, size) < 0)
		return -ENOMEM;
	at = t->scratch.data;
	if (message->size)
		memcpy(at, message->data, message->size);
	for (size_t i = 0; i < message->n_parts; i++)
		at = mempcpy(at, message->parts[i].iov_base, message->parts[i].iov_len);
	*ret_size = size;
	return 0;
}

static int reply_now(struct ipc_call *call, struct thread *t, const struct ipc_raw_message *reply)
{
	struct ipcbus_exchange x;
	struct outgoing out;
	int r;

	x.send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY };
	r = fill(&out, t, &x.send, reply, /* metadata= */ NULL);
	if (r < 0)
		return r;
	r = call_send_now(call, t, &x);
	if (r < 0)
		table_unsent(&out.table, call->ipc);
	return r;
}

int ipc_raw_reply(struct ipc_call *call, const struct ipc_raw_message *reply)
{
	struct thread *t;
	size_t size;
	int r;

	if (unlikely(!call || (reply && reply->method)))
		return -EINVAL;
	r = raw_check(reply, /* flags= */ 0);
	if (likely(r == 0))
		r = call_prepare_reply(call, &t);
	if (unlikely(r < 0))
		return r;
	if (unlikely(t->serving != call || reply->n_entries))
		return reply_now(call, t, reply);
	r = gather(t, reply, &size);
	return unlikely(r < 0) ? r : call_send(call, t, IPCBUS_SEND_REPLY, /* code= */ 0, size);
}

int ipc_raw_fail(struct ipc_call *call, int code, const void *data, size_t size)
{
	const struct ipc_raw_message explained = { .data = data, .size = size };
	struct thread *t;
	int r;

	if (code < 0 && code >= -ERRNO_MAX)
		code = -code;
	if (!call || code < 1 || code > ERRNO_MAX || (size && !data))
		return -EINVAL;
	r = call_prepare_reply(call, &t);
	if (r == 0)
		r = gather(t, &explained, &size);
	return r < 0 ? r : call_send(call, t, IPCBUS_SEND_ERROR, (uint32_t)code, size);
}
