// SPDX-License-Identifier: MIT
/*
 * Writes protobuf's wire format: see wire.h.
 */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

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

void wire_put_field(struct wire_buffer *buffer, uint32_t number, const void *data, size_t size)
{
	wire_put_tag(buffer, number, WIRE_BYTES);
	wire_put_value(buffer, WIRE_VARINT, size);
	wire_put(buffer, data, size);
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

char *wire_text(struct wire bytes)
{
	return strndup((const char *)bytes.at, (size_t)(bytes.end - bytes.at));
}
