// SPDX-License-Identifier: MIT
/*
 * The protobuf wire format: a cursor that never leaves its bytes.
 */
#include <stdbool.h>

#include "text.h"
#include "wire.h"

/* protobuf-c does not define these. */
#define WIRE_START_GROUP 3
#define WIRE_END_GROUP	 4

struct wire_field {
	uint32_t number;
	unsigned int type;
	const uint8_t *data; /* of a field with a length */
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

static bool cursor_tag(struct wire_cursor *cursor, struct wire_field *field)
{
	uint64_t tag;

	if (!cursor_varint(cursor, &tag) || tag >> 3 == 0 || tag >> 3 > (1U << 29) - 1)
		return false;

	field->number = (uint32_t)(tag >> 3);
	field->type = tag & 7;
	return true;
}

/* Reads the content of a field that is not a group. */
static bool cursor_content(struct wire_cursor *cursor, struct wire_field *field)
{
	uint64_t value;

	switch (field->type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		return cursor_varint(cursor, &value);
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		return cursor_skip(cursor, 8);
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		return cursor_skip(cursor, 4);
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		if (!cursor_varint(cursor, &value))
			return false;
		field->data = cursor->data;
		field->size = (size_t)value;
		return cursor_skip(cursor, value);
	default:
		return false;
	}
}

static bool cursor_group(struct wire_cursor *cursor, uint32_t number)
{
	uint32_t open[WIRE_DEPTH_MAX];
	struct wire_field field;
	size_t n_open = 0;

	open[n_open++] = number;
	while (n_open) {
		if (!cursor_tag(cursor, &field))
			return false;
		if (field.type == WIRE_END_GROUP) {
			if (field.number != open[--n_open])
				return false;
		} else if (field.type == WIRE_START_GROUP) {
			if (n_open == WIRE_DEPTH_MAX)
				return false;
			open[n_open++] = field.number;
		} else if (!cursor_content(cursor, &field)) {
			return false;
		}
	}

	return true;
}

static bool cursor_next(struct wire_cursor *cursor, struct wire_field *ret_field)
{
	return cursor_tag(cursor, ret_field) &&
	       (ret_field->type == WIRE_START_GROUP ? cursor_group(cursor, ret_field->number) :
						      cursor_content(cursor, ret_field));
}

/* Returns the message type of the field, or NULL. */
static const ProtobufCMessageDescriptor *
message_of(const ProtobufCMessageDescriptor *descriptor, const struct wire_field *field)
{
	const ProtobufCFieldDescriptor *known =
		protobuf_c_message_descriptor_get_field(descriptor, field->number);

	if (!known || known->type != PROTOBUF_C_TYPE_MESSAGE ||
	    field->type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
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
			struct wire_cursor cursor, unsigned int depth)
{
	const uint8_t *begin = cursor.data;
	struct wire_field field;

	for (; cursor.size; begin = cursor.data) {
		const ProtobufCMessageDescriptor *message;
		struct text nested = { 0 };

		if (!cursor_next(&cursor, &field))
			return false;
		message = message_of(descriptor, &field);
		if (field.type == WIRE_START_GROUP)
			continue;
		if (!message) {
			text_addn(text, (const char *)begin, (size_t)(cursor.data - begin));
			continue;
		}
		if (!depth || !put_message(&nested, message,
					   (struct wire_cursor){ field.data, field.size },
					   depth - 1)) {
			text_done(&nested);
			return false;
		}
		put_varint(text, (uint64_t)field.number << 3 | field.type);
		put_varint(text, nested.size);
		text_addn(text, nested.data ?: "", nested.size);
		text_done(&nested);
	}

	return true;
}

void *wire_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
		  const uint8_t *data, size_t size)
{
	ProtobufCAllocator allocator = arena_allocator(arena);
	struct text text = { 0 };
	void *message = NULL;

	if (put_message(&text, descriptor, (struct wire_cursor){ data, size }, WIRE_DEPTH_MAX))
		message = protobuf_c_message_unpack(descriptor, &allocator, text.size,
						    (const uint8_t *)(text.data ?: ""));
	text_done(&text);
	return message;
}
