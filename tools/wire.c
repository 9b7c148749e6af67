// SPDX-License-Identifier: MIT
/*
 * Protobuf's wire format: see wire.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

/* Maximum nesting of groups, as in libipc. */
#define MAX_GROUPS 100

struct wire wire_of(const void *data, size_t size)
{
	const uint8_t *at = data;

	return (struct wire){ at, at ? at + size : at };
}

/* --- Reading -------------------------------------------------------------------- */

static bool get_varint(struct wire *wire, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70 && wire->at != wire->end; shift += 7) {
		uint8_t byte = *wire->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static bool get_bytes(struct wire *wire, uint64_t size, struct wire *ret_bytes)
{
	if (size > (uint64_t)(wire->end - wire->at))
		return false;
	*ret_bytes = wire_of(wire->at, size);
	wire->at += size;
	return true;
}

bool wire_value(struct wire *wire, unsigned int type, uint64_t *ret_value)
{
	size_t size = type == WIRE_64BIT ? 8 : 4;
	struct wire bytes;

	if (type == WIRE_VARINT)
		return get_varint(wire, ret_value);
	if ((type != WIRE_64BIT && type != WIRE_32BIT) || !get_bytes(wire, size, &bytes))
		return false;
	*ret_value = 0;
	for (size_t i = 0; i < size; i++)
		*ret_value |= (uint64_t)bytes.at[i] << 8 * i;
	return true;
}

static bool get_tag(struct wire *wire, struct wire_field *field)
{
	uint64_t tag;

	if (!get_varint(wire, &tag) || tag > UINT32_MAX)
		return false;
	*field = (struct wire_field){ .number = (uint32_t)tag >> 3, .type = tag & 7, .n_read = 1 };
	return true;
}

/* Reads the content of a field that is not a group. */
static bool get_content(struct wire *wire, struct wire_field *field)
{
	if (field->type != WIRE_BYTES)
		return wire_value(wire, field->type, &field->value);
	return get_varint(wire, &field->value) && get_bytes(wire, field->value, &field->bytes);
}

static bool get_group(struct wire *wire, struct wire_field *group)
{
	uint32_t open[MAX_GROUPS];
	struct wire_field field;
	unsigned int n_open = 0;

	open[n_open++] = group->number;
	group->bytes.at = wire->at;
	while (n_open) {
		group->bytes.end = wire->at;
		if (!get_tag(wire, &field))
			return false;
		if (field.type == WIRE_GROUP_END) {
			if (field.number != open[--n_open])
				return false;
			continue;
		}
		group->n_read++;
		if (field.type != WIRE_GROUP) {
			if (!get_content(wire, &field))
				return false;
			continue;
		}
		if (n_open == MAX_GROUPS)
			return false;
		open[n_open++] = field.number;
	}
	return true;
}

int wire_next(struct wire *wire, struct wire_field *ret_field)
{
	bool valid;

	if (wire->at == wire->end)
		return 0;
	if (!get_tag(wire, ret_field))
		return -EBADMSG;
	valid = ret_field->type == WIRE_GROUP ? get_group(wire, ret_field) :
						get_content(wire, ret_field);
	return valid ? 1 : -EBADMSG;
}

/* --- Writing -------------------------------------------------------------------- */

void wire_put(struct wire_buffer *buffer, const void *data, size_t size)
{
	size_t capacity = (buffer->size + size) * 2;
	uint8_t *larger;

	if (!buffer->failed && buffer->size + size > buffer->capacity) {
		larger = realloc(buffer->data, capacity);
		buffer->failed = !larger;
		if (larger) {
			buffer->data = larger;
			buffer->capacity = capacity;
		}
	}
	if (buffer->failed || !size)
		return;
	memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

void wire_put_value(struct wire_buffer *buffer, unsigned int type, uint64_t value)
{
	size_t size = type == WIRE_64BIT ? 8 : 4, n = 0;
	uint8_t bytes[10];

	if (type == WIRE_VARINT) {
		for (; value > 0x7f; value >>= 7)
			bytes[n++] = value | 0x80;
		bytes[n++] = value;
	} else {
		for (; n < size; n++, value >>= 8)
			bytes[n] = value;
	}
	wire_put(buffer, bytes, n);
}

void wire_put_tag(struct wire_buffer *buffer, uint32_t number, unsigned int type)
{
	wire_put_value(buffer, WIRE_VARINT, (uint64_t)number << 3 | type);
}

void wire_wrap(struct wire_buffer *buffer, size_t begin, uint32_t number, unsigned int type)
{
	size_t end = buffer->size, head;
	uint8_t bytes[20];

	/* Append tag and length after the content, then move them before it. */
	wire_put_tag(buffer, number, type);
	if (type == WIRE_BYTES)
		wire_put_value(buffer, WIRE_VARINT, end - begin);
	if (buffer->failed)
		return;
	head = buffer->size - end;
	memcpy(bytes, buffer->data + end, head);
	memmove(buffer->data + begin + head, buffer->data + begin, end - begin);
	memcpy(buffer->data + begin, bytes, head);
	if (type == WIRE_GROUP)
		wire_put_tag(buffer, number, WIRE_GROUP_END);
}
