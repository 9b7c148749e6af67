// SPDX-License-Identifier: MIT
/*
 * Messages for protobuf-c: see wire.h.
 */
#include <stdbool.h>

#include "../libipc/base/wire.h"
#include "text.h"
#include "wire.h"

/* Returns the message type of the field, or NULL. */
static const ProtobufCMessageDescriptor *
message_of(const ProtobufCMessageDescriptor *descriptor, const struct wire_field *field)
{
	const ProtobufCFieldDescriptor *known =
		protobuf_c_message_descriptor_get_field(descriptor, field->number);

	if (!known || known->type != PROTOBUF_C_TYPE_MESSAGE ||
	    field->type != WIRE_BYTES)
		return NULL;
	return known->descriptor;
}

static void put_varint(struct text *text, uint64_t value)
{
	char bytes[10];
	size_t n = 0;

	for (; value > 0x7f; value >>= 7)
		bytes[n++] = (char)(value | 0x80);
	bytes[n++] = (char)value;
	text_addn(text, bytes, n);
}

/* Copies the message without groups. If the bytes are malformed or messages nest deeper than depth,
 * returns false. */
static bool put_message(struct text *text, const ProtobufCMessageDescriptor *descriptor,
			struct wire wire, unsigned int depth)
{
	const uint8_t *begin = wire.at;
	struct wire_field field;
	int r;

	for (; (r = wire_next(&wire, &field)) > 0; begin = wire.at) {
		const ProtobufCMessageDescriptor *message = message_of(descriptor, &field);
		struct text nested = { 0 };

		if (field.type == WIRE_GROUP)
			continue;
		if (!message) {
			text_addn(text, (const char *)begin, (size_t)(wire.at - begin));
			continue;
		}
		if (!depth || !put_message(&nested, message, field.bytes, depth - 1)) {
			text_done(&nested);
			return false;
		}
		put_varint(text, (uint64_t)field.number << 3 | field.type);
		put_varint(text, nested.size);
		text_addn(text, nested.data ?: "", nested.size);
		text_done(&nested);
	}

	return r == 0;
}

void *wire_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
		  const uint8_t *data, size_t size)
{
	ProtobufCAllocator allocator = arena_allocator(arena);
	struct text text = { 0 };
	void *message = NULL;

	if (put_message(&text, descriptor, wire_of(data, size), WIRE_DEPTH_MAX))
		message = protobuf_c_message_unpack(descriptor, &allocator, text.size,
						    (const uint8_t *)(text.data ?: ""));
	text_done(&text);
	return message;
}
