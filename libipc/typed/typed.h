/* SPDX-License-Identifier: MIT */
/*
 * typed/: protobuf messages instead of bytes, and the functions that generated code calls. It uses
 * core/ through its headers, as raw.c does.
 *
 *   rpc.c         a stub's call: pack, send, wait, unpack
 *   serve.c       objects of generated code: method, handler
 *   served.c      the request of a served call, and its reply
 *   streams.c     streams of messages
 *   decode.c      bytes -> message, by its descriptor; arena.c its memory
 *   pack.c        message -> bytes, with large fields in place; encode.c by its descriptor
 *   memory.c      shared memory
 *   table.c       objects and fds in a message <-> entries; the walk that finds them
 *   introspect.c  the methods that every object has: ping, describe, dump
 *   name.c, name-*.c: names, by servicemanager's stub
 */
#ifndef IPC_TYPED_H
#define IPC_TYPED_H

#include "conn/slot.h"
#include "conn/thread.h"
#include "core/call.h"
#include "core/object.h"
#include "message.h"

#pragma GCC visibility push(default)
#include <ipc/rpc.h>
#pragma GCC visibility pop

/* An object of generated code. */
struct typed_object {
	struct ipc_object base;
	const struct ipc_interface *interface;
	const void *ops;
	ipc_dump_cb dump;	/* or NULL */
	const struct ipc_method *_Atomic last;	/* the method of the previous call, or NULL */
};

/* For open.c. */
extern const struct names_ops names_ops;

/* The object must be of this type. */
static inline struct typed_object *typed_object(struct ipc_object *object)
{
	return (struct typed_object *)object;
}

/* A program's table may have longer entries than ours. */
static inline const struct ipc_method *method_at(const struct ipc_interface *interface, size_t i)
{
	return (const struct ipc_method *)((const char *)interface->methods +
					   i * interface->method_size);
}

_Static_assert(IPC_METHOD_REPLY_OBJECTS == IPC_METHOD_REQUEST_OBJECTS << 1 &&
		       IPC_METHOD_REPLY_BYTES == IPC_METHOD_REQUEST_BYTES << 1,
	       "reply_flags()");

/* Maps the flags of a method's reply to the flags of a request. */
static inline uint32_t reply_flags(const struct ipc_method *method)
{
	return method->flags >> 1;
}

/* introspect.c: returns the method with this number that every object has, or NULL. */
const struct ipc_method *builtin_find(uint32_t number);

/* The request of a served call, in the memory of the call. */
struct typed_call {
	struct message request;
	uint64_t block[];	/* the first memory of the request's arena */
};

/* rpc.c: as ipc_rpc_call_async(), without a cb. The call has no slot. *ret_id is set under
 * ipc->lock before complete can run; device_cancel() takes it, and complete runs all the same. */
int rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		   const struct ipc_options *options, const ProtobufCMessage *message,
		   ipc_rpc_complete complete, void *userdata, uint64_t *ret_id);

/* streams.c: object_type.new_stream of typed objects. */
int typed_stream_new(struct ipc_call *call, uint32_t number, struct ipc_stream **ret_stream);

/*
 * Packs a small message by its codec into the thread's scratch buffer, which must not hold a
 * stashed reply, and makes that the content of *send. If there is no codec, if the codec cannot
 * pack the message, or without memory, returns false: the caller must use message_pack().
 */
static inline bool message_pack_small(struct thread *t, const struct ipc_codec *codec,
				      const ProtobufCMessage *message, struct ipcbus_send *send)
{
	uint8_t *data, *end;

	if (unlikely(!codec || message->n_unknown_fields ||
		     thread_reserve(t, IPC_CODEC_MAX) < 0))
		return false;
	data = t->scratch.data;
	end = codec->pack(message, data, data + IPC_CODEC_MAX);
	if (unlikely(!end))
		return false;
	send->data = (uintptr_t)data;
	send->data_size = (size_t)(end - data);
	return true;
}

/* Whether a codec may unpack the message of the event. */
static inline bool is_small(const struct ipcbus_event *event, const struct ipc_codec *codec)
{
	return likely(codec && event->data_size <= IPC_CODEC_MAX && !event->object_count);
}

/*
 * Unpacks a small message by its codec. On true, all of the message's memory is inside block. On
 * false, the caller must use message_init() and message_unpack().
 */
static inline bool message_unpack_small(struct message *message, const struct ipc_codec *codec,
					void *block, size_t block_size, const uint8_t *data,
					size_t size)
{
	uint8_t *memory = block;

	message->root = codec->unpack(data, data + size, &memory, memory + block_size);
	message->arena.chunks = NULL;
	message->claims = NULL;
	message->borrows = false;
	return likely(message->root != NULL);
}

#define TYPED_BLOCK	(CALL_BLOCK - offsetof(struct typed_call, block))

int typed_unpack_more(struct ipc_call *call, const struct ipcbus_event *event,
		      const struct ipc_method *method, ProtobufCMessage **ret_message);

/*
 * Unpacks the payload of the call as a request of the method, and binds objects to its
 * fields. The call owns the objects of the event, also on failure, and releases them at its end.
 * Fails as message_unpack() and claims_bind() do.
 */
static inline int typed_unpack(struct ipc_call *call, const struct ipcbus_event *event,
			       const struct ipc_method *method, ProtobufCMessage **ret_message)
{
	struct typed_call *typed = (struct typed_call *)call->block;
	const struct ipc_codec *codec = method->request_codec;

	if (!is_small(event, codec) ||
	    !message_unpack_small(&typed->request, codec, typed->block, TYPED_BLOCK,
				  call->payload, event->data_size))
		return typed_unpack_more(call, event, method, ret_message);
	*ret_message = typed->request.root;
	return 0;
}

#endif /* IPC_TYPED_H */
