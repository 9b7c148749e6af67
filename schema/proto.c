// SPDX-License-Identifier: MIT
/*
 * Prints descriptors as a .proto file that protoc reads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"
#include "text.h"

typedef Google__Protobuf__SourceCodeInfo__Location location;

/* Fields of the descriptors that have comments. */
enum {
	FILE_MESSAGE = 4,
	FILE_ENUM = 5,
	FILE_SERVICE = 6,
	MESSAGE_FIELD = 2,
	MESSAGE_MESSAGE = 3,
	MESSAGE_ENUM = 4,
	MESSAGE_ONEOF = 8,
	ENUM_VALUE = 2,
	SERVICE_METHOD = 2,
};

/**
 * struct printer - state of printing
 * @schema: the schema to print
 * @file: output stream
 * @package: of the .proto file
 * @proto3: the file has proto3 syntax
 * @depth: number of open braces
 * @failed: memory was short, so the output is incomplete
 * @comments: @n_comments places with comments, by path
 * @path: path of the current element: field and index of each step, beginning at the file
 * @n_path: length of @path
 */
struct printer {
	const struct schema *schema;
	FILE *file;
	const char *package;
	bool proto3;
	int depth;
	bool failed;
	const location **comments;
	size_t n_comments;
	int32_t path[2 * SCHEMA_DEPTH + 8];
	size_t n_path;
};

/* --- Comments --------------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
	const location *const *x = a, *const *y = b;
	size_t n = (*x)->n_path < (*y)->n_path ? (*x)->n_path : (*y)->n_path;

	for (size_t i = 0; i < n; i++)
		if ((*x)->path[i] != (*y)->path[i])
			return (*x)->path[i] < (*y)->path[i] ? -1 : 1;
	return (*x)->n_path < (*y)->n_path ? -1 : (*x)->n_path > (*y)->n_path;
}

static bool find_comments(struct printer *p, const Google__Protobuf__SourceCodeInfo *source)
{
	size_t n = source ? source->n_location : 0;

	p->comments = calloc(n + 1, sizeof(*p->comments));
	if (!p->comments)
		return false;
	for (size_t i = 0; i < n; i++)
		if (source->location[i]->leading_comments)
			p->comments[p->n_comments++] = source->location[i];
	qsort(p->comments, p->n_comments, sizeof(*p->comments), by_path);
	return true;
}

/* Prints each line of the text as a comment, without control characters. */
static void put_text(struct printer *p, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *copy = strndup(text, n);

		if (!copy) {
			p->failed = true;
			return;
		}
		text_clean_line(copy);
		fprintf(p->file, "%*s//%s\n", 2 * p->depth, "", copy);
		free(copy);
		text += n + (text[n] == '\n');
	}
}

/* Appends an element to the path and prints its comment. The caller must call leave()
 * afterwards. */
static void enter(struct printer *p, int32_t field, size_t index)
{
	location key = { .path = p->path };
	const location *wanted = &key, **found;

	p->path[p->n_path++] = field;
	p->path[p->n_path++] = (int32_t)index;
	key.n_path = p->n_path;
	found = bsearch(&wanted, p->comments, p->n_comments, sizeof(*p->comments), by_path);
	if (found)
		put_text(p, (*found)->leading_comments);
}

static void leave(struct printer *p)
{
	p->n_path -= 2;
}

/* --- Lines -------------------------------------------------------------------------- */

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

/* Returns the name without the package of the file: ".pkg.Type" is "Type". */
static const char *short_name(const struct printer *p, const char *name)
{
	size_t n = strlen(p->package);

	name += *name == '.';
	if (n && !strncmp(name, p->package, n) && name[n] == '.' && !strchr(name + n + 1, '.'))
		return name + n + 1;
	return name;
}

static const char *type_name(const struct printer *p,
			     const Google__Protobuf__FieldDescriptorProto *field)
{
	return field_kinds[field->type].name ?: short_name(p, field->type_name);
}

static bool is_in_oneof(const Google__Protobuf__FieldDescriptorProto *field)
{
	return field->has_oneof_index && !field->proto3_optional;
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
		if (is_in_oneof(field))
			return "";
		return !p->proto3 || field->proto3_optional ? "optional " : "";
	}
}

static void put_string(struct printer *p, const char *text)
{
	fputc('"', p->file);
	for (const unsigned char *c = (const void *)text; *c; c++) {
		if (*c == '"' || *c == '\\' || *c < ' ')
			fprintf(p->file, "\\%03o", *c);
		else
			fputc(*c, p->file);
	}
	fputc('"', p->file);
}

/* Prints a default. Escapes strings; in bytes, protoc has done that. Other values are words. */
static void put_default(struct printer *p, const Google__Protobuf__FieldDescriptorProto *field)
{
	bool text = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
	bool bytes = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES;

	fputs("default = ", p->file);
	if (text)
		put_string(p, field->default_value);
	else
		fprintf(p->file, bytes ? "\"%s\"" : "%s", field->default_value);
}

/* Prints a json_name that the .proto file has set. */
static void put_json_name(struct printer *p, const Google__Protobuf__FieldDescriptorProto *field,
			  const char **separator)
{
	char *usual = schema_json_name(field->name);

	p->failed |= !usual;
	if (usual && field->json_name && strcmp(field->json_name, usual) != 0) {
		fprintf(p->file, "%sjson_name = ", *separator);
		put_string(p, field->json_name);
		*separator = ", ";
	}
	free(usual);
}

static void put_field_options(struct printer *p,
			      const Google__Protobuf__FieldDescriptorProto *field)
{
	const char *separator = " [";

	if (field->default_value) {
		fputs(separator, p->file);
		put_default(p, field);
		separator = ", ";
	}
	put_json_name(p, field, &separator);
	if (field->options && field->options->has_packed) {
		fprintf(p->file, "%spacked = %s", separator,
			field->options->packed ? "true" : "false");
		separator = ", ";
	}
	if (*separator == ',')
		fputc(']', p->file);
}

static void put_enum(struct printer *p, const Google__Protobuf__EnumDescriptorProto *type)
{
	line(p, "enum %s {", type->name);
	p->depth++;
	if (type->options && type->options->allow_alias)
		line(p, "option allow_alias = true;");
	for (size_t i = 0; i < type->n_value; i++) {
		enter(p, ENUM_VALUE, i);
		line(p, "%s = %" PRId32 ";", type->value[i]->name, type->value[i]->number);
		leave(p);
	}
	p->depth--;
	line(p, "}");
}

/* --- Messages ------------------------------------------------------------------- */

/* If the field is a message, returns its type, otherwise NULL. */
static const struct schema_type *type_of(const struct printer *p,
					 const Google__Protobuf__FieldDescriptorProto *field)
{
	return field->type_name ? schema_message_type(p->schema, field->type_name) : NULL;
}

static bool is_map_entry(const struct schema_type *type)
{
	return type && type->is_map;
}

static void put_message(struct printer *p, const struct schema_type *type,
			const Google__Protobuf__FieldDescriptorProto *group);

static void put_field(struct printer *p, const Google__Protobuf__FieldDescriptorProto *field)
{
	const struct schema_type *type = type_of(p, field);

	if (type && field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP) {
		/* protoc attaches the comment of a group to its type. */
		enter(p, MESSAGE_MESSAGE, type->index);
		put_message(p, type, field);
		leave(p);
		return;
	}
	fprintf(p->file, "%*s", 2 * p->depth, "");
	if (is_map_entry(type))
		fprintf(p->file, "map<%s, %s>", type_name(p, type->message->field[0]),
			type_name(p, type->message->field[1]));
	else
		fprintf(p->file, "%s%s", label_of(p, field), type_name(p, field));
	fprintf(p->file, " %s = %" PRId32, field->name, field->number);
	put_field_options(p, field);
	fputs(";\n", p->file);
}

/* Prints all fields, those of a oneof together. */
static void put_fields(struct printer *p, const Google__Protobuf__DescriptorProto *message)
{
	int32_t open = -1;

	for (size_t i = 0; i < message->n_field; i++) {
		const Google__Protobuf__FieldDescriptorProto *field = message->field[i];
		int32_t oneof = is_in_oneof(field) ? field->oneof_index : -1;

		if (oneof != open && open >= 0) {
			p->depth--;
			line(p, "}");
		}
		if (oneof != open && oneof >= 0) {
			enter(p, MESSAGE_ONEOF, oneof);
			leave(p);
			line(p, "oneof %s {", message->oneof_decl[oneof]->name);
			p->depth++;
		}
		open = oneof;
		enter(p, MESSAGE_FIELD, i);
		leave(p);
		put_field(p, field);
	}
	if (open >= 0) {
		p->depth--;
		line(p, "}");
	}
}

/* Prints a nested message. Groups are printed with their fields. */
static void put_nested(struct printer *p, const struct schema_type *type, size_t i)
{
	const struct schema_type *nested;
	char *name;

	if (asprintf(&name, "%s.%s", type->name, type->message->nested_type[i]->name) < 0) {
		p->failed = true;
		return;
	}
	nested = schema_message_type(p->schema, name);
	free(name);
	if (!nested || is_map_entry(nested) || nested->is_group)
		return;
	enter(p, MESSAGE_MESSAGE, i);
	put_message(p, nested, NULL);
	leave(p);
}

/* Prints a message. group: if it is a group, the field with this type; otherwise NULL. */
static void put_message(struct printer *p, const struct schema_type *type,
			const Google__Protobuf__FieldDescriptorProto *group)
{
	const Google__Protobuf__DescriptorProto *message = type->message;

	if (group)
		line(p, "%sgroup %s = %" PRId32 " {", label_of(p, group), message->name,
		     group->number);
	else
		line(p, "message %s {", message->name);
	p->depth++;
	for (size_t i = 0; i < message->n_enum_type; i++) {
		enter(p, MESSAGE_ENUM, i);
		put_enum(p, message->enum_type[i]);
		leave(p);
	}
	for (size_t i = 0; i < message->n_nested_type; i++)
		put_nested(p, type, i);
	put_fields(p, message);
	p->depth--;
	line(p, "}");
}

/* --- Services ------------------------------------------------------------------- */

static void put_method(struct printer *p, const Google__Protobuf__MethodDescriptorProto *method)
{
	const ProtobufCMessage *options = SCHEMA_OPTIONS(method);
	uint64_t oneway, id, timeout, copy;
	char *name = schema_text_option(options, OPTION_NAME);
	bool has_oneway = schema_option(options, OPTION_ONEWAY, &oneway) && oneway;
	bool has_id = schema_option(options, OPTION_ID, &id);
	bool has_timeout = schema_option(options, OPTION_TIMEOUT_MS, &timeout);
	bool has_copy = schema_option(options, OPTION_COPY, &copy) && copy;
	bool has_body = has_oneway || has_id || has_timeout || has_copy || name;

	fprintf(p->file, "%*srpc %s(%s%s) returns (%s%s)%s\n", 2 * p->depth, "", method->name,
		method->client_streaming ? "stream " : "", short_name(p, method->input_type),
		method->server_streaming ? "stream " : "", short_name(p, method->output_type),
		has_body ? " {" : ";");
	p->depth++;
	if (has_oneway)
		line(p, "option (ipc.oneway) = true;");
	if (has_id)
		line(p, "option (ipc.id) = %" PRIu64 ";", id);
	if (has_timeout)
		line(p, "option (ipc.timeout_ms) = %" PRIu64 ";", timeout);
	if (has_copy)
		line(p, "option (ipc.copy) = true;");
	if (name)
		line(p, "option (ipc.name) = \"%s\";", name);
	p->depth--;
	if (has_body)
		line(p, "}");
	free(name);
}

static void put_service(struct printer *p, const Google__Protobuf__ServiceDescriptorProto *service)
{
	char *prefix = schema_text_option(SCHEMA_OPTIONS(service), OPTION_C_PREFIX);

	line(p, "service %s {", service->name);
	p->depth++;
	if (prefix)
		line(p, "option (ipc.c_prefix) = \"%s\";", prefix);
	free(prefix);
	for (size_t i = 0; i < service->n_method; i++) {
		enter(p, SERVICE_METHOD, i);
		put_method(p, service->method[i]);
		leave(p);
	}
	p->depth--;
	line(p, "}");
}

static void put_top_message(struct printer *p, const char *name)
{
	const struct schema_type *type;
	char *full;

	if (asprintf(&full, "%s%s.%s", *p->package ? "." : "", p->package, name) < 0) {
		p->failed = true;
		return;
	}
	type = schema_message_type(p->schema, full);
	free(full);
	if (type)
		put_message(p, type, NULL);
}

int schema_print(const struct schema *schema, FILE *file)
{
	const Google__Protobuf__FileDescriptorProto *from = schema->file;
	uint64_t prefix_package;
	struct printer p = {
		.schema = schema,
		.file = file,
		.package = from->package ? from->package : "",
	};

	if (!find_comments(&p, from->source_code_info))
		return -ENOMEM;
	p.proto3 = from->syntax && !strcmp(from->syntax, "proto3");
	line(&p, "syntax = \"%s\";", p.proto3 ? "proto3" : "proto2");
	if (*p.package)
		line(&p, "\npackage %s;", p.package);
	if (from->n_dependency)
		fputc('\n', file);
	for (size_t i = 0; i < from->n_dependency; i++)
		line(&p, "import \"%s\";", from->dependency[i]);
	if (schema_option(SCHEMA_OPTIONS(from), OPTION_PREFIX_PACKAGE, &prefix_package))
		line(&p, "\noption (ipc.prefix_package) = %s;", prefix_package ? "true" : "false");
	for (size_t i = 0; i < from->n_service; i++) {
		fputc('\n', file);
		enter(&p, FILE_SERVICE, i);
		put_service(&p, from->service[i]);
		leave(&p);
	}
	for (size_t i = 0; i < from->n_message_type; i++) {
		fputc('\n', file);
		enter(&p, FILE_MESSAGE, i);
		put_top_message(&p, from->message_type[i]->name);
		leave(&p);
	}
	for (size_t i = 0; i < from->n_enum_type; i++) {
		fputc('\n', file);
		enter(&p, FILE_ENUM, i);
		put_enum(&p, from->enum_type[i]);
		leave(&p);
	}
	free(p.comments);
	if (p.failed)
		return -ENOMEM;
	return ferror(file) ? -EIO : 0;
}
