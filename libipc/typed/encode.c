// SPDX-License-Identifier: MIT
/* The encoder: see encode.h. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "core/private.h"
#include "core/wire.h"
#include "encode.h"
#include "message.h"

/* --- Fields ---------------------------------------------------------------------------- */

/* Of a field without presence: all its bits count, so -0 is not empty. */
static inline bool is_empty(ProtobufCType type, const void *member)
{
	const char *text;

	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
		text = *(const char *const *)member;
		return !text || !*text;
	case PROTOBUF_C_TYPE_BYTES:
		return !((const ProtobufCBinaryData *)member)->len;
	default:
		return field_kinds[type].size == sizeof(uint64_t) ? !*(const uint64_t *)member :
								    !*(const uint32_t *)member;
	}
}

static inline bool is_present(const ProtobufCMessage *message,
			      const ProtobufCFieldDescriptor *field)
{
	const void *quantifier = field_at(message, field->quantifier_offset);
	const void *member = field_at(message, field->offset);
	const void *pointer;

	if (unlikely(field->label == PROTOBUF_C_LABEL_REQUIRED))
		return true;
	if (unlikely(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) {
		if (*(const uint32_t *)quantifier != field->id)
			return false;
		return (field->type != PROTOBUF_C_TYPE_MESSAGE &&
			field->type != PROTOBUF_C_TYPE_STRING) || *(const void *const *)member;
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)member;
	if (field->label == PROTOBUF_C_LABEL_NONE)
		return !is_empty(field->type, member);
	if (field->type != PROTOBUF_C_TYPE_STRING)
		return *(const protobuf_c_boolean *)quantifier;
	pointer = *(const void *const *)member;
	return pointer && pointer != field->default_value;
}

static inline uint64_t number_of(ProtobufCType type, const void *member)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return *(const uint64_t *)member;
	case PROTOBUF_C_TYPE_SINT64:
		return *(const uint64_t *)member << 1 ^ -(*(const uint64_t *)member >> 63);
	case PROTOBUF_C_TYPE_SINT32:
		return wire_zigzag(*(const int32_t *)member);
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)member != 0;
	case PROTOBUF_C_TYPE_UINT32:
		return *(const uint32_t *)member;
	default:
		return (uint64_t)*(const int32_t *)member;
	}
}

static inline unsigned int wire_type_of(ProtobufCType type)
{
	return field_kinds[type].wire_type;
}

static inline bool is_packed(const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_PACKED;
}

/* Returns the size of a number: a byte for each seven bits, at least 1. */
static inline size_t number_size(uint64_t number)
{
	return ((size_t)(63 - __builtin_clzll(number | 1)) * 9 + 73) / 64;
}

static inline size_t tag_size(const ProtobufCFieldDescriptor *field)
{
	return number_size((uint64_t)field->id << 3);
}

/* --- Measuring ------------------------------------------------------------------------- */

static int measure_message(struct measure *m, const ProtobufCMessage *message, unsigned int depth);

static int measure_text(struct measure *m, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	if (unlikely(size && !text_is_valid(text, size)))
		return -EINVAL;
	m->size += number_size(size) + size;
	return 0;
}

static int measure_bytes(struct measure *m, const ProtobufCBinaryData *bytes)
{
	if (unlikely(bytes->len >= m->large_min) && m->n_large++ < ENCODE_LARGE)
		m->large += bytes->len;
	m->size += number_size(bytes->len) + bytes->len;
	return 0;
}

/* A value without its tag. */
static int measure_value(struct measure *m, ProtobufCType type, const void *member,
			 unsigned int depth)
{
	const ProtobufCMessage *message;
	size_t before;
	int r;

	switch (wire_type_of(type)) {
	case WIRE_VARINT:
		m->size += number_size(number_of(type, member));
		return 0;
	case WIRE_32BIT:
		m->size += sizeof(uint32_t);
		return 0;
	case WIRE_64BIT:
		m->size += sizeof(uint64_t);
		return 0;
	default:
		break;
	}
	if (type == PROTOBUF_C_TYPE_STRING)
		return measure_text(m, *(const char *const *)member);
	if (type == PROTOBUF_C_TYPE_BYTES)
		return measure_bytes(m, member);
	message = *(const ProtobufCMessage *const *)member;
	before = m->size;
	r = message ? measure_message(m, message, depth + 1) : 0;
	m->size += number_size(m->size - before);
	return r;
}

static int measure_array(struct measure *m, const ProtobufCMessage *message,
			 const ProtobufCFieldDescriptor *field, unsigned int depth)
{
	size_t n = *(const size_t *)field_at(message, field->quantifier_offset);
	const char *element = *(const char *const *)field_at(message, field->offset);
	size_t step = field_kinds[field->type].size;
	size_t before = m->size;
	int r = 0;

	if (!n)
		return 0;
	for (size_t i = 0; r == 0 && i < n; i++, element += step)
		r = measure_value(m, field->type, element, depth);
	if (is_packed(field))
		m->size += number_size(m->size - before) + tag_size(field);
	else
		m->size += n * tag_size(field);
	return r;
}

static int measure_message(struct measure *m, const ProtobufCMessage *message, unsigned int depth)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	int r = depth > MESSAGE_MAX_DEPTH ? -EINVAL : 0;

	for (unsigned int i = 0; r == 0 && i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			r = measure_array(m, message, field, depth);
		} else if (is_present(message, field)) {
			m->size += tag_size(field);
			r = measure_value(m, field->type, field_at(message, field->offset), depth);
		}
	}
	for (unsigned int i = 0; i < message->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];

		m->size += number_size((uint64_t)field->tag << 3) + field->len;
	}
	return r;
}

int encode_measure(const ProtobufCMessage *message, struct measure *measure)
{
	measure->size = 0;
	measure->large = 0;
	measure->n_large = 0;
	return measure_message(measure, message, /* depth= */ 0);
}

/* --- Writing --------------------------------------------------------------------------- */

static void put_message(struct encoder *e, const ProtobufCMessage *message);

static inline void put_number(struct encoder *e, uint64_t number)
{
	uint8_t *to = e->at - number_size(number);

	e->at = to;
	for (; number >= 0x80; number >>= 7)
		*to++ = (uint8_t)(number | 0x80);
	*to = (uint8_t)number;
}

static inline void put_tag(struct encoder *e, uint32_t number, unsigned int wire_type)
{
	put_number(e, (uint64_t)number << 3 | wire_type);
}

static inline void put_piece(struct encoder *e, const void *data, size_t size)
{
	e->at -= size;
	if (size)
		memcpy(e->at, data, size);
}

static void put_bytes(struct encoder *e, const ProtobufCBinaryData *bytes)
{
	if (unlikely(bytes->len >= e->large_min) && --e->n_large < ENCODE_LARGE) {
		e->large(e, bytes);
		e->left_out += bytes->len;
	} else {
		put_piece(e, bytes->data, bytes->len);
	}
	put_number(e, bytes->len);
}

static void put_sized(struct encoder *e, ProtobufCType type, const void *member)
{
	const char *text = *(const char *const *)member;
	size_t before = e->left_out;
	uint8_t *end = e->at;
	size_t size;

	if (type == PROTOBUF_C_TYPE_STRING) {
		size = text ? strlen(text) : 0;
		put_piece(e, text, size);
		put_number(e, size);
		return;
	}
	put_message(e, *(const ProtobufCMessage *const *)member);
	put_number(e, (size_t)(end - e->at) + e->left_out - before);
}

static void put_value(struct encoder *e, ProtobufCType type, const void *member)
{
	uint32_t narrow;
	uint64_t wide;

	switch (wire_type_of(type)) {
	case WIRE_VARINT:
		put_number(e, number_of(type, member));
		break;
	case WIRE_32BIT:
		narrow = htole32(*(const uint32_t *)member);
		put_piece(e, &narrow, sizeof(narrow));
		break;
	case WIRE_64BIT:
		wide = htole64(*(const uint64_t *)member);
		put_piece(e, &wide, sizeof(wide));
		break;
	default:
		if (type == PROTOBUF_C_TYPE_BYTES)
			put_bytes(e, member);
		else
			put_sized(e, type, member);
		break;
	}
}

static void put_array(struct encoder *e, const ProtobufCMessage *message,
		      const ProtobufCFieldDescriptor *field)
{
	size_t n = *(const size_t *)field_at(message, field->quantifier_offset);
	const char *elements = *(const char *const *)field_at(message, field->offset);
	unsigned int wire_type = wire_type_of(field->type);
	size_t step = field_kinds[field->type].size;
	uint8_t *end = e->at;

	if (!n)
		return;
	while (n--) {
		put_value(e, field->type, elements + n * step);
		if (!is_packed(field))
			put_tag(e, field->id, wire_type);
	}
	if (is_packed(field)) {
		put_number(e, (size_t)(end - e->at));
		put_tag(e, field->id, WIRE_BYTES);
	}
}

static void put_message(struct encoder *e, const ProtobufCMessage *message)
{
	if (!message)
		return;
	for (unsigned int i = message->n_unknown_fields; i--;) {
		const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];

		put_piece(e, field->data, field->len);
		put_tag(e, field->tag, field->wire_type);
	}
	for (unsigned int i = message->descriptor->n_fields; i--;) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			put_array(e, message, field);
		} else if (is_present(message, field)) {
			put_value(e, field->type, field_at(message, field->offset));
			put_tag(e, field->id, wire_type_of(field->type));
		}
	}
}

void encode(struct encoder *encoder, const ProtobufCMessage *message)
{
	put_message(encoder, message);
}
