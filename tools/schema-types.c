// SPDX-License-Identifier: MIT
/*
 * The messages and enums of a schema. A service chooses what is here: it must be what protoc
 * writes, so nothing that reads or prints a schema has to doubt a name or a type again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schema-private.h"

typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__FileDescriptorProto file_proto;

/* Of a full name; so a nested name costs no more than its description. */
#define MAX_NAME 512
#define MAX_NUMBER ((1 << 29) - 1)

#define WORD_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

const struct field_kind field_kinds[N_FIELD_TYPES] = {
	[FIELD_DOUBLE] = { "double", WIRE_64BIT, 0, 0 },
	[FIELD_FLOAT] = { "float", WIRE_32BIT, 0, 0 },
	[FIELD_INT64] = { "int64", WIRE_VARINT, INT64_MIN, INT64_MAX },
	[FIELD_UINT64] = { "uint64", WIRE_VARINT, 0, UINT64_MAX },
	[FIELD_INT32] = { "int32", WIRE_VARINT, INT32_MIN, INT32_MAX },
	[FIELD_FIXED64] = { "fixed64", WIRE_64BIT, 0, UINT64_MAX },
	[FIELD_FIXED32] = { "fixed32", WIRE_32BIT, 0, UINT32_MAX },
	[FIELD_BOOL] = { "bool", WIRE_VARINT, 0, 0 },
	[FIELD_STRING] = { "string", WIRE_BYTES, 0, 0 },
	[FIELD_MESSAGE] = { NULL, WIRE_BYTES, 0, 0 },
	[FIELD_BYTES] = { "bytes", WIRE_BYTES, 0, 0 },
	[FIELD_UINT32] = { "uint32", WIRE_VARINT, 0, UINT32_MAX },
	[FIELD_ENUM] = { NULL, WIRE_VARINT, 0, 0 },
	[FIELD_SFIXED32] = { "sfixed32", WIRE_32BIT, INT32_MIN, INT32_MAX },
	[FIELD_SFIXED64] = { "sfixed64", WIRE_64BIT, INT64_MIN, INT64_MAX },
	[FIELD_SINT32] = { "sint32", WIRE_VARINT, INT32_MIN, INT32_MAX },
	[FIELD_SINT64] = { "sint64", WIRE_VARINT, INT64_MIN, INT64_MAX },
};

/* --- Names ---------------------------------------------------------------------- */

static bool is_word(const char *name)
{
	return name && *name && !name[strspn(name, WORD_CHARS)];
}

/* Printed between quotes. */
static bool is_path(const char *path)
{
	return path && !path[strspn(path, WORD_CHARS "./-+@=~, ")];
}

static bool is_package(const char *package)
{
	return !package || !package[strspn(package, WORD_CHARS ".")];
}

/* Printed as it is, but for strings. In that of `bytes`, protoc has escaped quotes. */
static bool is_default(const field_proto *field)
{
	const char *c = field->default_value;

	if (!c || (int)field->type == FIELD_STRING)
		return true;
	for (; *c >= ' ' && *c < 0x7f && *c != '"'; c++)
		if (*c == '\\' && !*++c)
			return false;
	return !*c;
}

static bool is_service(const Google__Protobuf__ServiceDescriptorProto *service)
{
	bool valid = is_word(service->name);

	for (size_t i = 0; i < service->n_method; i++)
		valid = valid && is_word(service->method[i]->name);
	return valid;
}

static bool has_words(const message_proto *message)
{
	bool valid = true;

	for (size_t i = 0; i < message->n_oneof_decl; i++)
		valid = valid && is_word(message->oneof_decl[i]->name);
	for (size_t i = 0; i < message->n_field; i++)
		valid = valid && is_word(message->field[i]->name) && is_default(message->field[i]);
	return valid;
}

/* --- Collecting ------------------------------------------------------------------- */

static enum schema_kind kind_of(const char *name)
{
	if (!strcmp(name, ".ipc.Object"))
		return KIND_OBJECT;
	return strcmp(name, ".ipc.Fd") ? KIND_PLAIN : KIND_FD;
}

/* Adds a type; ret_name gets its full name. */
static int note(struct schema *schema, const char *scope, const char *name,
		struct schema_type type, const char **ret_name)
{
	struct schema_type *types;

	if (!is_word(name) || strlen(scope) + strlen(name) >= MAX_NAME)
		return -EBADMSG;
	types = reallocarray(schema->types, schema->n_types + 1, sizeof(*types));
	if (!types)
		return -ENOMEM;
	schema->types = types;
	if (asprintf(&type.name, "%s.%s", scope, name) < 0)
		return -ENOMEM;
	type.kind = kind_of(type.name);
	types[schema->n_types++] = type;
	*ret_name = type.name;
	return 0;
}

static int note_enums(struct schema *schema, const char *scope, enum_proto *const *enums, size_t n)
{
	const char *name;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = note(schema, scope, enums[i]->name, (struct schema_type){ .values = enums[i] },
			 &name);
		for (size_t j = 0; r == 0 && j < enums[i]->n_value; j++)
			r = is_word(enums[i]->value[j]->name) ? 0 : -EBADMSG;
	}
	return r;
}

static int note_message(struct schema *schema, const char *scope, const message_proto *message,
			bool proto3)
{
	const struct schema_type type = { .message = message, .proto3 = proto3 };
	const char *name;
	int r;

	r = note(schema, scope, message->name, type, &name);
	if (r < 0)
		return r;
	if (!has_words(message))
		return -EBADMSG;
	r = note_enums(schema, name, message->enum_type, message->n_enum_type);
	for (size_t i = 0; r == 0 && i < message->n_nested_type; i++)
		r = note_message(schema, name, message->nested_type[i], proto3);
	return r;
}

static int note_file(struct schema *schema, const file_proto *file)
{
	bool packaged = file->package && *file->package;
	bool proto3 = file->syntax && !strcmp(file->syntax, "proto3");
	char scope[MAX_NAME] = "";
	int r = 0;

	if (!is_package(file->package) || (packaged && strlen(file->package) >= MAX_NAME - 1))
		return -EBADMSG;
	for (size_t i = 0; i < file->n_dependency; i++)
		r = is_path(file->dependency[i]) ? r : -EBADMSG;
	for (size_t i = 0; i < file->n_service; i++)
		r = is_service(file->service[i]) ? r : -EBADMSG;
	if (packaged)
		stpcpy(stpcpy(scope, "."), file->package);
	if (r == 0)
		r = note_enums(schema, scope, file->enum_type, file->n_enum_type);
	for (size_t i = 0; r == 0 && i < file->n_message_type; i++)
		r = note_message(schema, scope, file->message_type[i], proto3);
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct schema_type *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static struct schema_type *find(const struct schema *schema, const char *name)
{
	const struct schema_type key = { .name = (char *)name };

	if (!name || !schema->n_types)
		return NULL;
	return bsearch(&key, schema->types, schema->n_types, sizeof(key), by_name);
}

const struct schema_type *schema_message_type(const struct schema *schema, const char *name)
{
	const struct schema_type *type = find(schema, name);

	return type && type->message ? type : NULL;
}

const char *schema_type_name(const struct schema_type *type)
{
	return type->name + 1;
}

/* --- Fields --------------------------------------------------------------------- */

/* A type in the message, with the name of the field but for capitals. No other field has it. */
static bool is_group(const struct schema_type *type, const struct schema_field *field,
		     const struct schema_type *group)
{
	size_t n = strlen(type->name);

	return !type->proto3 && !group->is_group && !strncmp(group->name, type->name, n) &&
	       group->name[n] == '.' && !strcasecmp(group->name + n + 1, field->name);
}

static bool is_packed(const struct schema_type *type, const field_proto *from, unsigned int wire)
{
	if (wire == WIRE_BYTES || wire == WIRE_GROUP)
		return false;
	return from->options && from->options->has_packed ? from->options->packed : type->proto3;
}

static int build_field(struct schema *schema, const struct schema_type *type,
		       const field_proto *from, struct schema_field *field)
{
	bool group = from->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
	struct schema_type *is;

	if (from->number < 1 || from->number > MAX_NUMBER || (int)from->type < 1 ||
	    (int)from->type >= N_FIELD_TYPES ||
	    (from->has_oneof_index && (from->oneof_index < 0 ||
				       (size_t)from->oneof_index >= type->message->n_oneof_decl)))
		return -EBADMSG;
	*field = (struct schema_field){
		.name = from->name,
		.number = from->number,
		.type = group ? FIELD_MESSAGE : (enum field_type)from->type,
		.wire = group ? WIRE_GROUP : field_kinds[from->type].wire,
		.repeated = from->label ==
			    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED,
		.required = from->label ==
			    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED,
		.oneof = from->has_oneof_index && !from->proto3_optional ? from->oneof_index : -1,
	};
	field->packed = field->repeated && is_packed(type, from, field->wire);
	field->implicit = type->proto3 && !from->proto3_optional && !field->repeated &&
			  !field->required && field->oneof < 0 && field->type != FIELD_MESSAGE;
	if (field->type != FIELD_MESSAGE && field->type != FIELD_ENUM)
		return 0;
	is = find(schema, from->type_name);
	if (!is || !is->message != (field->type == FIELD_ENUM) ||
	    (group && !is_group(type, field, is)))
		return -EBADMSG;
	is->is_group |= group;
	field->is = is;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct schema_field *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int build_message(struct schema *schema, struct schema_type *type)
{
	size_t n = type->message->n_field;
	int r = 0;

	type->fields = calloc(n + 1, sizeof(*type->fields));
	if (!type->fields)
		return -ENOMEM;
	type->n_fields = n;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = build_field(schema, type, type->message->field[i], &type->fields[i]);
	if (r < 0)
		return r;
	qsort(type->fields, n, sizeof(*type->fields), by_number);
	for (size_t i = 1; i < n; i++)
		if (type->fields[i].number == type->fields[i - 1].number)
			return -EBADMSG;
	return 0;
}

/* Of all services: all of a file are printed. */
static bool has_types(const struct schema *schema,
		      const Google__Protobuf__ServiceDescriptorProto *service)
{
	bool valid = true;

	for (size_t i = 0; i < service->n_method; i++)
		valid = valid && schema_message_type(schema, service->method[i]->input_type) &&
			schema_message_type(schema, service->method[i]->output_type);
	return valid;
}

int schema_build_types(struct schema *schema)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < schema->set->n_file; i++)
		r = note_file(schema, schema->set->file[i]);
	if (r < 0)
		return r;
	if (schema->n_types)
		qsort(schema->types, schema->n_types, sizeof(*schema->types), by_name);
	for (size_t i = 0; i < schema->set->n_file; i++)
		for (size_t j = 0; j < schema->set->file[i]->n_service; j++)
			r = has_types(schema, schema->set->file[i]->service[j]) ? r : -EBADMSG;
	for (size_t i = 0; r == 0 && i < schema->n_types; i++)
		if (schema->types[i].message)
			r = build_message(schema, &schema->types[i]);
	return r;
}
