/* SPDX-License-Identifier: MIT */
/*
 * The part of protobuf's wire format that the library's own messages need: ipc.Error and
 * those of streams (ipc.proto). With it core/ needs no protobuf library. Received bytes are
 * not trusted.
 */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* Wire types. */
#define WIRE_VARINT	0
#define WIRE_64BIT	1
#define WIRE_BYTES	2
#define WIRE_32BIT	5

/* A position in the bytes of one message. */
struct wire {
	const uint8_t *at;
	const uint8_t *end;
};

struct wire_field {
	uint32_t number;
	unsigned int type;	/* WIRE_* */
	uint64_t value;		/* the number; of WIRE_BYTES the size */
	struct wire bytes;	/* of WIRE_BYTES; else not set */
};

/* Reads the next field. Returns 1, 0 at the end, or -EBADMSG. ret_field->bytes then lie in
 * the message. */
int wire_next(struct wire *wire, struct wire_field *ret_field);

static inline struct wire wire_of(const void *data, size_t size)
{
	const uint8_t *at = data;

	return (struct wire){ .at = at, .end = at + size };
}

/* Encode and decode sint32, whose small negative numbers take one byte. */
static inline uint32_t wire_zigzag(int32_t value)
{
	return (uint32_t)value << 1 ^ (uint32_t)(value >> 31);
}

static inline int32_t wire_unzigzag(uint64_t value)
{
	return (int32_t)((uint32_t)value >> 1 ^ -((uint32_t)value & 1));
}

/* The most bytes that one field takes besides its contents. */
#define WIRE_FIELD_MAX	16

/* Each function writes one field and returns where the next one begins. to must have space
 * for WIRE_FIELD_MAX bytes and, for wire_put_bytes(), size more. */
uint8_t *wire_put_number(uint8_t *to, uint32_t number, uint64_t value);
uint8_t *wire_put_fixed64(uint8_t *to, uint32_t number, uint64_t value);
uint8_t *wire_put_bytes(uint8_t *to, uint32_t number, const void *data, size_t size);

#endif /* IPC_WIRE_H */
