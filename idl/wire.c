// SPDX-License-Identifier: MIT
/*
 * The protobuf wire format: a cursor over bytes that never leaves them.
 */
#include "wire.h"

struct wire_field {
	uint32_t number;
	unsigned int type;
	const uint8_t *data; /* past the tag and the length, if it has one */
	size_t size;
};

struct wire_cursor {
	const uint8_t *data;
	size_t size;
};

static bool cursor_skip(struct wire_cursor *cursor, uint64_t count)
{
	if (count > cursor->size)
		return false;

	cursor->data += count;
	cursor->size -= count;
	return true;
}

static bool cursor_varint(struct wire_cursor *cursor, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (!cursor->size)
			return false;

		byte = *cursor->data;
		cursor_skip(cursor, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}

	return false;
}

static bool cursor_content(struct wire_cursor *cursor, unsigned int type)
{
	uint64_t value;

	switch (type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		return cursor_varint(cursor, &value);
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		return cursor_skip(cursor, 8);
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		return cursor_skip(cursor, 4);
	default:
		return false;
	}
}

static bool cursor_next(struct wire_cursor *cursor, struct wire_field *ret_field)
{
	struct wire_field field;
	uint64_t tag, length;

	if (!cursor_varint(cursor, &tag) || tag >> 3 == 0 || tag >> 3 > (1U << 29) - 1)
		return false;

	field.number = (uint32_t)(tag >> 3);
	field.type = tag & 7;
	if (field.type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
		if (!cursor_varint(cursor, &length))
			return false;
		field.data = cursor->data;
		if (!cursor_skip(cursor, length))
			return false;
	} else {
		field.data = cursor->data;
		if (!cursor_content(cursor, field.type))
			return false;
	}

	field.size = (size_t)(cursor->data - field.data);
	*ret_field = field;
	return true;
}

bool wire_is_sound(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		   size_t size, unsigned int depth)
{
	struct wire_cursor cursor = { data, size };
	struct wire_field field;

	while (cursor.size) {
		const ProtobufCFieldDescriptor *known;

		if (!cursor_next(&cursor, &field))
			return false;

		known = protobuf_c_message_descriptor_get_field(descriptor, field.number);
		if (!known || known->type != PROTOBUF_C_TYPE_MESSAGE ||
		    field.type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
			continue;

		if (!depth || !wire_is_sound(known->descriptor, field.data, field.size, depth - 1))
			return false;
	}

	return true;
}
