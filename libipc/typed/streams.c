// SPDX-License-Identifier: MIT
/* Streams of protobuf messages, for generated code: <ipc/rpc.h>. The engine is core/stream.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/entry.h"
#include "core/errors.h"
#include "core/object.h"
#include "core/proxy.h"
#include "core/stream.h"
#include "pack.h"
#include "typed.h"

/* The copy of a request that is sent when its stream is open. Holds its objects and files. */
struct kept {
	struct ipc_raw_message message;
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
	uint8_t data[];
};

struct typed_stream {
	struct ipc_stream base;
	struct ipc_method in;	/* describes received messages, as the request of a method */
	struct ipc_method out;	/* describes sent messages, likewise */
	struct kept *kept;	/* to send in place of the next message, or NULL */
	bool finished;		/* ipc_rpc_stream_finish() has returned the reply */
};

static struct typed_stream *typed_stream(struct ipc_stream *stream)
{
	return (struct typed_stream *)stream;
}

/* Describes the messages of a direction, the requests or the replies, as a oneway method. */
static void describe_direction(struct ipc_method *method, const struct ipc_method *of,
			       bool requests)
{
	*method = (struct ipc_method){
		.number = STREAM_MESSAGE,
		.flags = IPC_METHOD_ONEWAY |
			 ((requests ? of->flags : reply_flags(of)) &
			  (IPC_METHOD_REQUEST_OBJECTS | IPC_METHOD_REQUEST_BYTES)),
		.name = of->name,
		.request = requests ? of->request : of->reply,
		.reply = &ipc__none__descriptor,
		.request_codec = requests ? of->request_codec : of->reply_codec,
	};
}

static int typed_stream_unpack(struct ipc_stream *stream, struct ipc_call *call,
			       const struct ipcbus_event *event, const void **ret_message)
{
	const struct ipc_method *in = &typed_stream(stream)->in;
	ProtobufCMessage *message;
	int r;

	r = typed_unpack(call, event, in, &message);
	if (r < 0)
		return r;
	call->detached = true;
	*ret_message = message;
	return 0;
}

static size_t typed_stream_memory(const struct ipc_call *call)
{
	const struct typed_call *typed = (const struct typed_call *)call->block;

	return arena_memory(&typed->request.arena);
}

static int typed_stream_send(struct ipc_stream *stream, const void *message)
{
	const struct kept *kept = typed_stream(stream)->kept;

	if (unlikely(kept))
		return ipc_raw_oneway(stream->peer_data, &kept->message, /* options= */ NULL);
	return ipc_rpc_oneway_with(stream->peer_data, &typed_stream(stream)->out,
				   /* options= */ NULL, message);
}

static ssize_t measure(const ProtobufCMessage *message)
{
	struct encoder encoder = { .large_min = SIZE_MAX };
	int r = encode(&encoder, message);

	return r < 0 ? r : (ssize_t)encoder_measured(&encoder);
}

/* size: of measure() */
static int write_to(uint8_t *to, size_t size, const ProtobufCMessage *message)
{
	struct encoder encoder = { .data = to, .left = size, .large_min = SIZE_MAX };

	return encode(&encoder, message);
}

/* Packs a message without a codec, or a message that its codec cannot pack. Returns its size, or -1
 * if it has objects or does not fit. */
static __attribute__((noinline)) ssize_t
typed_stream_pack_other(const struct ipc_method *out, const void *message, uint8_t *to, size_t max)
{
	ssize_t size = out->flags & IPC_METHOD_REQUEST_OBJECTS ? -1 : measure(message);

	if (size < 0 || (size_t)size > max)
		return -1;
	return write_to(to, (size_t)size, message) < 0 ? -1 : size;
}

static ssize_t typed_stream_pack(const struct ipc_stream *stream, const void *message, uint8_t *to,
				 size_t max)
{
	const struct ipc_method *out = &((const struct typed_stream *)stream)->out;
	const ProtobufCMessage *base = message;
	uint8_t *end = NULL;

	if (likely(out->request_codec && !base->n_unknown_fields))
		end = out->request_codec->pack(message, to, to + max);
	return likely(end) ? end - to : typed_stream_pack_other(out, message, to, max);
}

static int typed_stream_handle(struct ipc_stream *stream, const void *request)
{
	const struct typed_object *service = typed_object(stream->service);

	return stream->of.method->open(stream, request, service->ops, service->base.userdata);
}

static void on_message(struct ipc_stream *stream, void *userdata)
{
	const void *message;

	if (stream_receive(stream, /* timeout_usec= */ 0, &message, NULL) > 0)
		((ipc_rpc_receive)stream->receive)(stream, message, (ipc_rpc_cb)stream->cb,
						   userdata);
}

static void kept_free(struct kept *kept)
{
	if (!kept)
		return;
	for (size_t i = 0; i < kept->message.n_entries; i++)
		entry_release(&kept->entries[i]);
	free(kept);
}

/* Ends the requests of a client that has sent its only request. */
static int end_requests(struct ipc_stream *stream)
{
	int r = ipc_stream_end(stream);

	/* The server may have ended the stream already, and its messages can be received. If it
	 * died, the first receive fails. */
	return r == -EOWNERDEAD ? 0 : r;
}

/* Sends the kept request. Its stream is the program's only afterwards. */
static int typed_stream_opened(struct ipc_stream *stream, int result)
{
	struct kept *kept = typed_stream(stream)->kept;

	if (!kept)
		return result;
	if (result == 0)
		result = stream_send(stream, /* timeout_usec= */ 0, kept);
	typed_stream(stream)->kept = NULL;
	kept_free(kept);
	return result == 0 ? end_requests(stream) : result;
}

static const struct stream_type typed = {
	.unpack = typed_stream_unpack,
	.memory = typed_stream_memory,
	.send = typed_stream_send,
	.pack = typed_stream_pack,
	.handle = typed_stream_handle,
	.opened = typed_stream_opened,
	.on_message = on_message,
};

/* Sets the limits of a client's side. The memory for waiting messages is STREAM_WINDOW messages of
 * the maximum size, each with 4096 bytes for its struct ipc_call, but at most
 * LIMIT_WAITING_BYTES. */
static void limit_messages(struct ipc_stream *stream, size_t size)
{
	stream->max_message = size;
	stream->max_waiting_bytes = LIMIT_WAITING_BYTES;
	if (size < LIMIT_WAITING_BYTES / STREAM_WINDOW - 4096)
		stream->max_waiting_bytes = STREAM_WINDOW * (size + 4096);
}

static int typed_stream_make(struct ipc *ipc, const struct ipc_method *method, bool server,
			     struct ipc_stream **ret_stream)
{
	struct stream_of of = {
		.type = &typed,
		.size = sizeof(struct typed_stream),
		.number = method->number,
		.name = method->name,
		.method = method,
		.timeout_usec = method->timeout_usec,
		.server = server,
		.defer = server && !(method->flags & IPC_METHOD_REQUEST_STREAM),
	};
	struct ipc_method in;
	int r;

	describe_direction(&in, method, server);
	/* Messages may wait for long. In the region they would use up the sender's quota. */
	in.flags |= IPC_METHOD_COPY;
	of.accept_fds = in.flags & (IPC_METHOD_REQUEST_OBJECTS | IPC_METHOD_REQUEST_BYTES);
	r = stream_new(ipc, &of, ret_stream);
	if (r < 0)
		return r;
	if (!server)
		limit_messages(*ret_stream, atomic_load_explicit(&ipc->message_max,
								 memory_order_relaxed));
	typed_stream(*ret_stream)->in = in;
	describe_direction(&typed_stream(*ret_stream)->out, method, !server);
	return 0;
}

/* Whether the program has set the method's handler. */
static bool has_handler(const struct typed_object *object, const struct ipc_method *method)
{
	void (*handler)(void);

	memcpy(&handler, (const char *)object->ops + method->handler, sizeof(handler));
	return handler;
}

int typed_stream_new(struct ipc_call *call, uint32_t number, struct ipc_stream **ret_stream)
{
	const struct typed_object *object = typed_object(call->object);
	const struct ipc_method *method = NULL;

	for (size_t i = 0; i < object->interface->n_methods; i++)
		if (method_at(object->interface, i)->number == number)
			method = method_at(object->interface, i);
	if (!method || !method->open)
		ipc_call_fail(call, EOPNOTSUPP, NULL, "%s has no stream with the number 0x%x",
			      object->interface->name, number);
	else if (!has_handler(object, method))
		ipc_call_fail(call, EOPNOTSUPP, NULL, "%s.%s is not implemented",
			      object->interface->name, method->name);
	else
		return typed_stream_make(call->ipc, method, /* server= */ true, ret_stream);
	return -EOPNOTSUPP;
}

int ipc_rpc_invoke_stream(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
			  void *userdata)
{
	(void)request, (void)ops, (void)userdata;
	return ipc_call_fail(call, EPROTO, NULL, "%s.%s is a stream: it is opened, not called",
			     call->object->interface, call->method->name);
}

/* Maximum time in microseconds for which the client waits for space for the request. */
#define REQUEST_USEC	5000000

static int open_with(struct ipc_stream *stream, struct ipc_proxy *proxy,
		     const struct ipc_options *options, const ProtobufCMessage *request,
		     struct ipc_error *error)
{
	const struct ipc_method *method = stream->of.method;
	int r;

	r = stream_open(stream, proxy, options, error);
	if (r < 0 || method->flags & IPC_METHOD_REQUEST_STREAM)
		return r;
	/* The request of a stream of replies is the only message of the other direction. */
	r = ipc_rpc_stream_send(stream, method, REQUEST_USEC, request);
	if (r < 0)
		return request_unsent(error, r, method, request);
	r = end_requests(stream);
	return r < 0 ? error_set(error, r) : 0;
}

static bool can_open(const struct ipc_proxy *proxy, const struct ipc_method *method,
		     const ProtobufCMessage *request)
{
	return proxy && proxy->ipc && method && method->open &&
	       !request == !!(method->flags & IPC_METHOD_REQUEST_STREAM);
}

int ipc_rpc_stream_open(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request,
			struct ipc_stream **ret_stream, struct ipc_error *error)
{
	struct ipc_stream *stream;
	int r;

	if (!ret_stream || !can_open(proxy, method, request))
		return error_set(error, -EINVAL);
	r = typed_stream_make(proxy->ipc, method, /* server= */ false, &stream);
	if (r < 0)
		return error_set(error, r);
	r = open_with(stream, proxy, options, request, error);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	*ret_stream = stream;
	return 0;
}

/* --- Opening without blocking -------------------------------------------------------------- */

struct keeper {
	struct visitor visitor;
	struct ipc *ipc;
	struct kept *kept;
};

static int keep(struct visitor *visitor, const struct ipc_raw_entry *entry)
{
	struct kept *kept = ((struct keeper *)visitor)->kept;

	kept->entries[kept->message.n_entries++] = *entry;
	return 0;
}

static bool is_full(const struct visitor *visitor)
{
	const struct keeper *keeper = (const struct keeper *)visitor;

	return keeper->kept->message.n_entries == IPC_RAW_ENTRIES_MAX;
}

static int keep_object(struct visitor *visitor, uint64_t *id)
{
	struct ipc_raw_entry entry = { .tag = *id };
	struct ipc *ipc = ((struct keeper *)visitor)->ipc;
	uint64_t taken = *id;
	int r;

	if (!*id)
		return 0;
	if (is_full(visitor))
		return -E2BIG;
	entry.type = id_is_object(*id) ? IPC_RAW_OBJECT : IPC_RAW_PROXY;
	if (entry.type == IPC_RAW_OBJECT)
		r = ipc_take_object(ipc, &taken, &entry.object);
	else
		r = ipc_take_proxy(ipc, &taken, &entry.proxy);
	return r < 0 ? r : keep(visitor, &entry);
}

static int keep_fd(struct visitor *visitor, int32_t *fd)
{
	struct ipc_raw_entry entry = { .tag = (uint64_t)*fd, .type = IPC_RAW_FD };

	if (is_full(visitor))
		return -E2BIG;
	entry.fd = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return entry.fd < 0 ? -errno : keep(visitor, &entry);
}

static int kept_new(struct ipc *ipc, const struct ipc_method *method,
		    const ProtobufCMessage *request, struct kept **ret_kept)
{
	struct keeper keeper = { .visitor = { .object = keep_object, .fd = keep_fd }, .ipc = ipc };
	ssize_t size = measure(request);
	struct kept *kept;
	int r;

	if (size < 0)
		return (int)size;
	kept = malloc(sizeof(*kept) + (size_t)size);
	if (!kept)
		return -ENOMEM;
	kept->message = (struct ipc_raw_message){
		.method = STREAM_MESSAGE,
		.data = kept->data,
		.size = (size_t)size,
		.entries = kept->entries,
	};
	keeper.kept = kept;
	r = write_to(kept->data, (size_t)size, request);
	if (r == 0 && method->flags & IPC_METHOD_REQUEST_OBJECTS)
		r = message_walk(request, &keeper.visitor);
	if (r < 0)
		kept_free(kept);
	else
		*ret_kept = kept;
	return r;
}

int ipc_rpc_stream_open_async(struct ipc_proxy *proxy, const struct ipc_method *method,
			      const struct ipc_options *options, const ProtobufCMessage *request,
			      ipc_stream_cb cb, void *userdata, struct ipc_slot **ret_slot)
{
	struct kept *kept = NULL;
	struct ipc_stream *stream;
	int r = 0;

	if (!cb || !can_open(proxy, method, request) ||
	    (request && request->descriptor != method->request))
		return -EINVAL;
	if (request)
		r = kept_new(proxy->ipc, method, request, &kept);
	if (r < 0)
		return message_unsent(r, method->name, request);
	r = typed_stream_make(proxy->ipc, method, /* server= */ false, &stream);
	if (r == 0) {
		typed_stream(stream)->kept = kept;
		r = stream_open_async(stream, proxy, options, cb, userdata, ret_slot);
		if (r < 0)
			ipc_stream_unref(stream);
	}
	if (r < 0)
		kept_free(kept);
	return r;
}

/* --- Sending and receiving ----------------------------------------------------------------- */

int ipc_rpc_stream_send(struct ipc_stream *stream, const struct ipc_method *method,
			uint64_t timeout_usec, const ProtobufCMessage *message)
{
	if (!stream || !method || stream->of.method != method || !message ||
	    message->descriptor != typed_stream(stream)->out.request)
		return -EINVAL;
	return stream_send(stream, timeout_usec, message);
}

int ipc_rpc_stream_receive(struct ipc_stream *stream, const struct ipc_method *method,
			   uint64_t timeout_usec, const ProtobufCMessage **ret_message,
			   struct ipc_error *error)
{
	const void *message;
	int r;

	if (!stream || !method || stream->of.method != method || !ret_message)
		return -EINVAL;
	r = stream_receive(stream, timeout_usec, &message, error);
	if (r > 0)
		*ret_message = message;
	return r;
}

int ipc_rpc_stream_finish(struct ipc_stream *stream, const struct ipc_method *method,
			  uint64_t timeout_usec, const ProtobufCMessage **ret_reply,
			  struct ipc_error *error)
{
	const ProtobufCMessage *reply = NULL;
	int r;

	if (!stream || !method || stream->of.method != method)
		return -EINVAL;
	if (typed_stream(stream)->finished)
		return error_set(error, -EALREADY);
	/* The end fails if the server has replied or failed before all requests were sent. The
	 * reply or the error is received all the same. */
	r = ipc_stream_end(stream);
	if (r == -ENOMEM)
		return error_set(error, r);
	r = ipc_rpc_stream_receive(stream, method, timeout_usec, &reply, error);
	if (r == 0)
		return error_set(error, -ENOMSG);
	if (r < 0)
		return r;
	typed_stream(stream)->finished = true;
	if (ret_reply)
		*ret_reply = reply;
	return 0;
}

int ipc_rpc_stream_reply(struct ipc_stream *stream, const struct ipc_method *method,
			 const ProtobufCMessage *reply)
{
	int r = ipc_rpc_stream_send(stream, method, /* timeout_usec= */ 0, reply);

	return r < 0 ? r : ipc_stream_end(stream);
}

int ipc_rpc_stream_set_ops(struct ipc_stream *stream, const struct ipc_method *method,
			   ipc_rpc_receive receive, ipc_rpc_cb cb,
			   const struct ipc_stream_ops *ops, void *userdata)
{
	if (!stream || !method || stream->of.method != method || !receive || !cb || !ops)
		return -EINVAL;
	return stream_set_ops(stream, ops, userdata, (void (*)(void))receive, (void (*)(void))cb);
}
