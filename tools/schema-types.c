// SPDX-License-Identifier: MIT
/*
 * Builds protobuf-c descriptors at run time from those of descriptor.proto. A message is laid
 * out field after field. The members of a oneof have a place each, and share the number that
 * says which one is set.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schema-private.h"

typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__DescriptorProto message_proto;

#define LABEL(field) ((field)->label)

/* --- Finding -------------------------------------------------------------------- */

const ProtobufCMessageDescriptor *schema_type(const struct schema *schema, const char *name)
{
	for (size_t i = 0; name && i < schema->n_types; i++)
		if (!strcmp(schema->types[i].name, name))
			return schema->types[i].is;
	return NULL;
}

const ProtobufCEnumDescriptor *schema_enum(const struct schema *schema, const char *name)
{
	for (size_t i = 0; name && i < schema->n_enums; i++)
		if (!strcmp(schema->enums[i].name, name))
			return schema->enums[i].built;
	return NULL;
}

/* libipc recognizes these types by the address of its own descriptor. */
static const ProtobufCMessageDescriptor *own_type(const char *name)
{
	static const ProtobufCMessageDescriptor *const own[] = {
		&ipc__object__descriptor, &ipc__fd__descriptor,   &ipc__none__descriptor,
		&ipc__blob__descriptor,	  &ipc__memory__descriptor,
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!strcmp(name + 1, own[i]->name))
			return own[i];
	return NULL;
}

/* --- Collecting ------------------------------------------------------------------- */

static size_t count_messages(const message_proto *message, size_t *enums)
{
	size_t n = 1;

	*enums += message->n_enum_type;
	for (size_t i = 0; i < message->n_nested_type; i++)
		n += count_messages(message->nested_type[i], enums);
	return n;
}

static int note_enum(struct schema *schema, const char *scope,
		     const Google__Protobuf__EnumDescriptorProto *from)
{
	struct schema_enum *to = &schema->enums[schema->n_enums++];

	if (!from->name)
		return -EBADMSG;
	to->from = from;
	to->name = schema_text(schema, "%s.%s", scope, from->name);
	to->built = schema_alloc(schema, 1, sizeof(*to->built));
	return to->name && to->built ? 0 : -ENOMEM;
}

static int note_message(struct schema *schema, const char *scope, const message_proto *from,
			bool proto3)
{
	struct schema_type *to = &schema->types[schema->n_types++];
	int r = 0;

	if (!from->name)
		return -EBADMSG;
	to->from = from;
	to->proto3 = proto3;
	to->name = schema_text(schema, "%s.%s", scope, from->name);
	if (!to->name)
		return -ENOMEM;
	to->is = own_type(to->name);
	if (!to->is)
		to->is = to->built = schema_alloc(schema, 1, sizeof(*to->built));
	if (!to->is)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < from->n_enum_type; i++)
		r = note_enum(schema, to->name, from->enum_type[i]);
	for (size_t i = 0; r == 0 && i < from->n_nested_type; i++)
		r = note_message(schema, to->name, from->nested_type[i], proto3);
	return r;
}

static int note_file(struct schema *schema, const Google__Protobuf__FileDescriptorProto *file)
{
	bool packaged = file->package && *file->package;
	const char *scope = packaged ? schema_text(schema, ".%s", file->package) : "";
	bool proto3 = file->syntax && !strcmp(file->syntax, "proto3");
	int r = 0;

	if (!scope)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < file->n_enum_type; i++)
		r = note_enum(schema, scope, file->enum_type[i]);
	for (size_t i = 0; r == 0 && i < file->n_message_type; i++)
		r = note_message(schema, scope, file->message_type[i], proto3);
	return r;
}

static int collect(struct schema *schema)
{
	size_t types = 0, enums = 0;
	int r = 0;

	for (size_t i = 0; i < schema->set->n_file; i++) {
		enums += schema->set->file[i]->n_enum_type;
		for (size_t j = 0; j < schema->set->file[i]->n_message_type; j++)
			types += count_messages(schema->set->file[i]->message_type[j], &enums);
	}
	schema->types = schema_alloc(schema, types, sizeof(*schema->types));
	schema->enums = schema_alloc(schema, enums, sizeof(*schema->enums));
	if (!schema->types || !schema->enums)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < schema->set->n_file; i++)
		r = note_file(schema, schema->set->file[i]);
	return r;
}

/* --- Enums ---------------------------------------------------------------------- */

static int build_enum(struct schema *schema, struct schema_enum *type)
{
	ProtobufCEnumValue *values = schema_alloc(schema, type->from->n_value, sizeof(*values));

	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < type->from->n_value; i++) {
		if (!type->from->value[i]->name)
			return -EBADMSG;
		values[i].name = type->from->value[i]->name;
		values[i].value = type->from->value[i]->number;
	}
	type->built->magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC;
	type->built->name = type->name + 1;
	type->built->n_values = type->from->n_value;
	type->built->values = values;
	return 0;
}

/* --- Fields --------------------------------------------------------------------- */

static const struct {
	ProtobufCType type;
	size_t size;
} kinds[] = {
	[1] = { PROTOBUF_C_TYPE_DOUBLE, 8 },
	[2] = { PROTOBUF_C_TYPE_FLOAT, 4 },
	[3] = { PROTOBUF_C_TYPE_INT64, 8 },
	[4] = { PROTOBUF_C_TYPE_UINT64, 8 },
	[5] = { PROTOBUF_C_TYPE_INT32, 4 },
	[6] = { PROTOBUF_C_TYPE_FIXED64, 8 },
	[7] = { PROTOBUF_C_TYPE_FIXED32, 4 },
	[8] = { PROTOBUF_C_TYPE_BOOL, sizeof(protobuf_c_boolean) },
	[9] = { PROTOBUF_C_TYPE_STRING, sizeof(char *) },
	[11] = { PROTOBUF_C_TYPE_MESSAGE, sizeof(void *) },
	[12] = { PROTOBUF_C_TYPE_BYTES, sizeof(ProtobufCBinaryData) },
	[13] = { PROTOBUF_C_TYPE_UINT32, 4 },
	[14] = { PROTOBUF_C_TYPE_ENUM, 4 },
	[15] = { PROTOBUF_C_TYPE_SFIXED32, 4 },
	[16] = { PROTOBUF_C_TYPE_SFIXED64, 8 },
	[17] = { PROTOBUF_C_TYPE_SINT32, 4 },
	[18] = { PROTOBUF_C_TYPE_SINT64, 8 },
};

/* Space of this size at its alignment, which is at most 8. */
static unsigned int place(size_t *end, size_t size)
{
	size_t align = size < 8 ? size : 8, at = (*end + align - 1) / align * align;

	*end = at + size;
	return at;
}

static bool is_pointer(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

static bool is_in_oneof(const field_proto *from)
{
	return from->has_oneof_index && !from->proto3_optional;
}

static bool is_packed(const struct schema_type *type, const field_proto *from,
		      const ProtobufCFieldDescriptor *field)
{
	if (is_pointer(field) || field->type == PROTOBUF_C_TYPE_BYTES)
		return false;
	if (from->options && from->options->has_packed)
		return from->options->packed;
	return type->proto3;
}

static void place_field(const struct schema_type *type, const field_proto *from,
			ProtobufCFieldDescriptor *field, unsigned int *oneofs, size_t *end)
{
	if (LABEL(from) == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED) {
		field->label = PROTOBUF_C_LABEL_REPEATED;
		field->flags = is_packed(type, from, field) ? PROTOBUF_C_FIELD_FLAG_PACKED : 0;
		field->quantifier_offset = place(end, sizeof(size_t));
		field->offset = place(end, sizeof(void *));
		return;
	}
	if (is_in_oneof(from)) {
		field->label = PROTOBUF_C_LABEL_OPTIONAL;
		field->flags = PROTOBUF_C_FIELD_FLAG_ONEOF;
		if (!oneofs[from->oneof_index])
			oneofs[from->oneof_index] = place(end, sizeof(uint32_t));
		field->quantifier_offset = oneofs[from->oneof_index];
	} else if (LABEL(from) == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED) {
		field->label = PROTOBUF_C_LABEL_REQUIRED;
	} else if (type->proto3 && !from->proto3_optional) {
		field->label = PROTOBUF_C_LABEL_NONE;
	} else {
		field->label = PROTOBUF_C_LABEL_OPTIONAL;
		if (!is_pointer(field))
			field->quantifier_offset = place(end, sizeof(protobuf_c_boolean));
	}
	field->offset = place(end, kinds[from->type].size);
}

static int build_field(struct schema *schema, const struct schema_type *type,
		       const field_proto *from, ProtobufCFieldDescriptor *field,
		       unsigned int *oneofs, size_t *end)
{
	if (!from->name || from->number < 1 || from->type < 1 ||
	    from->type >= sizeof(kinds) / sizeof(*kinds) || !kinds[from->type].size)
		return -EBADMSG;
	if (from->has_oneof_index && (from->oneof_index < 0 ||
				      (size_t)from->oneof_index >= type->from->n_oneof_decl))
		return -EBADMSG;
	field->name = from->name;
	field->id = from->number;
	field->type = kinds[from->type].type;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		field->descriptor = schema_type(schema, from->type_name);
	if (field->type == PROTOBUF_C_TYPE_ENUM)
		field->descriptor = schema_enum(schema, from->type_name);
	if (!field->descriptor && (field->type == PROTOBUF_C_TYPE_MESSAGE ||
				   field->type == PROTOBUF_C_TYPE_ENUM))
		return -EBADMSG;
	place_field(type, from, field, oneofs, end);
	return 0;
}

/* --- Messages ------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const ProtobufCFieldDescriptor *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Ranges of consecutive field numbers, by which protobuf-c looks up fields. */
static int build_ranges(struct schema *schema, ProtobufCMessageDescriptor *built)
{
	ProtobufCIntRange *ranges = schema_alloc(schema, built->n_fields + 1, sizeof(*ranges));
	unsigned int n = 0;

	if (!ranges)
		return -ENOMEM;
	for (unsigned int i = 0; i < built->n_fields; i++) {
		if (i && built->fields[i].id == built->fields[i - 1].id)
			return -EBADMSG;
		if (i && built->fields[i].id == built->fields[i - 1].id + 1)
			continue;
		ranges[n].start_value = built->fields[i].id;
		ranges[n++].orig_index = i;
	}
	ranges[n].orig_index = built->n_fields;
	built->field_ranges = ranges;
	built->n_field_ranges = n;
	return 0;
}

static int build_message(struct schema *schema, struct schema_type *type)
{
	ProtobufCMessageDescriptor *built = type->built;
	size_t n = type->from->n_field, end = sizeof(ProtobufCMessage);
	ProtobufCFieldDescriptor *fields = schema_alloc(schema, n, sizeof(*fields));
	unsigned int *oneofs = schema_alloc(schema, type->from->n_oneof_decl, sizeof(*oneofs));
	int r = 0;

	if (!fields || !oneofs)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = build_field(schema, type, type->from->field[i], &fields[i], oneofs, &end);
	if (r < 0)
		return r;
	qsort(fields, n, sizeof(*fields), by_number);
	built->magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC;
	built->name = type->name + 1;
	built->sizeof_message = place(&end, 8);
	built->n_fields = n;
	built->fields = fields;
	return build_ranges(schema, built);
}

int schema_build_types(struct schema *schema)
{
	int r = collect(schema);

	for (size_t i = 0; r == 0 && i < schema->n_enums; i++)
		r = build_enum(schema, &schema->enums[i]);
	for (size_t i = 0; r == 0 && i < schema->n_types; i++)
		if (schema->types[i].built)
			r = build_message(schema, &schema->types[i]);
	return r;
}
