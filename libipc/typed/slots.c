// SPDX-License-Identifier: MIT
/*
 * Messages of numbers in slots: see slots.h.
 */
#include "slots.h"

/* The bytes of a field in C and in a slot; 0: it has no place in a slot. */
static uint16_t size_of(const ProtobufCFieldDescriptor *field)
{
	if ((field->label != PROTOBUF_C_LABEL_NONE && field->label != PROTOBUF_C_LABEL_REQUIRED) ||
	    field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return 0;
}

/* Becomes part of the run before it if both lie behind that. */
static void add(struct slots *slots, unsigned int in_message, uint16_t size, bool is_bool)
{
	struct slot_run *last = &slots->runs[slots->n_runs];
	uint32_t in_slot = (slots->size + size - 1) & ~(uint32_t)(size - 1);

	slots->size = in_slot + size;
	if (slots->n_runs && !is_bool && !last[-1].is_bool &&
	    in_message == (uint32_t)last[-1].in_message + last[-1].size &&
	    in_slot == (uint32_t)last[-1].in_slot + last[-1].size) {
		last[-1].size += size;
		return;
	}
	*last = (struct slot_run){ (uint16_t)in_message, (uint16_t)in_slot, size, is_bool };
	slots->n_runs++;
}

void slots_init(struct slots *slots, const ProtobufCMessageDescriptor *descriptor)
{
	slots->size = 0;
	slots->n_runs = 0;
	if (descriptor->n_fields > SLOT_FIELDS_MAX)
		return;
	for (unsigned int i = 0; i < descriptor->n_fields; i++)
		if (!size_of(&descriptor->fields[i]))
			return;
	/* They are sorted by number. */
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		add(slots, field->offset, size_of(field), field->type == PROTOBUF_C_TYPE_BOOL);
	}
	slots->size = slots->size ? (slots->size + 7) & ~UINT32_C(7) : 8;
}

/* FNV-1a. */
static void hash_number(uint64_t *hash, uint32_t number)
{
	for (int i = 0; i < 4; i++, number >>= 8)
		*hash = (*hash ^ (number & 0xff)) * UINT64_C(0x100000001b3);
}

static void hash_direction(uint64_t *hash, const ProtobufCMessageDescriptor *descriptor)
{
	hash_number(hash, descriptor ? descriptor->n_fields + 1 : 0);
	for (unsigned int i = 0; descriptor && i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		hash_number(hash, field->id);
		hash_number(hash, field->type);
	}
}

uint64_t slots_layout(const ProtobufCMessageDescriptor *requests,
		      const ProtobufCMessageDescriptor *replies)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	/* The version of the layout, and of the ring. */
	hash_number(&hash, 1);
	hash_direction(&hash, requests);
	hash_direction(&hash, replies);
	return hash ?: 1;
}

static uint32_t load_bool(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value != 0;
}

void slots_copy_in(const struct slots *slots, const ProtobufCMessage *message, void *slot)
{
	for (unsigned int i = 0; i < slots->n_runs; i++) {
		const struct slot_run *run = &slots->runs[i];

		memcpy((char *)slot + run->in_slot, (const char *)message + run->in_message,
		       run->size);
	}
}

void slots_copy_out(const struct slots *slots, ProtobufCMessage *message, const void *slot)
{
	for (unsigned int i = 0; i < slots->n_runs; i++) {
		const struct slot_run *run = &slots->runs[i];
		char *to = (char *)message + run->in_message;

		memcpy(to, (const char *)slot + run->in_slot, run->size);
		if (run->is_bool) {
			uint32_t value = load_bool(to);

			memcpy(to, &value, sizeof(value));
		}
	}
}
