// SPDX-License-Identifier: MIT
/*
 * A request to fill in: the empty value of each field, and its type. A stranger chose the
 * type, so depth and number are limited. A message inside itself is a name.
 */
#include <string.h>

#include "schema-private.h"
#include "value.h"

#define MAX_DEPTH 6
#define MAX_TYPES 1000

/**
 * struct place - a message whose fields are being printed
 * @type: its type
 * @in: the message that it is in, or NULL
 * @depth: number of those
 * @left: so many types may still be printed
 */
struct place {
	const struct schema_type *type;
	const struct place *in;
	unsigned int depth;
	size_t *left;
};

static json_t *types_of(const struct place *place);

static json_t *values_of(const Google__Protobuf__EnumDescriptorProto *type, size_t *left)
{
	json_t *values = json_array();

	for (size_t i = 0; i < type->n_value && *left; i++, --*left)
		values = value_append(values, json_string(type->value[i]->name));
	return values;
}

static json_t *message_of(const struct schema_type *type, const struct place *in)
{
	const struct place place = { type, in, in->depth + 1, in->left };

	for (const struct place *p = in; p; p = p->in)
		if (p->type == type)
			return json_string(schema_type_name(type));
	return place.depth > MAX_DEPTH ? json_string(schema_type_name(type)) : types_of(&place);
}

/* {"enum": ["RED", "GREEN"]} cannot be taken for a message, whose fields have no such type. */
static json_t *type_of(const struct schema_field *field, const struct place *in)
{
	static const char *const kinds[] = {
		[KIND_OBJECT] = "ipc.Object: the name of a service",
		[KIND_FD] = "ipc.Fd: a path, or the number of an fd",
	};

	if (field->type == FIELD_ENUM)
		return json_pack("{s:o}", "enum", values_of(field->is->values, in->left));
	if (field->type == FIELD_BYTES)
		return json_string("bytes: base64");
	if (field->type != FIELD_MESSAGE)
		return json_string(field_kinds[field->type].name);
	if (field->is->kind != KIND_PLAIN)
		return json_string(kinds[field->is->kind]);
	return message_of(field->is, in);
}

static json_t *types_of(const struct place *place)
{
	const struct schema_type *type = place->type;
	json_t *types = json_object();
	size_t i;

	for (i = 0; i < type->n_fields && *place->left; i++) {
		const struct schema_field *field = &type->fields[i];
		json_t *of;

		--*place->left;
		of = type_of(field, place);
		if (field->repeated)
			of = json_pack("[o]", of);
		types = value_set(types, field->name, of);
	}
	if (i < type->n_fields)
		types = value_set(types, "...", json_string("..."));
	return types;
}

/* As the field is if it is not sent. null: it may be absent. */
static json_t *empty_of(const struct schema_field *field)
{
	const Google__Protobuf__EnumDescriptorProto *values;

	if (field->repeated)
		return json_array();
	if (field->type == FIELD_MESSAGE || !(field->implicit || field->required))
		return json_null();
	switch (field->type) {
	case FIELD_BOOL:
		return json_false();
	case FIELD_STRING:
	case FIELD_BYTES:
		return json_string("");
	case FIELD_ENUM:
		values = field->is->values;
		return values->n_value ? json_string(values->value[0]->name) : json_integer(0);
	default:
		return json_integer(0);
	}
}

json_t *schema_template(const struct schema_type *type)
{
	json_t *request = json_object();
	size_t left = MAX_TYPES;
	const struct place place = { type, NULL, 0, &left };

	for (size_t i = 0; i < type->n_fields && i < MAX_TYPES; i++)
		request = value_set(request, type->fields[i].name, empty_of(&type->fields[i]));
	return value_set(request, SCHEMA_COMMENT, types_of(&place));
}
