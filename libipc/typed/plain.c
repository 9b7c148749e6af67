// SPDX-License-Identifier: MIT
/*
 * Plain messages: see plain.h. Called by message.c for what arrives, and by rpc.c and serve.c
 * for what is sent. libipc/tests/test-plain.c compares all of it with protobuf-c.
 *
 * The bytes are a stranger's. What is not exactly what follows is left to protobuf-c, errors
 * too: known fields with the wire type of their type, and tags and sizes of up to two bytes.
 */
#include <endian.h>
#include <string.h>

#include "core/private.h"
#include "core/wire.h"
#include "plain.h"
#include "walk.h"

/* --- Unpacking ------------------------------------------------------------------------ */

/* Like arena_alloc(), but the arena does not grow. */
static inline void *take_memory(struct arena *arena, size_t size)
{
	size_t aligned = (size + 7) & ~(size_t)7;
	void *piece = arena->next;

	if (unlikely(size > arena->budget || aligned > (size_t)(arena->end - arena->next)))
		return NULL;
	arena->budget -= aligned < arena->budget ? aligned : arena->budget;
	arena->next += aligned;
	return piece;
}

/* Bits above the 64th do not count. */
static inline bool take_number(struct wire *wire, uint64_t *ret_value)
{
	uint64_t value = 0;
	uint8_t byte;

	for (unsigned int shift = 0; shift < 70 && wire->at < wire->end; shift += 7) {
		byte = *wire->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (likely(byte < 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* Of up to two bytes, as a tag or the size of a field has. */
static inline bool take_short(struct wire *wire, unsigned int *ret_value)
{
	unsigned int value;

	if (unlikely(wire->at == wire->end))
		return false;
	value = *wire->at++;
	if (unlikely(value >= 0x80)) {
		if (wire->at == wire->end || *wire->at >= 0x80)
			return false;
		value = (value & 0x7f) | (unsigned int)*wire->at++ << 7;
	}
	*ret_value = value;
	return true;
}

static inline bool take_fixed(struct wire *wire, void *to, size_t size)
{
	uint32_t small;
	uint64_t large;

	if (size > (size_t)(wire->end - wire->at))
		return false;
	if (size == sizeof(small)) {
		memcpy(&small, wire->at, size);
		small = le32toh(small);
		memcpy(to, &small, size);
	} else {
		memcpy(&large, wire->at, size);
		large = le64toh(large);
		memcpy(to, &large, size);
	}
	wire->at += size;
	return true;
}

/* A string has a zero behind it. */
static inline uint8_t *take_bytes(struct wire *wire, struct arena *arena, size_t extra,
				  size_t *ret_size)
{
	unsigned int size;
	uint8_t *bytes;

	if (!take_short(wire, &size) || size > (size_t)(wire->end - wire->at))
		return NULL;
	bytes = take_memory(arena, size + extra);
	if (!bytes)
		return NULL;
	memcpy(bytes, wire->at, size);
	wire->at += size;
	*ret_size = size;
	return bytes;
}

static bool take_text(struct wire *wire, struct arena *arena, void *member)
{
	uint8_t *bytes;
	size_t size;

	bytes = take_bytes(wire, arena, 1, &size);
	if (!bytes)
		return false;
	bytes[size] = 0;
	memcpy(member, &bytes, sizeof(bytes));
	return true;
}

static bool take_data(struct wire *wire, struct arena *arena, ProtobufCBinaryData *member)
{
	uint8_t *bytes;
	size_t size;

	bytes = take_bytes(wire, arena, 0, &size);
	if (!bytes)
		return false;
	member->data = size ? bytes : NULL;
	member->len = size;
	return true;
}

static bool take_varint(struct wire *wire, ProtobufCType type, void *member)
{
	uint64_t value;
	uint32_t small;

	if (!take_number(wire, &value))
		return false;
	switch (type) {
	case PROTOBUF_C_TYPE_SINT32:
		value = (uint32_t)wire_unzigzag(value);
		break;
	case PROTOBUF_C_TYPE_SINT64:
		value = value >> 1 ^ -(value & 1);
		break;
	default:
		break;
	}
	if (type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 ||
	    type == PROTOBUF_C_TYPE_UINT64) {
		memcpy(member, &value, sizeof(value));
	} else {
		small = (uint32_t)value;
		memcpy(member, &small, sizeof(small));
	}
	return true;
}

static bool take_value(struct wire *wire, struct arena *arena, unsigned int wire_type,
		       ProtobufCType type, void *member)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_ENUM:
		return wire_type == WIRE_VARINT && take_varint(wire, type, member);
	case PROTOBUF_C_TYPE_BOOL:
		/* protobuf-c also looks at bits that do not count for a number. */
		return wire_type == WIRE_VARINT && wire->at < wire->end && *wire->at <= 1 &&
		       take_varint(wire, type, member);
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return wire_type == WIRE_32BIT && take_fixed(wire, member, sizeof(uint32_t));
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return wire_type == WIRE_64BIT && take_fixed(wire, member, sizeof(uint64_t));
	case PROTOBUF_C_TYPE_STRING:
		return wire_type == WIRE_BYTES && take_text(wire, arena, member);
	case PROTOBUF_C_TYPE_BYTES:
		return wire_type == WIRE_BYTES && take_data(wire, arena, member);
	default:
		return false;
	}
}

/* Mostly the fields of a message have the numbers from 1 on. */
static inline const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *descriptor, unsigned int number)
{
	unsigned int i = number - 1;

	if (likely(i < descriptor->n_fields && descriptor->fields[i].id == number))
		return &descriptor->fields[i];
	return protobuf_c_message_descriptor_get_field(descriptor, number);
}

static bool take_field(struct wire *wire, struct arena *arena,
		       const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field;
	char *at = (char *)message;
	unsigned int tag;

	if (!take_short(wire, &tag))
		return false;
	field = find_field(descriptor, tag >> 3);
	if (!field || field->label == PROTOBUF_C_LABEL_REPEATED ||
	    field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return false;
	if (!take_value(wire, arena, tag & 7, field->type, at + field->offset))
		return false;
	if (field->quantifier_offset)
		*(protobuf_c_boolean *)(at + field->quantifier_offset) = 1;
	return true;
}

/* Fields that have to be there. Where one field has no label, no other has that one. */
static inline bool has_required(const ProtobufCMessageDescriptor *descriptor)
{
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		if (descriptor->fields[i].label == PROTOBUF_C_LABEL_NONE)
			return false;
		if (descriptor->fields[i].label == PROTOBUF_C_LABEL_REQUIRED)
			return true;
	}
	return false;
}

ProtobufCMessage *plain_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
			       const uint8_t *data, size_t size)
{
	struct wire wire = wire_of(data, size);
	size_t budget = arena->budget;
	uint8_t *next = arena->next;
	ProtobufCMessage *message;

	if (unlikely(size > PLAIN_MAX || !descriptor->message_init || has_required(descriptor)))
		return NULL;
	message = take_memory(arena, descriptor->sizeof_message);
	if (unlikely(!message))
		return NULL;
	descriptor->message_init(message);
	while (wire.at < wire.end) {
		if (likely(take_field(&wire, arena, descriptor, message)))
			continue;
		arena->budget = budget;
		arena->next = next;
		return NULL;
	}
	return message;
}

/* --- Packing -------------------------------------------------------------------------- */

static inline uint8_t *put_number(uint8_t *to, uint64_t value)
{
	while (unlikely(value >= 0x80)) {
		*to++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*to++ = (uint8_t)value;
	return to;
}

static inline uint8_t *put_tag(uint8_t *to, const ProtobufCFieldDescriptor *field,
			       unsigned int wire_type)
{
	return put_number(to, field->id << 3 | wire_type);
}

static uint8_t *put_fixed(uint8_t *to, const ProtobufCFieldDescriptor *field, uint64_t value,
			  size_t size)
{
	to = put_tag(to, field, size == sizeof(uint32_t) ? WIRE_32BIT : WIRE_64BIT);
	value = htole64(value);
	memcpy(to, &value, size);
	return to + size;
}

/* NULL: too long. */
static inline uint8_t *put_bytes(uint8_t *to, const uint8_t *end,
				 const ProtobufCFieldDescriptor *field, const void *data,
				 size_t size)
{
	if (size > (size_t)(end - to) - WIRE_FIELD_MAX)
		return NULL;
	to = put_tag(to, field, WIRE_BYTES);
	to = put_number(to, size);
	if (likely(size))
		memcpy(to, data, size);
	return to + size;
}

/* What has the value that a field without a label has when it is absent, is not sent. */
static uint8_t *put_small(uint8_t *to, const ProtobufCFieldDescriptor *field, const void *member,
			  bool always)
{
	uint32_t value;
	uint64_t wide;
	float real;

	memcpy(&value, member, sizeof(value));
	memcpy(&real, member, sizeof(real));
	if (!always && (field->type == PROTOBUF_C_TYPE_FLOAT ? real == 0 : value == 0))
		return to;
	switch (field->type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return put_fixed(to, field, value, sizeof(value));
	case PROTOBUF_C_TYPE_SINT32:
		wide = wire_zigzag((int32_t)value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		wide = value != 0;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		wide = (uint64_t)(int32_t)value;
		break;
	default:
		wide = value;
		break;
	}
	return put_number(put_tag(to, field, WIRE_VARINT), wide);
}

static uint8_t *put_wide(uint8_t *to, const ProtobufCFieldDescriptor *field, const void *member,
			 bool always)
{
	uint64_t value;
	double real;

	memcpy(&value, member, sizeof(value));
	memcpy(&real, member, sizeof(real));
	if (!always && (field->type == PROTOBUF_C_TYPE_DOUBLE ? real == 0 : value == 0))
		return to;
	switch (field->type) {
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return put_fixed(to, field, value, sizeof(value));
	case PROTOBUF_C_TYPE_SINT64:
		value = value << 1 ^ -(value >> 63);
		break;
	default:
		break;
	}
	return put_number(put_tag(to, field, WIRE_VARINT), value);
}

static uint8_t *put_text(uint8_t *to, const uint8_t *end, const ProtobufCFieldDescriptor *field,
			 const void *member)
{
	const char *text;

	memcpy(&text, member, sizeof(text));
	if (field->label == PROTOBUF_C_LABEL_NONE ? !text || !*text :
						    !text || text == field->default_value)
		return to;
	return put_bytes(to, end, field, text, strlen(text));
}

static uint8_t *put_data(uint8_t *to, const uint8_t *end, const ProtobufCFieldDescriptor *field,
			 const ProtobufCBinaryData *data, bool always)
{
	return !always && !data->len ? to : put_bytes(to, end, field, data->data, data->len);
}

/* A single field that is not part of a choice. NULL: it is not plain, or too long. */
static uint8_t *put_single(uint8_t *to, const uint8_t *end, const ProtobufCMessage *message,
			   const ProtobufCFieldDescriptor *field)
{
	bool optional = field->label == PROTOBUF_C_LABEL_OPTIONAL;
	const void *member = field_at(message, field->offset);

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(const void *const *)member ? NULL : to;
	case PROTOBUF_C_TYPE_STRING:
		return put_text(to, end, field, member);
	default:
		break;
	}
	if (optional &&
	    !*(const protobuf_c_boolean *)field_at(message, field->quantifier_offset))
		return to;
	switch (field->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return put_data(to, end, field, member, optional);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return put_wide(to, field, member, optional);
	default:
		return put_small(to, field, member, optional);
	}
}

static inline uint8_t *put_field(uint8_t *to, const uint8_t *end, const ProtobufCMessage *message,
				 const ProtobufCFieldDescriptor *field)
{
	const void *quantifier = field_at(message, field->quantifier_offset);

	if (unlikely(field->label == PROTOBUF_C_LABEL_REQUIRED))
		return NULL;
	if (unlikely(field->label == PROTOBUF_C_LABEL_REPEATED))
		return *(const size_t *)quantifier ? NULL : to;
	if (unlikely(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return *(const uint32_t *)quantifier == field->id ? NULL : to;
	if (unlikely((size_t)(end - to) < WIRE_FIELD_MAX))
		return NULL;
	return put_single(to, end, message, field);
}

bool plain_pack(const ProtobufCMessage *message, uint8_t *to, size_t *ret_size)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	const uint8_t *end = to + PLAIN_MAX;
	uint8_t *at = to;

	if (unlikely(message->n_unknown_fields))
		return false;
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		at = put_field(at, end, message, &descriptor->fields[i]);
		if (unlikely(!at))
			return false;
	}
	*ret_size = (size_t)(at - to);
	return true;
}
