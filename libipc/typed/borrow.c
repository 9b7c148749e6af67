// SPDX-License-Identifier: MIT
/*
 * Received bytes that stay where they are: see borrow.h. Called by message.c.
 *
 * Both passes over the payload decide by cut_kind() alone, so they agree on what was cut. The
 * payload is a stranger's, but nobody can write to it between them.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "borrow.h"
#include "core/wire.h"

/* The deepest messages in which fields are cut. */
#define CUT_DEPTH	8
/* In the first so many fields of a type, by number. */
#define CUT_FIELDS	64
/* Bytes of a size, as many as protobuf-c takes. */
#define SIZE_BYTES	5

enum cut_kind { CUT_NOTHING, CUT_BYTES, CUT_MESSAGE };

/* A field of type bytes or message, or NULL. */
static const ProtobufCFieldDescriptor *known_field(const ProtobufCMessageDescriptor *descriptor,
						   const struct wire_field *field)
{
	const ProtobufCFieldDescriptor *known;

	if (field->type != WIRE_BYTES)
		return NULL;
	known = protobuf_c_message_descriptor_get_field(descriptor, field->number);
	if (!known || (known->type != PROTOBUF_C_TYPE_BYTES &&
		       known->type != PROTOBUF_C_TYPE_MESSAGE))
		return NULL;
	return known;
}

static enum cut_kind cut_kind(const ProtobufCFieldDescriptor *known, size_t index, size_t size,
			      unsigned int depth)
{
	if (size < BORROW_MIN || size > INT_MAX || index >= CUT_FIELDS)
		return CUT_NOTHING;
	if (known->type == PROTOBUF_C_TYPE_BYTES)
		return CUT_BYTES;
	return depth < CUT_DEPTH ? CUT_MESSAGE : CUT_NOTHING;
}

/* --- Cutting -------------------------------------------------------------------------- */

/* Where size bytes of the cut payload are to go, or NULL. */
static uint8_t *reserve(struct cut *cut, size_t size)
{
	size_t space = cut->space;
	uint8_t *data;

	if (size > cut->max - cut->size)
		return NULL;
	while (space - cut->size < size)
		space *= 2;
	if (space > cut->space) {
		data = cut->data == cut->local ? malloc(space) : realloc(cut->data, space);
		if (!data)
			return NULL;
		if (cut->data == cut->local)
			memcpy(data, cut->local, cut->size);
		cut->data = data;
		cut->space = space;
	}
	cut->size += size;
	return cut->data + cut->size - size;
}

static bool put(struct cut *cut, const uint8_t *data, size_t size)
{
	uint8_t *to = reserve(cut, size);

	if (!to)
		return false;
	memcpy(to, data, size);
	return true;
}

/* A size that has always the same number of bytes. */
static void put_size(uint8_t *to, size_t size)
{
	for (unsigned int i = 0; i < SIZE_BYTES; i++)
		to[i] = (uint8_t)((size >> 7 * i & 0x7f) | (i < SIZE_BYTES - 1 ? 0x80 : 0));
}

/* How many bytes of the field are before its size; 0 if protobuf-c may refuse that. */
static size_t tag_size(const uint8_t *start, const struct wire_field *field)
{
	size_t all = (size_t)(field->bytes.at - start);
	size_t n = 1;

	while (start[n - 1] & 0x80)
		n++;
	return all - n > SIZE_BYTES ? 0 : n;
}

static bool cut_message(struct cut *cut, const ProtobufCMessageDescriptor *descriptor,
			struct wire wire, unsigned int depth);

/* Puts a field without its bytes, or with cut ones. */
static bool cut_field(struct cut *cut, const ProtobufCFieldDescriptor *known,
		      const uint8_t *start, const struct wire_field *field, unsigned int depth)
{
	size_t tag = tag_size(start, field);
	size_t at;

	if (!tag || !put(cut, start, tag))
		return false;
	if (known->type == PROTOBUF_C_TYPE_BYTES) {
		cut->found = true;
		return put(cut, (const uint8_t[]){ 0 }, 1);
	}
	if (!reserve(cut, SIZE_BYTES))
		return false;
	at = cut->size;
	if (!cut_message(cut, known->descriptor, field->bytes, depth + 1))
		return false;
	put_size(cut->data + at - SIZE_BYTES, cut->size - at);
	return true;
}

static bool cut_message(struct cut *cut, const ProtobufCMessageDescriptor *descriptor,
			struct wire wire, unsigned int depth)
{
	const ProtobufCFieldDescriptor *known;
	uint64_t seen = 0;
	struct wire_field field;

	while (wire.at != wire.end) {
		const uint8_t *start = wire.at;
		size_t index = 0;
		bool done;

		if (!cut->budget-- || wire_next(&wire, &field) < 0)
			return false;
		known = known_field(descriptor, &field);
		if (known) {
			index = (size_t)(known - descriptor->fields);
			if (known->label != PROTOBUF_C_LABEL_REPEATED && index < CUT_FIELDS) {
				if (seen >> index & 1)
					return false;
				seen |= (uint64_t)1 << index;
			}
		}
		if (known && cut_kind(known, index, field.value, depth) != CUT_NOTHING)
			done = cut_field(cut, known, start, &field, depth);
		else
			done = put(cut, start, (size_t)(wire.at - start));
		if (!done)
			return false;
	}
	return true;
}

bool cut_init(struct cut *cut, const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
	      size_t size)
{
	cut->data = cut->local;
	cut->size = 0;
	cut->space = sizeof(cut->local);
	cut->max = size / 2;
	cut->budget = 32 + size / 1024;
	cut->found = false;
	if (cut_message(cut, descriptor, wire_of(data, size), /* depth= */ 0) && cut->found)
		return true;
	cut_done(cut);
	return false;
}

void cut_done(struct cut *cut)
{
	if (cut->data != cut->local)
		free(cut->data);
}

/* --- Binding -------------------------------------------------------------------------- */

static void *member_at(ProtobufCMessage *message, unsigned int offset)
{
	return (char *)message + offset;
}

/* The field of the message, the nth if it is repeated; or NULL. */
static void *member_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *known, size_t n)
{
	size_t size = known->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) :
							     sizeof(ProtobufCMessage *);
	const void *quantifier = member_at(message, known->quantifier_offset);

	if (known->label == PROTOBUF_C_LABEL_REPEATED)
		return n < *(const size_t *)quantifier ?
			       *(char **)member_at(message, known->offset) + n * size : NULL;
	/* Another member of the oneof came later. */
	if (known->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)quantifier != known->id)
		return NULL;
	return member_at(message, known->offset);
}

static void bind_message(ProtobufCMessage *message, struct wire wire, unsigned int depth)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	const ProtobufCFieldDescriptor *known;
	unsigned int n[CUT_FIELDS] = { 0 };
	struct wire_field field;

	while (wire_next(&wire, &field) > 0) {
		enum cut_kind kind;
		size_t index, nth;
		void *member;

		known = known_field(descriptor, &field);
		if (!known)
			continue;
		index = (size_t)(known - descriptor->fields);
		nth = index < CUT_FIELDS ? n[index]++ : 0;
		kind = cut_kind(known, index, field.value, depth);
		member = kind != CUT_NOTHING ? member_of(message, known, nth) : NULL;
		if (member && kind == CUT_BYTES)
			*(ProtobufCBinaryData *)member = (ProtobufCBinaryData){
				.len = field.value,
				.data = (uint8_t *)field.bytes.at,
			};
		else if (member && *(ProtobufCMessage **)member)
			bind_message(*(ProtobufCMessage **)member, field.bytes, depth + 1);
	}
}

void cut_bind(ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	bind_message(message, wire_of(data, size), /* depth= */ 0);
}
