/* SPDX-License-Identifier: MIT */
/*
 * The decoder: makes protobuf-c's structures of the bytes of a message, led by the descriptor.
 *
 * It accepts and refuses the bytes that protobuf's own implementation accepts and refuses, where
 * protobuf-c's decoder does not. A second occurrence of a field is merged; a known field with
 * another wire type, and a group, become unknown fields. Three differences are left, because of
 * protobuf-c's structures: a string with a NUL byte is refused, a string of a proto2 file must be
 * UTF-8 as well, and the enums of proto2 files are open.
 */
#ifndef IPC_DECODE_H
#define IPC_DECODE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/*
 * Received bytes that stay where they are: a field of type bytes that has at least so many bytes,
 * and is no small part of the payload, which it occupies.
 */
#define BORROW_MIN	((size_t)4 << 10)
#define BORROW_SHARE	32

/* The wire type of the values of a protobuf type, and the size of a member or element in C. */
struct field_kind {
	uint8_t wire_type;
	uint8_t size;
};

extern const struct field_kind field_kinds[];

struct decoder {
	struct arena *arena;
	size_t borrow_min;	/* bytes of a field that stays in the payload; SIZE_MAX: none */
	bool borrows;		/* set if a field stays there */
	bool requires;		/* set if a message has required fields */
};

static inline size_t decode_borrow_min(size_t payload_size)
{
	size_t share = payload_size / BORROW_SHARE;

	return share > BORROW_MIN ? share : BORROW_MIN;
}

/*
 * Decodes a message, which is the first allocation in the arena. Returns NULL if the bytes are not
 * a message of this type, if they nest deeper than MESSAGE_MAX_DEPTH, or if the arena has no
 * memory; then arena->error is set.
 */
ProtobufCMessage *decode(struct decoder *decoder, const ProtobufCMessageDescriptor *descriptor,
			 const uint8_t *data, size_t size);

/* Whether this is UTF-8 without NUL bytes, as C's strings are. */
bool text_is_valid(const char *text, size_t size);

#endif /* IPC_DECODE_H */
