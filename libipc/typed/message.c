// SPDX-License-Identifier: MIT
/*
 * Unpacking what a stranger sent. See message.h; called by client.c for
 * replies and by dispatch.c for requests. protobuf-c does the work; here is
 * what it leaves to its caller: a limit on memory, and one on recursion.
 */
#include <errno.h>

#include "frame.h"
#include "message.h"
#include "walk.h"

/* --- Depth -------------------------------------------------------------------- */

/* A position in the bytes of one message. */
struct wire {
	const uint8_t *at;
	const uint8_t *end;
};

static int wire_varint(struct wire *wire, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (wire->at == wire->end)
			return -EBADMSG;
		byte = *wire->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return 0;
		}
	}
	return -EBADMSG;
}

static int wire_skip(struct wire *wire, uint64_t size)
{
	if (size > (uint64_t)(wire->end - wire->at))
		return -EBADMSG;
	wire->at += size;
	return 0;
}

static int wire_depth(const ProtobufCMessageDescriptor *descriptor, struct wire wire,
		      unsigned int depth);

/* A length-delimited field: a message, or bytes that do not matter here. */
static int wire_depth_field(const ProtobufCMessageDescriptor *descriptor, uint32_t number,
			    struct wire *wire, unsigned int depth)
{
	const ProtobufCFieldDescriptor *field;
	struct wire inner;
	uint64_t size;
	int r;

	r = wire_varint(wire, &size);
	if (r < 0)
		return r;

	inner.at = wire->at;
	r = wire_skip(wire, size);
	if (r < 0)
		return r;
	inner.end = wire->at;

	field = protobuf_c_message_descriptor_get_field(descriptor, number);
	if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	return wire_depth(field->descriptor, inner, depth + 1);
}

static int wire_depth(const ProtobufCMessageDescriptor *descriptor, struct wire wire,
		      unsigned int depth)
{
	uint64_t value;
	uint64_t tag;
	int r;

	if (depth > MESSAGE_MAX_DEPTH)
		return -EBADMSG;

	while (wire.at < wire.end) {
		r = wire_varint(&wire, &tag);
		if (r < 0)
			return r;
		if (tag > UINT32_MAX)
			return -EBADMSG;

		switch (tag & 7) {
		case PROTOBUF_C_WIRE_TYPE_VARINT:
			r = wire_varint(&wire, &value);
			break;
		case PROTOBUF_C_WIRE_TYPE_64BIT:
			r = wire_skip(&wire, 8);
			break;
		case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
			r = wire_depth_field(descriptor, (uint32_t)tag >> 3, &wire, depth);
			break;
		case PROTOBUF_C_WIRE_TYPE_32BIT:
			r = wire_skip(&wire, 4);
			break;
		default:
			r = -EBADMSG;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int wire_check_depth(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		     size_t size)
{
	return wire_depth(descriptor, (struct wire){ .at = data, .end = data + size },
			  /* depth= */ 0);
}

/* --- Unpacking ---------------------------------------------------------------- */

int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   bool recursive, const uint8_t *data, size_t size)
{
	int r;

	if (unlikely_frame(data, size)) {
		r = frame_parse(&message->frame, &data, &size);
		if (r < 0)
			return r;
		message->framed = true;
	}
	if (recursive) {
		r = wire_check_depth(descriptor, data, size);
		if (r < 0)
			return r;
	}

	message->root = protobuf_c_message_unpack(descriptor, &message->arena.allocator, size,
						  data);
	if (!message->root)
		return message->arena.error == -ENOMEM ? -ENOMEM : -EBADMSG;
	return 0;
}
