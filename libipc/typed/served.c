// SPDX-License-Identifier: MIT
/* The request of a served call, and its reply. */
#include <errno.h>

#include "core/request.h"
#include "pack.h"
#include "table.h"
#include "typed.h"

static void release_request(struct ipc_call *call)
{
	struct message *request = &((struct typed_call *)call->block)->request;

	claims_release(request);
	message_done(request);
}

__attribute__((noinline)) int typed_unpack_more(struct ipc_call *call,
						const struct ipcbus_event *event,
						const struct ipc_method *method,
						ProtobufCMessage **ret_message)
{
	struct typed_call *typed = (struct typed_call *)call->block;
	struct message *request = &typed->request;
	bool borrow;
	int r;

	message_init(request, typed->block, TYPED_BLOCK, call->size);
	call->done = release_request;
	r = claims_take(request, call->ipc, event);
	if (unlikely(r < 0))
		return r;
	/* The call holds its buffer or file for as long as the request, which lies in its memory.
	 * A program may write to the mapping of a file, so that needs no copy. */
	borrow = call->file.data || (unlikely(call->size >= BORROW_MIN) &&
				     method->flags & IPC_METHOD_REQUEST_BYTES &&
				     !(method->flags & IPC_METHOD_COPY));
	r = message_unpack(request, method->request, borrow, call->payload, call->size);
	if (r == 0 && method->flags & IPC_METHOD_REQUEST_OBJECTS)
		r = claims_bind(call->ipc, request);
	/* No field can take objects: release them instead of holding them while the call is
	 * kept. */
	else if (unlikely(request->claims))
		claims_release(request);
	*ret_message = request->root;
	return r;
}

/* The generic path, for a reply without a codec, or that its codec cannot pack. If the reply has
 * objects, or large bytes that the handler may free, it is sent at once. Otherwise it may be
 * stashed. */
static __attribute__((noinline)) int reply_other(struct ipc_call *call, struct thread *t,
						 const ProtobufCMessage *reply)
{
	size_t min = t->serving == call ? GATHER_REPLY_MIN : GATHER_MIN;
	struct ipcbus_exchange x;
	struct packed packed;
	int r;

	x.send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY };
	r = message_pack(&packed, t, reply, reply_flags(call->method), /* metadata= */ NULL, min,
			 &x.send);
	if (r < 0)
		return message_unsent(r, call->method->name, reply);
	if (!packed.table.n && !x.send.iov_count)
		return call_send(call, t, IPCBUS_SEND_REPLY, /* code= */ 0, x.send.data_size);
	r = call_send_now(call, t, &x);
	if (r < 0)
		table_unsent(&packed.table, call->ipc);
	return r;
}

int ipc_rpc_reply(struct ipc_call *call, const struct ipc_method *method,
		  const ProtobufCMessage *reply)
{
	struct ipcbus_send send;
	struct thread *t;
	int r;

	if (unlikely(!call || !method || method != call->method || !reply ||
		     reply->descriptor != method->reply))
		return -EINVAL;

	r = call_prepare_reply(call, &t);
	if (r < 0)
		return r;
	if (likely(message_pack_small(t, method->reply_codec, reply, &send)))
		return call_send(call, t, IPCBUS_SEND_REPLY, /* code= */ 0, send.data_size);
	return reply_other(call, t, reply);
}
