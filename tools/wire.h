/* SPDX-License-Identifier: MIT */
/*
 * Protobuf's wire format: reads and writes the fields of a message. Input bytes may be damaged or
 * hostile.
 */
#ifndef IPCCTL_WIRE_H
#define IPCCTL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_64BIT = 1,
	WIRE_BYTES = 2,
	WIRE_GROUP = 3,
	WIRE_GROUP_END = 4,
	WIRE_32BIT = 5
};

/* The unread rest of a message. */
struct wire {
	const uint8_t *at;
	const uint8_t *end;
};

/**
 * struct wire_field - a field of a message
 * @number: its number
 * @type: its encoding (enum wire_type)
 * @value: its value, unless it is WIRE_BYTES or WIRE_GROUP
 * @bytes: the content of WIRE_BYTES, or the fields of a WIRE_GROUP
 * @n_read: number of fields that were read: the field and, for a group, all fields in it
 */
struct wire_field {
	uint32_t number;
	unsigned int type;
	uint64_t value;
	struct wire bytes;
	size_t n_read;
};

struct wire wire_of(const void *data, size_t size);

/* Reads the next field. A group with its end is one field. Returns 1; 0 at the end; -EBADMSG. */
int wire_next(struct wire *wire, struct wire_field *ret_field);

/* Reads the next packed value, which must not be WIRE_BYTES. If it is damaged, returns false. */
bool wire_value(struct wire *wire, unsigned int type, uint64_t *ret_value);

/* Convert a signed value to the varint of a sint, and back. */
static inline uint64_t wire_zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t wire_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ -(value & 1));
}

/**
 * struct wire_buffer - a message that is being written
 * @data: @size bytes in memory for @capacity; the owner must free it
 * @failed: memory was short, so later bytes are missing
 */
struct wire_buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool failed;
};

void wire_put(struct wire_buffer *buffer, const void *data, size_t size);
void wire_put_value(struct wire_buffer *buffer, unsigned int type, uint64_t value);
void wire_put_tag(struct wire_buffer *buffer, uint32_t number, unsigned int type);

/* Turns the bytes from begin to the end of the buffer into the content of a field, which is
 * WIRE_BYTES or a WIRE_GROUP. */
void wire_wrap(struct wire_buffer *buffer, size_t begin, uint32_t number, unsigned int type);

#endif
