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

#include "schema-private.h"
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
 * struct printer - what is printed, and where that is
 * @file: gets it
 * @package: of the .proto file
 * @proto3: it is one of proto3
 * @depth: number of open braces
 * @failed: there was no memory for all of it
 * @comments: places with comments, @n_comments of them, by path
 * @path: of what is printed now: field and index of each step from the file down
 * @n_path: numbers in it
 */
struct printer {
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

/* Whatever the service says is a comment: each line is one, without control characters. */
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

/* A step down to an element, whose comment is printed. The caller ends with leave(). */
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

/* ".pkg.Type" of this package is "Type". */
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

static bool is_map_entry(const Google__Protobuf__DescriptorProto *type)
{
	return type->options && type->options->map_entry;
}

/**
 * struct nested - a type in a message
 * @type: its description
 * @index: among the types of the message
 * @is_group: it is printed with the field that is this group
 */
struct nested {
	const Google__Protobuf__DescriptorProto *type;
	size_t index;
	bool is_group;
};

/**
 * struct body - what the fields of a message refer to
 * @nested: its @n_nested types, by name
 * @first: of each oneof its first field, plus 1
 * @next: of each field the next one in its oneof, plus 1
 */
struct body {
	struct nested *nested;
	size_t n_nested;
	size_t *first, *next;
};

static int by_name(const void *a, const void *b)
{
	const struct nested *x = a, *y = b;

	return strcmp(x->type->name, y->type->name);
}

static void body_done(struct body *body)
{
	free(body->nested);
	free(body->first);
	free(body->next);
}

static struct nested *find_nested(const struct body *body, const char *name)
{
	Google__Protobuf__DescriptorProto type = { .name = (char *)name };
	struct nested key = { .type = &type };

	return bsearch(&key, body->nested, body->n_nested, sizeof(key), by_name);
}

/* The type in the message that a field has, by the last part of its name, or NULL. */
static struct nested *nested_of(const struct body *body,
				const Google__Protobuf__FieldDescriptorProto *field)
{
	const char *dot = field->type_name ? strrchr(field->type_name, '.') : NULL;

	return dot ? find_nested(body, dot + 1) : NULL;
}

/* The type of a group, or NULL. */
static struct nested *group_of(const struct body *body,
			       const Google__Protobuf__FieldDescriptorProto *field)
{
	return field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP ?
		       nested_of(body, field) : NULL;
}

static bool body_init(struct body *body, const Google__Protobuf__DescriptorProto *type)
{
	*body = (struct body){
		.nested = calloc(type->n_nested_type + 1, sizeof(*body->nested)),
		.n_nested = type->n_nested_type,
		.first = calloc(type->n_oneof_decl + 1, sizeof(*body->first)),
		.next = calloc(type->n_field + 1, sizeof(*body->next)),
	};
	if (!body->nested || !body->first || !body->next) {
		body_done(body);
		return false;
	}
	for (size_t i = 0; i < type->n_nested_type; i++)
		body->nested[i] = (struct nested){ type->nested_type[i], i, false };
	qsort(body->nested, body->n_nested, sizeof(*body->nested), by_name);
	for (size_t i = type->n_field; i-- > 0;) {
		const Google__Protobuf__FieldDescriptorProto *field = type->field[i];
		struct nested *group = group_of(body, field);

		if (group)
			group->is_group = true;
		if (!field->has_oneof_index || (size_t)field->oneof_index >= type->n_oneof_decl)
			continue;
		body->next[i] = body->first[field->oneof_index];
		body->first[field->oneof_index] = i + 1;
	}
	return true;
}

/* The entry type of a field map<K, V>, or NULL. */
static const Google__Protobuf__DescriptorProto *
map_entry(const struct body *body, const Google__Protobuf__FieldDescriptorProto *field)
{
	const struct nested *found = nested_of(body, field);

	return found && is_map_entry(found->type) && found->type->n_field == 2 ? found->type : NULL;
}

static void put_message(struct printer *p, const Google__Protobuf__DescriptorProto *type,
			const Google__Protobuf__FieldDescriptorProto *group);

/* protoc keeps the comment of a group at its type. */
static void put_field(struct printer *p, const struct body *body,
		      const Google__Protobuf__FieldDescriptorProto *field)
{
	const struct nested *group = group_of(body, field);

	if (group) {
		enter(p, MESSAGE_MESSAGE, group->index);
		put_message(p, group->type, field);
		leave(p);
		return;
	}
	fprintf(p->file, "%*s%s%s %s = %" PRId32, 2 * p->depth, "", label_of(p, field),
		type_name(p, field), field->name, field->number);
	put_field_options(p, field);
	fputs(";\n", p->file);
}

/* A oneof is printed in place of its first member. */
static void put_oneof(struct printer *p, const Google__Protobuf__DescriptorProto *type,
		      const struct body *body, int32_t index)
{
	enter(p, MESSAGE_ONEOF, index);
	leave(p);
	line(p, "oneof %s {", type->oneof_decl[index]->name);
	p->depth++;
	for (size_t i = body->first[index]; i; i = body->next[i - 1]) {
		enter(p, MESSAGE_FIELD, i - 1);
		leave(p);
		put_field(p, body, type->field[i - 1]);
	}
	p->depth--;
	line(p, "}");
}

static void put_member(struct printer *p, const Google__Protobuf__DescriptorProto *type,
		       const struct body *body, size_t i)
{
	const Google__Protobuf__FieldDescriptorProto *field = type->field[i];
	const Google__Protobuf__DescriptorProto *entry = map_entry(body, field);

	if (entry || !field->has_oneof_index || field->proto3_optional) {
		enter(p, MESSAGE_FIELD, i);
		leave(p);
	}
	if (entry)
		line(p, "map<%s, %s> %s = %" PRId32 ";", type_name(p, entry->field[0]),
		     type_name(p, entry->field[1]), field->name, field->number);
	else if (!field->has_oneof_index || field->proto3_optional)
		put_field(p, body, field);
	else if ((size_t)field->oneof_index < type->n_oneof_decl &&
		 body->first[field->oneof_index] == i + 1)
		put_oneof(p, type, body, field->oneof_index);
}

/* group: the field that has this type, if it is a group; else NULL. */
static void put_message(struct printer *p, const Google__Protobuf__DescriptorProto *type,
			const Google__Protobuf__FieldDescriptorProto *group)
{
	struct body body;

	if (!body_init(&body, type)) {
		p->failed = true;
		return;
	}
	if (group)
		line(p, "%sgroup %s = %" PRId32 " {", label_of(p, group), type->name, group->number);
	else
		line(p, "message %s {", type->name);
	p->depth++;
	for (size_t i = 0; i < type->n_enum_type; i++) {
		enter(p, MESSAGE_ENUM, i);
		put_enum(p, type->enum_type[i]);
		leave(p);
	}
	for (size_t i = 0; i < type->n_nested_type; i++) {
		if (is_map_entry(type->nested_type[i]) ||
		    find_nested(&body, type->nested_type[i]->name)->is_group)
			continue;
		enter(p, MESSAGE_MESSAGE, i);
		put_message(p, type->nested_type[i], NULL);
		leave(p);
	}
	for (size_t i = 0; i < type->n_field; i++)
		put_member(p, type, &body, i);
	p->depth--;
	line(p, "}");
	body_done(&body);
}

/* --- Services ------------------------------------------------------------------- */

/* own: what is known of a method of the schema's own service; else NULL. */
static void put_method(struct printer *p, const Google__Protobuf__MethodDescriptorProto *method,
		       const struct schema_method *own)
{
	fprintf(p->file, "%*srpc %s(%s%s) returns (%s%s)", 2 * p->depth, "", method->name,
		method->client_streaming ? "stream " : "", short_name(p, method->input_type),
		method->server_streaming ? "stream " : "", short_name(p, method->output_type));
	if (own && own->oneway)
		fputs(" {\n    option (ipc.oneway) = true;\n  }\n", p->file);
	else if (own && !(own->code & 0x80000000u))
		fprintf(p->file, " {\n    option (ipc.id) = %" PRIu32 ";\n  }\n", own->code);
	else
		fputs(";\n", p->file);
}

static void put_service(struct printer *p, const struct schema *schema,
			const Google__Protobuf__ServiceDescriptorProto *service)
{
	const char *dot = strrchr(schema->interface, '.');
	bool own = !strcmp(dot ? dot + 1 : schema->interface, service->name);

	line(p, "service %s {", service->name);
	p->depth++;
	for (size_t i = 0; i < service->n_method; i++) {
		enter(p, SERVICE_METHOD, i);
		put_method(p, service->method[i],
			   own && i < schema->n_methods ? &schema->methods[i] : NULL);
		leave(p);
	}
	p->depth--;
	line(p, "}");
}

int schema_print(const struct schema *schema, bool with_comments, FILE *file)
{
	const Google__Protobuf__FileDescriptorProto *from = schema->file;
	struct printer p = { .file = file, .package = from->package ? from->package : "" };

	if (!find_comments(&p, with_comments ? from->source_code_info : NULL))
		return -ENOMEM;
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
		enter(&p, FILE_SERVICE, i);
		put_service(&p, schema, from->service[i]);
		leave(&p);
	}
	for (size_t i = 0; i < from->n_message_type; i++) {
		fputc('\n', file);
		enter(&p, FILE_MESSAGE, i);
		put_message(&p, from->message_type[i], NULL);
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
