// SPDX-License-Identifier: MIT
/*
 * Chooses the messages that get a codec: see codec.h. If protoc-c generates an unusual member for a
 * field, the message gets no codec.
 */
#include <stdlib.h>

#include "codec.h"
#include "names.h"

/* The number of the options in protobuf-c.proto. */
#define PB_C_OPTION 1019
/* A tag has up to two bytes. */
#define NUMBER_MAX 2047

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;

static bool has_unusual_options(const Field *field)
{
	const Google__Protobuf__FieldOptions *options = field->options;

	if (!options)
		return false;
	for (unsigned int i = 0; i < options->base.n_unknown_fields; i++)
		if (options->base.unknown_fields[i].tag == PB_C_OPTION)
			return true;
	/* Using a deprecated member causes compiler warnings. */
	return options->deprecated;
}

static bool has_plain_type(const Field *field)
{
	switch (field->type) {
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP:
		return false;
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
		/* protobuf-c compares the pointer with the pointer to the default. */
		return !field->default_value;
	default:
		return true;
	}
}

/* Returns true for a oneof with one field, as protoc creates for a proto3 optional. */
static bool is_alone(const Descriptor *message, const Field *field)
{
	size_t n = 0;

	for (size_t i = 0; i < message->n_field; i++)
		n += message->field[i]->has_oneof_index &&
		     message->field[i]->oneof_index == field->oneof_index;
	return n == 1;
}

static bool is_plain(struct arena *arena, const Descriptor *message, const Field *field)
{
	return field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL &&
	       (!field->has_oneof_index || is_alone(message, field)) && field->number > 0 &&
	       field->number <= NUMBER_MAX && has_plain_type(field) &&
	       !has_unusual_options(field) &&
	       !name_is_reserved(name_c_member(arena, field->name));
}

const char *codec_case(struct arena *arena, const struct codec *codec, const Field *field)
{
	if (!field->has_oneof_index)
		return NULL;
	return arena_printf(
		arena, "%s_case",
		name_c_lower(arena, codec->type->descriptor->oneof_decl[field->oneof_index]->name));
}

enum wire codec_wire(const Field *field)
{
	switch (field->type) {
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED64:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED64:
		return WIRE_64BIT;
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32:
		return WIRE_32BIT;
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

unsigned int codec_tag(const Field *field)
{
	return (unsigned int)field->number << 3 | codec_wire(field);
}

static int compare_numbers(const void *a, const void *b)
{
	const Field *const *x = a, *const *y = b;

	return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

/* Returns NULL if some fields are not plain, or if there are too many. */
static const Field **plain_fields(struct arena *arena, const Descriptor *message)
{
	const Field **fields;

	if (message->n_field < 1 || message->n_field > CODEC_FIELDS_MAX)
		return NULL;
	fields = arena_array(arena, message->n_field, sizeof(*fields));
	for (size_t i = 0; i < message->n_field; i++) {
		if (!is_plain(arena, message, message->field[i]))
			return NULL;
		fields[i] = message->field[i];
	}
	qsort(fields, message->n_field, sizeof(*fields), compare_numbers);
	return fields;
}

const struct codec *codecs_add(struct arena *arena, struct codecs *codecs,
			       const struct type *type)
{
	const Field **fields;
	struct codec *codec;

	for (size_t i = 0; i < codecs->count; i++)
		if (codecs->list[i].type == type)
			return &codecs->list[i];

	fields = plain_fields(arena, type->descriptor);
	if (!fields)
		return NULL;
	codec = &codecs->list[codecs->count++];
	*codec = (struct codec){
		.type = type,
		.name = name_c_lower(arena, type->pb_name),
		.fields = fields,
		.n_fields = type->descriptor->n_field,
	};
	return codec;
}
