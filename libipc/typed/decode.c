// SPDX-License-Identifier: MIT
/*
 * The decoder: see message.h.
 *
 * It accepts and refuses the bytes that protobuf's own implementation accepts and refuses, where
 * protobuf-c's decoder does not. A second occurrence of a field is merged; a known field with
 * another wire type, and a group, become unknown fields. Three differences are left, because of
 * protobuf-c's structures: a string with a NUL byte is refused, a string of a proto2 file must be
 * UTF-8 as well, and the enums of proto2 files are open.
 *
 * The bytes are not trusted. Each function that takes something from them returns false if they
 * end too early or are malformed, or if the arena has no memory; then the message is refused.
 */
#include <errno.h>
#include <ipc/codec.h>
#include <string.h>

#include "base/wire.h"
#include "conn/frame.h"
#include "conn/private.h"
#include "message.h"

struct decoder {
	struct arena *arena;
	size_t borrow_min;	/* bytes of a field that stays in the payload; SIZE_MAX: none */
	bool borrows;		/* set if a field stays there */
	bool requires;		/* set if a message has required fields */
};

/* --- Text ------------------------------------------------------------------------------ */

bool text_is_valid(const char *text, size_t size)
{
	const uint8_t *c = (const uint8_t *)text, *end = c + size;

	if (likely(ipc_codec_is_ascii(text, size)))
		return true;
	while (c < end) {
		size_t n = utf8_size(c, end);

		if (!n)
			return false;
		c += n;
	}
	return true;
}

/* --- Unknown fields -------------------------------------------------------------------- */

/* Arrays have space for a power of two. */
static inline size_t array_space(size_t n)
{
	return n <= 2 ? 2 : (size_t)1 << (64 - __builtin_clzl(n - 1));
}

/* Makes space for more elements of so many bytes behind the first n. */
static bool array_reserve(struct decoder *d, void **array, size_t n, size_t more, size_t size)
{
	size_t space = array_space(n + more);
	void *larger;

	if (n && space == array_space(n))
		return true;
	larger = arena_alloc(d->arena, space * size);
	if (!larger)
		return false;
	if (n)
		memcpy(larger, *array, n * size);
	*array = larger;
	return true;
}

static bool take_unknown(struct decoder *d, struct wire *wire, uint32_t tag,
			 ProtobufCMessage *message, unsigned int depth)
{
	const uint8_t *start = wire->at;
	uint8_t *data;
	size_t size;

	_Static_assert(MESSAGE_MAX_DEPTH <= WIRE_MAX_GROUPS, "wire_skip() has space for the groups");
	/* A group counts like a message. protobuf-c does not know groups. */
	if (!wire_skip(wire, tag, MESSAGE_MAX_DEPTH - depth))
		return false;
	if (!array_reserve(d, (void **)&message->unknown_fields, message->n_unknown_fields, 1,
			   sizeof(*message->unknown_fields)))
		return false;
	size = (size_t)(wire->at - start);
	data = arena_alloc(d->arena, size);
	if (!data)
		return false;
	memcpy(data, start, size);
	message->unknown_fields[message->n_unknown_fields++] = (ProtobufCMessageUnknownField){
		.tag = tag >> 3,
		.wire_type = (ProtobufCWireType)(tag & 7),
		.len = size,
		.data = data,
	};
	return true;
}

/* --- Values ---------------------------------------------------------------------------- */

static bool take_text(struct decoder *d, struct wire *wire, char **member)
{
	struct wire piece;
	size_t size;
	char *text;

	if (!wire_take_sized(wire, &piece))
		return false;
	size = wire_size(&piece);
	text = arena_alloc(d->arena, size + 1);
	if (!text)
		return false;
	memcpy(text, piece.at, size);
	text[size] = 0;
	*member = text;
	return text_is_valid(text, size);
}

static bool take_data(struct decoder *d, struct wire *wire, ProtobufCBinaryData *member)
{
	struct wire piece;
	uint8_t *data;
	size_t size;

	if (!wire_take_sized(wire, &piece))
		return false;
	size = wire_size(&piece);
	if (unlikely(size >= d->borrow_min)) {
		*member = (ProtobufCBinaryData){ size, (uint8_t *)piece.at };
		d->borrows = true;
		return true;
	}
	if (!size) {
		*member = (ProtobufCBinaryData){ 0, NULL };
		return true;
	}
	data = arena_alloc(d->arena, size);
	if (!data)
		return false;
	memcpy(data, piece.at, size);
	*member = (ProtobufCBinaryData){ size, data };
	return true;
}

static inline bool take_number(struct wire *wire, ProtobufCType type, void *member)
{
	uint64_t value;

	if (!wire_take_value(wire, field_kinds[type].wire_type, &value))
		return false;
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		*(uint64_t *)member = value;
		break;
	case PROTOBUF_C_TYPE_SINT64:
		*(uint64_t *)member = value >> 1 ^ -(value & 1);
		break;
	case PROTOBUF_C_TYPE_SINT32:
		*(int32_t *)member = (int32_t)wire_unzigzag((uint32_t)value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)member = value != 0;
		break;
	default:
		*(uint32_t *)member = (uint32_t)value;
		break;
	}
	return true;
}

const struct field_kind field_kinds[] = {
	[PROTOBUF_C_TYPE_INT32] = { WIRE_VARINT, sizeof(int32_t) },
	[PROTOBUF_C_TYPE_SINT32] = { WIRE_VARINT, sizeof(int32_t) },
	[PROTOBUF_C_TYPE_SFIXED32] = { WIRE_32BIT, sizeof(int32_t) },
	[PROTOBUF_C_TYPE_INT64] = { WIRE_VARINT, sizeof(int64_t) },
	[PROTOBUF_C_TYPE_SINT64] = { WIRE_VARINT, sizeof(int64_t) },
	[PROTOBUF_C_TYPE_SFIXED64] = { WIRE_64BIT, sizeof(int64_t) },
	[PROTOBUF_C_TYPE_UINT32] = { WIRE_VARINT, sizeof(uint32_t) },
	[PROTOBUF_C_TYPE_FIXED32] = { WIRE_32BIT, sizeof(uint32_t) },
	[PROTOBUF_C_TYPE_UINT64] = { WIRE_VARINT, sizeof(uint64_t) },
	[PROTOBUF_C_TYPE_FIXED64] = { WIRE_64BIT, sizeof(uint64_t) },
	[PROTOBUF_C_TYPE_FLOAT] = { WIRE_32BIT, sizeof(float) },
	[PROTOBUF_C_TYPE_DOUBLE] = { WIRE_64BIT, sizeof(double) },
	[PROTOBUF_C_TYPE_BOOL] = { WIRE_VARINT, sizeof(protobuf_c_boolean) },
	[PROTOBUF_C_TYPE_ENUM] = { WIRE_VARINT, sizeof(uint32_t) },
	[PROTOBUF_C_TYPE_STRING] = { WIRE_BYTES, sizeof(char *) },
	[PROTOBUF_C_TYPE_BYTES] = { WIRE_BYTES, sizeof(ProtobufCBinaryData) },
	[PROTOBUF_C_TYPE_MESSAGE] = { WIRE_BYTES, sizeof(ProtobufCMessage *) },
};

static bool take_message(struct decoder *d, struct wire *wire,
			 const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **member,
			 unsigned int depth);

/* A message must have been cleared or taken before: then it is merged. */
static inline bool take_value(struct decoder *d, struct wire *wire,
			      const ProtobufCFieldDescriptor *field, void *member,
			      unsigned int depth)
{
	if (field_kinds[field->type].wire_type != WIRE_BYTES)
		return take_number(wire, field->type, member);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return take_text(d, wire, member);
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return take_data(d, wire, member);
	return take_message(d, wire, field->descriptor, member, depth + 1);
}

/* --- Fields ---------------------------------------------------------------------------- */

static bool take_element(struct decoder *d, struct wire *wire,
			 const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
			 unsigned int depth)
{
	size_t *n = member_at(message, field->quantifier_offset);
	void **array = member_at(message, field->offset);
	size_t size = field_kinds[field->type].size;
	void *element;

	if (!array_reserve(d, array, *n, 1, size))
		return false;
	element = (char *)*array + *n * size;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		*(ProtobufCMessage **)element = NULL;
	if (!take_value(d, wire, field, element, depth))
		return false;
	++*n;
	return true;
}

/* Returns how many numbers these are, without an incomplete last number. */
static size_t count_numbers(const struct wire *wire)
{
	size_t n = 0;

	for (const uint8_t *at = wire->at; at < wire->end; at++)
		n += *at < 0x80;
	return n;
}

/* Takes a packed field. */
static bool take_packed(struct decoder *d, struct wire *wire,
			const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	size_t *n = member_at(message, field->quantifier_offset);
	void **array = member_at(message, field->offset);
	const struct field_kind *kind = &field_kinds[field->type];
	struct wire piece;
	size_t more;
	char *to;

	if (!wire_take_sized(wire, &piece))
		return false;
	more = kind->wire_type == WIRE_VARINT ? count_numbers(&piece) :
						wire_size(&piece) / kind->size;
	if (!more)
		return piece.at == piece.end;
	if (!array_reserve(d, array, *n, more, kind->size))
		return false;
	to = (char *)*array + *n * kind->size;
	*n += more;
	for (; more; more--, to += kind->size)
		if (!take_value(d, &piece, field, to, /* depth= */ 0))
			return false;
	return piece.at == piece.end;
}

/* Required fields that were taken have a bit behind the message. */
static inline uint8_t *required_bits(const ProtobufCMessage *message)
{
	return (uint8_t *)message + message->descriptor->sizeof_message;
}

/* Where a field is, which is present then. */
static void *member_of(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	void *quantifier = member_at(message, field->quantifier_offset);
	void *member = member_at(message, field->offset);
	size_t index;

	if (unlikely(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) {
		if (*(uint32_t *)quantifier != field->id)
			memset(member, 0, field_kinds[field->type].size);
		*(uint32_t *)quantifier = field->id;
	} else if (field->quantifier_offset) {
		*(protobuf_c_boolean *)quantifier = 1;
	} else if (unlikely(field->label == PROTOBUF_C_LABEL_REQUIRED)) {
		index = (size_t)(field - message->descriptor->fields);
		required_bits(message)[index / 8] |= (uint8_t)(1 << index % 8);
	}
	return member;
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

static bool take_field(struct decoder *d, struct wire *wire, ProtobufCMessage *message,
		       unsigned int depth)
{
	const ProtobufCFieldDescriptor *field;
	bool repeated;
	uint32_t tag;

	if (!wire_take_tag(wire, &tag))
		return false;
	field = find_field(message->descriptor, tag >> 3);
	if (unlikely(!field))
		return take_unknown(d, wire, tag, message, depth);
	repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
	if (likely((tag & 7) == field_kinds[field->type].wire_type))
		return repeated ? take_element(d, wire, field, message, depth) :
				  take_value(d, wire, field, member_of(field, message), depth);
	if (repeated && (tag & 7) == WIRE_BYTES)
		return take_packed(d, wire, field, message);
	return take_unknown(d, wire, tag, message, depth);
}

/* --- Messages -------------------------------------------------------------------------- */

/* If a field has no label, the file is proto3, which has no required fields. */
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

static ProtobufCMessage *message_new(struct decoder *d,
				     const ProtobufCMessageDescriptor *descriptor)
{
	bool required = has_required(descriptor);
	size_t bits = required ? (descriptor->n_fields + 7) / 8 : 0;
	ProtobufCMessage *message;

	/* protoc-c has left out message_init(): gen_init_helpers is false. */
	if (unlikely(!descriptor->message_init))
		return NULL;
	message = arena_alloc(d->arena, descriptor->sizeof_message + bits);
	if (!message)
		return NULL;
	descriptor->message_init(message);
	if (unlikely(required)) {
		memset(required_bits(message), 0, bits);
		d->requires = true;
	}
	return message;
}

static bool take_fields(struct decoder *d, struct wire wire, ProtobufCMessage *message,
			unsigned int depth)
{
	if (depth > MESSAGE_MAX_DEPTH)
		return false;
	while (wire.at < wire.end)
		if (unlikely(!take_field(d, &wire, message, depth)))
			return false;
	return true;
}

static bool take_message(struct decoder *d, struct wire *wire,
			 const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **member,
			 unsigned int depth)
{
	struct wire piece;

	if (!wire_take_sized(wire, &piece))
		return false;
	if (!*member)
		*member = message_new(d, descriptor);
	return *member && take_fields(d, piece, *member, depth);
}

/* Checked only at the end: a later occurrence of a message may have the fields that an earlier one
 * lacked. */
static int check_required(struct visitor *visitor, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;

	(void)visitor;
	for (unsigned int i = 0; i < descriptor->n_fields; i++)
		if (descriptor->fields[i].label == PROTOBUF_C_LABEL_REQUIRED &&
		    !(required_bits(message)[i / 8] >> i % 8 & 1))
			return -EBADMSG;
	return 0;
}

/* The message is the first allocation in the arena. Returns NULL if the bytes are no message of
 * this type, if they nest too deep, or if the arena has no memory; then arena->error is set. */
static ProtobufCMessage *decode(struct decoder *d, const ProtobufCMessageDescriptor *descriptor,
				const uint8_t *data, size_t size)
{
	struct visitor visitor = { .message = check_required };
	ProtobufCMessage *message;

	d->borrows = false;
	d->requires = false;
	message = message_new(d, descriptor);
	if (!message || !take_fields(d, wire_of(data, size), message, /* depth= */ 0))
		return NULL;
	if (unlikely(d->requires) && message_walk(message, &visitor) < 0)
		return NULL;
	return message;
}

/* --- Payloads --------------------------------------------------------------------------- */

int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   bool borrow, const uint8_t *data, size_t size)
{
	struct decoder decoder = { .arena = &message->arena, .borrow_min = SIZE_MAX };
	struct frame frame;
	size_t share = size / BORROW_SHARE;
	int error;
	int r;

	if (borrow)
		decoder.borrow_min = share > BORROW_MIN ? share : BORROW_MIN;
	if (unlikely_frame(data, size)) {
		r = frame_parse(&frame, &data, &size);
		if (r < 0)
			return r;
	}
	message->root = decode(&decoder, descriptor, data, size);
	message->borrows = decoder.borrows;
	if (likely(message->root))
		return 0;
	error = message->arena.error;
	return error && error != -EMSGSIZE ? error : -EBADMSG;
}
