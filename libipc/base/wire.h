/* SPDX-License-Identifier: MIT */
/*
 * Protobuf's wire format, field by field, so that core/ needs no protobuf library for ipc.Error and
 * the messages of streams (ipc.proto). ipcctl, ipc-gateway and protoc-gen-ipc use it as well.
 * Received bytes are not trusted.
 */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_VARINT	0
#define WIRE_64BIT	1
#define WIRE_BYTES	2
#define WIRE_GROUP	3
#define WIRE_GROUP_END	4
#define WIRE_32BIT	5

/* Maximum nesting of groups. */
#define WIRE_MAX_GROUPS	100

/* A position in the bytes of a message. */
struct wire {
	const uint8_t *at;
	const uint8_t *end;
};

struct wire_field {
	uint32_t number;
	unsigned int type;	/* WIRE_* */
	uint64_t value;		/* the number */
	struct wire bytes;	/* the content of WIRE_BYTES, or the fields of a WIRE_GROUP */
	size_t n_read;		/* fields read: 1, plus all fields inside a WIRE_GROUP */
};

/* Takes a varint, and ignores bits above the 64th. Returns false if the bytes end too early, or if
 * the varint has more than ten bytes. */
static inline bool wire_take_number(struct wire *wire, uint64_t *ret_value)
{
	uint64_t value = 0;
	uint8_t byte;

	if (__builtin_expect(wire->at < wire->end && *wire->at < 0x80, 1)) {
		*ret_value = *wire->at++;
		return true;
	}
	for (unsigned int shift = 0; shift < 70 && wire->at < wire->end; shift += 7) {
		byte = *wire->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* Takes a piece of that size. Returns false if fewer bytes are left. */
static inline bool wire_take_piece(struct wire *wire, uint64_t size, struct wire *ret_piece)
{
	if (size > (uint64_t)(wire->end - wire->at))
		return false;
	*ret_piece = (struct wire){ wire->at, wire->at + size };
	wire->at += size;
	return true;
}

/* Takes a tag, of up to five bytes, of which bits above the 32nd do not count. No field has the
 * number 0. */
static inline bool wire_take_tag(struct wire *wire, uint32_t *ret_tag)
{
	const uint8_t *start = wire->at;
	uint64_t tag;

	if (!wire_take_number(wire, &tag) || wire->at - start > 5)
		return false;
	*ret_tag = (uint32_t)tag;
	return *ret_tag >> 3;
}

/* Takes a size, of up to five bytes, and the bytes of that size. */
static inline bool wire_take_sized(struct wire *wire, struct wire *ret_piece)
{
	const uint8_t *start = wire->at;
	uint64_t size;

	return wire_take_number(wire, &size) && wire->at - start <= 5 && size <= INT32_MAX &&
	       wire_take_piece(wire, size, ret_piece);
}

static inline size_t wire_size(const struct wire *wire)
{
	return (size_t)(wire->end - wire->at);
}

/* Takes a value of type WIRE_VARINT, WIRE_64BIT or WIRE_32BIT. Returns false if it is damaged. */
static inline bool wire_take_value(struct wire *wire, unsigned int type, uint64_t *ret_value)
{
	struct wire bytes;
	uint32_t narrow;
	uint64_t wide;

	if (__builtin_expect(type == WIRE_VARINT, 1))
		return wire_take_number(wire, ret_value);
	if (type == WIRE_64BIT && wire_take_piece(wire, sizeof(wide), &bytes)) {
		memcpy(&wide, bytes.at, sizeof(wide));
		*ret_value = le64toh(wide);
		return true;
	}
	if (type == WIRE_32BIT && wire_take_piece(wire, sizeof(narrow), &bytes)) {
		memcpy(&narrow, bytes.at, sizeof(narrow));
		*ret_value = le32toh(narrow);
		return true;
	}
	return false;
}

/* Reads the next field. A group with its end is one field. Returns 1, 0 at the end, or -EBADMSG.
 * ret_field->bytes point into the message. */
int wire_next(struct wire *wire, struct wire_field *ret_field);
/* Skips a field whose tag was taken. Fails if its groups nest deeper than max_groups, which must be
 * at most WIRE_MAX_GROUPS. */
bool wire_skip(struct wire *wire, uint32_t tag, unsigned int max_groups);

/* Reads the fields of a message with the numbers 1 to n - 1, which must have these types (WIRE_*),
 * and skips others. If a field is repeated, the last value counts. A missing field has the number
 * 0. Returns 0 or -EBADMSG. */
int wire_fields(struct wire message, const uint8_t *types, uint32_t n, struct wire_field *ret);

static inline struct wire wire_of(const void *data, size_t size)
{
	const uint8_t *at = data;

	return (struct wire){ .at = at, .end = at ? at + size : at };
}

/* Encode and decode sint32 and sint64, whose small negative numbers take a single byte. The caller
 * must truncate a received sint32 to 32 bits before it is decoded. */
static inline uint64_t wire_zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t wire_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ -(value & 1));
}

/* Maximum bytes of a field besides its contents. */
#define WIRE_FIELD_MAX	16

/* Each function writes a field and returns the address of the next field. to must have space for
 * WIRE_FIELD_MAX bytes and, for wire_put_bytes(), size more. */
uint8_t *wire_put_number(uint8_t *to, uint32_t number, uint64_t value);
uint8_t *wire_put_fixed64(uint8_t *to, uint32_t number, uint64_t value);
uint8_t *wire_put_bytes(uint8_t *to, uint32_t number, const void *data, size_t size);

/* Returns the size of the UTF-8 character at c, or 0 if the bytes before end begin with no such
 * character, or with NUL. c must be before end. */
size_t utf8_size(const uint8_t *c, const uint8_t *end);

#endif /* IPC_WIRE_H */
