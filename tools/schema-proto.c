// SPDX-License-Identifier: MIT
/*
 * Prints descriptors as a .proto file that protoc reads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "schema-private.h"

/* depth: number of open braces. */
struct printer {
	FILE *file;
	const char *package;
	bool proto3;
	int depth;
};

static void line(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct printer *p, const char *format, ...)
{
	va_list args;

	fprintf(p->file, "%*s", 2 * p->depth, "");
	va_start(args, format);
	vfprintf(p->file, format, args);
	va_end(args);
	fputc('\n', p->file);
}

/* ".pkg.Type" of this package is "Type". */
static const char *short_name(const struct printer *p, const char *name)
{
	size_t n = strlen(p->package);

	if (!name || *name != '.')
		return name ? name : "?";
	name++;
	if (n && !strncmp(name, p->package, n) && name[n] == '.' && !strchr(name + n + 1, '.'))
		return name + n + 1;
	return name;
}

static const char *type_name(const struct printer *p,
			     const Google__Protobuf__FieldDescriptorProto *field)
{
	static const char *const names[] = {
		NULL,	 "double",  "float",  "int64", "uint64",   "int32",    "fixed64",
		"fixed32", "bool",    "string", "group", NULL,	     "bytes",	 "uint32",
		NULL,	 "sfixed32", "sfixed64", "sint32", "sint64",
	};

	if (field->type_name)
		return short_name(p, field->type_name);
	return field->type > 0 && (size_t)field->type < sizeof(names) / sizeof(*names) ?
		       names[field->type] : "?";
}

static const char *label_of(const struct printer *p,
			    const Google__Protobuf__FieldDescriptorProto *field)
{
	switch (field->label) {
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED:
		return "repeated ";
	case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED:
		return "required ";
	default:
		if (field->has_oneof_index && !field->proto3_optional)
			return "";
		return !p->proto3 || field->proto3_optional ? "optional " : "";
	}
}

/* A string is quoted and escaped here; bytes are escaped already; others are words. */
static void put_default(struct printer *p, const Google__Protobuf__FieldDescriptorProto *field)
{
	bool text = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
	bool bytes = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES;

	fputs(text || bytes ? "default = \"" : "default = ", p->file);
	for (const unsigned char *c = (void *)field->default_value; *c; c++) {
		if (text && (*c == '"' || *c == '\\' || *c < ' '))
			fprintf(p->file, "\\%03o", *c);
		else
			fputc(*c, p->file);
	}
	if (text || bytes)
		fputc('"', p->file);
}

static void put_field_options(struct printer *p,
			      const Google__Protobuf__FieldDescriptorProto *field)
{
	bool packed = field->options && field->options->has_packed;

	if (!field->default_value && !packed)
		return;
	fputs(" [", p->file);
	if (field->default_value)
		put_default(p, field);
	if (packed)
		fprintf(p->file, "%spacked = %s", field->default_value ? ", " : "",
			field->options->packed ? "true" : "false");
	fputc(']', p->file);
}

static void put_field(struct printer *p, const Google__Protobuf__FieldDescriptorProto *field)
{
	fprintf(p->file, "%*s%s%s %s = %" PRId32, 2 * p->depth, "", label_of(p, field),
		type_name(p, field), field->name, field->number);
	put_field_options(p, field);
	fputs(";\n", p->file);
}

static void put_enum(struct printer *p, const Google__Protobuf__EnumDescriptorProto *type)
{
	line(p, "enum %s {", type->name);
	p->depth++;
	if (type->options && type->options->allow_alias)
		line(p, "option allow_alias = true;");
	for (size_t i = 0; i < type->n_value; i++)
		line(p, "%s = %" PRId32 ";", type->value[i]->name, type->value[i]->number);
	p->depth--;
	line(p, "}");
}

/* --- Messages ------------------------------------------------------------------- */

static bool is_map_entry(const Google__Protobuf__DescriptorProto *type)
{
	return type->options && type->options->map_entry;
}

/* The entry type that protoc generates for a field map<K, V>, or NULL. */
static const Google__Protobuf__DescriptorProto *
map_entry(const Google__Protobuf__DescriptorProto *type,
	  const Google__Protobuf__FieldDescriptorProto *field)
{
	const char *name = field->type_name ? strrchr(field->type_name, '.') : NULL;

	for (size_t i = 0; name && i < type->n_nested_type; i++)
		if (is_map_entry(type->nested_type[i]) && type->nested_type[i]->n_field == 2 &&
		    !strcmp(type->nested_type[i]->name, name + 1))
			return type->nested_type[i];
	return NULL;
}

static void put_oneof(struct printer *p, const Google__Protobuf__DescriptorProto *type,
		      int32_t index)
{
	line(p, "oneof %s {", type->oneof_decl[index]->name);
	p->depth++;
	for (size_t i = 0; i < type->n_field; i++)
		if (type->field[i]->has_oneof_index && type->field[i]->oneof_index == index)
			put_field(p, type->field[i]);
	p->depth--;
	line(p, "}");
}

/* A oneof is printed in place of its first member. */
static bool is_later_member(const Google__Protobuf__DescriptorProto *type, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (type->field[j]->has_oneof_index &&
		    type->field[j]->oneof_index == type->field[i]->oneof_index)
			return true;
	return false;
}

static void put_member(struct printer *p, const Google__Protobuf__DescriptorProto *type, size_t i)
{
	const Google__Protobuf__FieldDescriptorProto *field = type->field[i];
	const Google__Protobuf__DescriptorProto *entry = map_entry(type, field);

	if (entry)
		line(p, "map<%s, %s> %s = %" PRId32 ";", type_name(p, entry->field[0]),
		     type_name(p, entry->field[1]), field->name, field->number);
	else if (!field->has_oneof_index || field->proto3_optional)
		put_field(p, field);
	else if ((size_t)field->oneof_index < type->n_oneof_decl && !is_later_member(type, i))
		put_oneof(p, type, field->oneof_index);
}

static void put_message(struct printer *p, const Google__Protobuf__DescriptorProto *type)
{
	line(p, "message %s {", type->name);
	p->depth++;
	for (size_t i = 0; i < type->n_enum_type; i++)
		put_enum(p, type->enum_type[i]);
	for (size_t i = 0; i < type->n_nested_type; i++)
		if (!is_map_entry(type->nested_type[i]))
			put_message(p, type->nested_type[i]);
	for (size_t i = 0; i < type->n_field; i++)
		put_member(p, type, i);
	p->depth--;
	line(p, "}");
}

/* --- Services ------------------------------------------------------------------- */

static void put_method(struct printer *p, const struct schema *schema, const char *service,
		       const Google__Protobuf__MethodDescriptorProto *method)
{
	const struct schema_method *own = NULL;
	const char *dot = strrchr(schema->interface, '.');

	if (!strcmp(dot ? dot + 1 : schema->interface, service))
		own = schema_find(schema, method->name);
	fprintf(p->file, "%*srpc %s(%s%s) returns (%s%s)", 2 * p->depth, "", method->name,
		method->client_streaming ? "stream " : "", short_name(p, method->input_type),
		method->server_streaming ? "stream " : "", short_name(p, method->output_type));
	if (own && own->oneway)
		fputs(" {\n    option (ipc.oneway) = true;\n  }\n", p->file);
	else if (own && !(own->method.code & 0x80000000u))
		fprintf(p->file, " {\n    option (ipc.id) = %" PRIu32 ";\n  }\n", own->method.code);
	else
		fputs(";\n", p->file);
}

static void put_service(struct printer *p, const struct schema *schema,
			const Google__Protobuf__ServiceDescriptorProto *service)
{
	line(p, "service %s {", service->name);
	p->depth++;
	for (size_t i = 0; i < service->n_method; i++)
		put_method(p, schema, service->name, service->method[i]);
	p->depth--;
	line(p, "}");
}

int schema_print(const struct schema *schema, FILE *file)
{
	const Google__Protobuf__FileDescriptorProto *from = schema->file;
	struct printer p = { .file = file, .package = from->package ? from->package : "" };

	p.proto3 = from->syntax && !strcmp(from->syntax, "proto3");
	line(&p, "syntax = \"%s\";", p.proto3 ? "proto3" : "proto2");
	if (*p.package)
		line(&p, "\npackage %s;", p.package);
	if (from->n_dependency)
		fputc('\n', file);
	for (size_t i = 0; i < from->n_dependency; i++)
		line(&p, "import \"%s\";", from->dependency[i]);
	for (size_t i = 0; i < from->n_service; i++) {
		fputc('\n', file);
		put_service(&p, schema, from->service[i]);
	}
	for (size_t i = 0; i < from->n_message_type; i++) {
		fputc('\n', file);
		put_message(&p, from->message_type[i]);
	}
	for (size_t i = 0; i < from->n_enum_type; i++) {
		fputc('\n', file);
		put_enum(&p, from->enum_type[i]);
	}
	return ferror(file) ? -EIO : 0;
}
