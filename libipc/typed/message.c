// SPDX-License-Identifier: MIT
/*
 * Unpacking what a stranger sent. See message.h; called by rpc.c for
 * replies and by serve.c for requests. plain.c or protobuf-c does the work; here is
 * what these leave to their caller: a limit on memory, and one on recursion.
 */
#include <errno.h>

#include "borrow.h"
#include "core/frame.h"
#include "core/wire.h"
#include "message.h"
#include "plain.h"
#include "walk.h"

/* --- Depth -------------------------------------------------------------------- */

static int wire_depth(const ProtobufCMessageDescriptor *descriptor, struct wire wire,
		      unsigned int depth)
{
	const ProtobufCFieldDescriptor *known;
	struct wire_field field;
	int r;

	if (depth > MESSAGE_MAX_DEPTH)
		return -EBADMSG;

	while ((r = wire_next(&wire, &field)) > 0) {
		if (field.type != WIRE_BYTES)
			continue;
		/* A message, or bytes that do not matter here. */
		known = protobuf_c_message_descriptor_get_field(descriptor, field.number);
		if (!known || known->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		r = wire_depth(known->descriptor, field.bytes, depth + 1);
		if (r < 0)
			return r;
	}
	return r;
}

int wire_check_depth(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		     size_t size)
{
	return wire_depth(descriptor, wire_of(data, size), /* depth= */ 0);
}

/* --- Unpacking ---------------------------------------------------------------- */

static inline int unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
			 const uint8_t *data, size_t size)
{
	message->root = plain_unpack(descriptor, &message->arena, data, size);
	if (message->root)
		return 0;
	message->root = protobuf_c_message_unpack(descriptor, arena_allocator(&message->arena),
						  size, data);
	if (!message->root)
		return message->arena.error && message->arena.error != -EMSGSIZE ?
			       message->arena.error : -EBADMSG;
	return 0;
}

static __attribute__((noinline)) int unpack_borrowed(struct message *message,
						     const ProtobufCMessageDescriptor *descriptor,
						     const uint8_t *data, size_t size)
{
	struct cut cut;
	int r;

	if (!cut_init(&cut, descriptor, data, size))
		return unpack(message, descriptor, data, size);
	r = unpack(message, descriptor, cut.data, cut.size);
	cut_done(&cut);
	if (r < 0)
		return r;
	cut_bind(message->root, data, size);
	message->borrows = true;
	return 0;
}

int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   unsigned int how, const uint8_t *data, size_t size)
{
	int r;

	if (unlikely_frame(data, size)) {
		r = frame_parse(&message->frame, &data, &size);
		if (r < 0)
			return r;
		message->framed = true;
	}
	if (__builtin_expect(!how, 1))
		return unpack(message, descriptor, data, size);
	if (how & MESSAGE_RECURSIVE) {
		r = wire_check_depth(descriptor, data, size);
		if (r < 0)
			return r;
	}
	if (how & MESSAGE_BORROW)
		return unpack_borrowed(message, descriptor, data, size);
	return unpack(message, descriptor, data, size);
}
