// SPDX-License-Identifier: MIT
/*
 * The types of a descriptor set by name, and the comparison of two shapes. See shape.h.
 *
 * Besides methods, it compares a list of pairs of types: the old and the new type in the same
 * place. The list grows while fields are compared. Each pair is in the list only once, so the
 * comparison of recursive types ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shape.h"
#include "shape.pb-c.h"

/* FieldDescriptorProto.Label and .Type */
#define LABEL_REQUIRED	2
#define LABEL_REPEATED	3
#define TYPE_GROUP	10
#define TYPE_MESSAGE	11
#define TYPE_ENUM	14

/* A message or an enum. */
struct shape_type {
	char *name; /* ".echo.SayRequest" */
	const Shape__Message *message;
	const Shape__Enum *enumeration;
};

struct shape {
	const Shape__Set *set;
	struct shape_type *types; /* sorted by name */
	size_t n_types;
	size_t capacity;
};

const ProtobufCMessageDescriptor *shape_descriptor(void)
{
	return &shape__set__descriptor;
}

/* Like asprintf(). The caller must free the text. Returns NULL if memory is short. */
static __attribute__((format(printf, 1, 2))) char *shape_text(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

/* --- Types by name ------------------------------------------------------------- */

static int add_type(struct shape *shape, const char *scope, const char *name,
		    const Shape__Message *message, const Shape__Enum *enumeration)
{
	struct shape_type *type;

	if (!name)
		return -EBADMSG;
	if (shape->n_types == shape->capacity) {
		size_t capacity = shape->capacity ? 2 * shape->capacity : 32;

		type = reallocarray(shape->types, capacity, sizeof(*type));
		if (!type)
			return -ENOMEM;
		shape->types = type;
		shape->capacity = capacity;
	}

	type = &shape->types[shape->n_types];
	type->name = shape_text("%s.%s", scope, name);
	if (!type->name)
		return -ENOMEM;
	type->message = message;
	type->enumeration = enumeration;
	shape->n_types++;
	return 0;
}

static int add_enums(struct shape *shape, const char *scope, Shape__Enum *const *enums, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_type(shape, scope, enums[i]->name, NULL, enums[i]);
	return r;
}

static int add_messages(struct shape *shape, const char *scope, Shape__Message *const *messages,
			size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const Shape__Message *m = messages[i];
		const char *name;

		r = add_type(shape, scope, m->name, m, NULL);
		if (r < 0)
			return r;
		/* The array may move, but the name does not. */
		name = shape->types[shape->n_types - 1].name;
		r = add_enums(shape, name, m->enum_type, m->n_enum_type);
		if (r == 0)
			r = add_messages(shape, name, m->nested_type, m->n_nested_type);
	}
	return r;
}

static int add_file(struct shape *shape, const Shape__File *file)
{
	const char *package = file->package ?: "";
	char *scope;
	int r;

	scope = shape_text("%s%s", *package ? "." : "", package);
	if (!scope)
		return -ENOMEM;
	r = add_enums(shape, scope, file->enum_type, file->n_enum_type);
	if (r == 0)
		r = add_messages(shape, scope, file->message_type, file->n_message_type);
	free(scope);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct shape_type *)a)->name, ((const struct shape_type *)b)->name);
}

int shape_new(struct shape **ret_shape, const ProtobufCMessage *set)
{
	struct shape *shape;
	int r = 0;

	if (set->descriptor != &shape__set__descriptor)
		return -EINVAL;
	shape = calloc(1, sizeof(*shape));
	if (!shape)
		return -ENOMEM;

	shape->set = (const Shape__Set *)set;
	for (size_t i = 0; i < shape->set->n_file && r == 0; i++)
		r = add_file(shape, shape->set->file[i]);
	if (r < 0) {
		shape_free(shape);
		return r;
	}

	if (shape->n_types)
		qsort(shape->types, shape->n_types, sizeof(*shape->types), by_name);
	*ret_shape = shape;
	return 0;
}

struct shape *shape_free(struct shape *shape)
{
	if (!shape)
		return NULL;
	for (size_t i = 0; i < shape->n_types; i++)
		free(shape->types[i].name);
	free(shape->types);
	free(shape);
	return NULL;
}

/* Sets never include the types of descriptor.proto. */
static const struct shape_type *find_type(const struct shape *shape, const char *name)
{
	struct shape_type key = { .name = (char *)name };

	if (!name || !shape->n_types)
		return NULL;
	return bsearch(&key, shape->types, shape->n_types, sizeof(key), by_name);
}

/* Returns true if full is the full name of `name` in the package. */
static bool is_full_name(const char *full, const char *package, const char *name)
{
	size_t length = package ? strlen(package) : 0;

	if (!name)
		return false;
	if (!length)
		return !strcmp(full, name);
	return !strncmp(full, package, length) && full[length] == '.' &&
	       !strcmp(full + length + 1, name);
}

static const Shape__Service *find_service(const struct shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->set->n_file; i++) {
		const Shape__File *file = shape->set->file[i];

		for (size_t j = 0; j < file->n_service; j++)
			if (is_full_name(name, file->package, file->service[j]->name))
				return file->service[j];
	}
	return NULL;
}

static bool is_oneway(const Shape__Method *method)
{
	return method->options && method->options->oneway;
}

/* Returns the number of option (ipc.id), or 0. */
static uint32_t method_id(const Shape__Method *method)
{
	return method->options ? method->options->id : 0;
}

/* Returns the number on the wire: the option, or the number derived from the names. service is the
 * full name. */
static uint32_t method_code(const char *service, const Shape__Method *method)
{
	const char *const parts[] = { service, "/", method->name ?: "" };
	uint32_t hash = 0x811c9dc5;

	if (method_id(method))
		return method_id(method);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (const char *c = parts[i]; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 0x01000193;
	return hash | 0x80000000;
}

/* --- The comparison --------------------------------------------------------------- */

/* Exceeds any real interface. */
#define PAIRS_MAX 4096

struct pair {
	const struct shape_type *old;
	const struct shape_type *new;
};

struct comparison {
	const struct shape *old;
	const struct shape *new;
	shape_report report;
	struct pair *pairs; /* PAIRS_MAX */
	size_t n_pairs;
	int found;
	int error;
};

static __attribute__((format(printf, 2, 3))) void breaks(struct comparison *c, const char *format,
							 ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		c->error = -ENOMEM;
		return;
	}

	c->found++;
	c->report(text);
	free(text);
}

/* --- Types ----------------------------------------------------------------------- */

static void add_pair(struct comparison *c, const struct shape_type *old,
		     const struct shape_type *new)
{
	for (size_t i = 0; i < c->n_pairs; i++)
		if (c->pairs[i].old == old && c->pairs[i].new == new)
			return;

	if (c->n_pairs == PAIRS_MAX)
		c->error = -E2BIG;
	else
		c->pairs[c->n_pairs++] = (struct pair){ old, new };
}

static bool is_special(const char *name)
{
	return !strncmp(name, ".ipc.", strlen(".ipc."));
}

/* Compares two types in the same place. Types of package ipc, and types that the set does not
 * contain, are equal if their names are equal. */
static void compare_types(struct comparison *c, const char *where, const char *old_name,
			  const char *new_name)
{
	const struct shape_type *old = find_type(c->old, old_name);
	const struct shape_type *new = find_type(c->new, new_name);

	old_name = old_name ?: "?";
	new_name = new_name ?: "?";
	if (is_special(old_name) || is_special(new_name) || !old || !new) {
		if (strcmp(old_name, new_name))
			breaks(c, "%s: was %s, is %s", where, old_name + 1, new_name + 1);
		return;
	}
	if (!old->message != !new->message)
		breaks(c, "%s: %s is a message and %s an enum, or the reverse", where,
		       old_name + 1, new_name + 1);
	else
		add_pair(c, old, new);
}

/* --- Fields ---------------------------------------------------------------------- */

static const char *type_name(const Shape__Field *field)
{
	static const char *const names[] = {
		"?",      "double", "float",    "int64",   "uint64", "int32",  "fixed64",
		"fixed32", "bool",   "string",   "group",   "message", "bytes", "uint32",
		"enum",   "sfixed32", "sfixed64", "sint32", "sint64",
	};

	if (field->type < 0 || (size_t)field->type >= sizeof(names) / sizeof(names[0]))
		return names[0];
	return names[field->type];
}

static const char *label_name(const Shape__Field *field)
{
	switch (field->label) {
	case LABEL_REQUIRED:
		return "required";
	case LABEL_REPEATED:
		return "repeated";
	default:
		return "optional";
	}
}

/* Returns the oneof that contains the field, or "". The oneof of a proto3 optional does not
 * count. */
static const char *oneof_name(const Shape__Message *message, const Shape__Field *field)
{
	if (!field->has_oneof_index || field->proto3_optional || field->oneof_index < 0 ||
	    (size_t)field->oneof_index >= message->n_oneof_decl)
		return "";
	return message->oneof_decl[field->oneof_index]->name ?: "";
}

static const Shape__Field *find_field(const Shape__Message *message, int32_t number)
{
	for (size_t i = 0; i < message->n_field; i++)
		if (message->field[i]->number == number)
			return message->field[i];
	return NULL;
}

static bool is_reserved(Shape__Range *const *ranges, size_t n, int32_t number, int32_t inclusive)
{
	for (size_t i = 0; i < n; i++)
		if (number >= ranges[i]->start && number < (int64_t)ranges[i]->end + inclusive)
			return true;
	return false;
}

static void compare_field(struct comparison *c, const struct pair *pair, const Shape__Field *old,
			  const Shape__Field *new)
{
	const char *old_oneof = oneof_name(pair->old->message, old);
	const char *new_oneof = oneof_name(pair->new->message, new);
	char *where;

	where = shape_text("%s.%s (%d)", pair->old->name + 1, old->name ?: "?", old->number);
	if (!where) {
		c->error = -ENOMEM;
		return;
	}

	if (old->label != new->label)
		breaks(c, "%s: was %s, is %s", where, label_name(old), label_name(new));
	if (old->type != new->type)
		breaks(c, "%s: was %s, is %s", where, type_name(old), type_name(new));
	else if (old->type == TYPE_MESSAGE || old->type == TYPE_ENUM || old->type == TYPE_GROUP)
		compare_types(c, where, old->type_name, new->type_name);
	if (strcmp(old->default_value ?: "", new->default_value ?: ""))
		breaks(c, "%s: its default was %s, is %s", where, old->default_value ?: "none",
		       new->default_value ?: "none");
	if (!*old_oneof != !*new_oneof)
		breaks(c, "%s: %s oneof %s", where, *old_oneof ? "was in" : "is now in",
		       *old_oneof ? old_oneof : new_oneof);
	free(where);
}

static void compare_messages(struct comparison *c, const struct pair *pair)
{
	const Shape__Message *old = pair->old->message;
	const Shape__Message *new = pair->new->message;

	for (size_t i = 0; i < old->n_field && !c->error; i++) {
		const Shape__Field *field = old->field[i];
		const Shape__Field *other = find_field(new, field->number);

		if (other)
			compare_field(c, pair, field, other);
		else if (field->label == LABEL_REQUIRED)
			breaks(c, "%s.%s (%d): is gone, and old programs require it",
			       pair->old->name + 1, field->name ?: "?", field->number);
		else if (!is_reserved(new->reserved_range, new->n_reserved_range, field->number, 0))
			breaks(c, "%s.%s (%d): is gone, and its number is not reserved",
			       pair->old->name + 1, field->name ?: "?", field->number);
	}

	for (size_t i = 0; i < new->n_field; i++)
		if (new->field[i]->label == LABEL_REQUIRED &&
		    !find_field(old, new->field[i]->number))
			breaks(c, "%s.%s (%d): is new and required, and old programs do not send it",
			       pair->old->name + 1, new->field[i]->name ?: "?",
			       new->field[i]->number);
}

/* --- Enums ------------------------------------------------------------------------ */

static bool has_value(const Shape__Enum *enumeration, int32_t number)
{
	for (size_t i = 0; i < enumeration->n_value; i++)
		if (enumeration->value[i]->number == number)
			return true;
	return false;
}

static void compare_enums(struct comparison *c, const struct pair *pair)
{
	const Shape__Enum *old = pair->old->enumeration;
	const Shape__Enum *new = pair->new->enumeration;

	for (size_t i = 0; i < old->n_value; i++) {
		const Shape__EnumValue *value = old->value[i];

		if (!has_value(new, value->number) &&
		    !is_reserved(new->reserved_range, new->n_reserved_range, value->number, 1))
			breaks(c, "%s.%s (%d): is gone, and its number is not reserved",
			       pair->old->name + 1, value->name ?: "?", value->number);
	}
}

/* --- Services --------------------------------------------------------------------- */

/* A method may be renamed, but its number must not change. */
static const Shape__Method *find_method(const char *name, const Shape__Service *service,
					const Shape__Method *like)
{
	uint32_t code = method_code(name, like);

	for (size_t i = 0; i < service->n_method; i++)
		if (method_code(name, service->method[i]) == code)
			return service->method[i];
	return NULL;
}

static bool has_method_named(const Shape__Service *service, const char *name)
{
	for (size_t i = 0; i < service->n_method; i++)
		if (name && service->method[i]->name && !strcmp(service->method[i]->name, name))
			return true;
	return false;
}

static const char *kind_name(const Shape__Method *method)
{
	if (is_oneway(method))
		return "a oneway";
	if (method->client_streaming && method->server_streaming)
		return "streaming both ways";
	if (method->client_streaming)
		return "streaming to the server";
	if (method->server_streaming)
		return "streaming to the client";
	return "a call";
}

static void compare_method(struct comparison *c, const char *where, const Shape__Method *old,
			   const Shape__Method *new)
{
	char *part;

	if (strcmp(kind_name(old), kind_name(new)))
		breaks(c, "%s: was %s, is %s", where, kind_name(old), kind_name(new));

	part = shape_text("%s: the request", where);
	if (!part) {
		c->error = -ENOMEM;
		return;
	}
	compare_types(c, part, old->input_type, new->input_type);
	strcpy(part + strlen(where), ": the reply");
	compare_types(c, part, old->output_type, new->output_type);
	free(part);
}

static void compare_services(struct comparison *c, const char *name, const Shape__Service *old,
			     const Shape__Service *new)
{
	for (size_t i = 0; i < old->n_method && !c->error; i++) {
		const Shape__Method *method = old->method[i];
		const Shape__Method *other = find_method(name, new, method);
		char *where;

		where = shape_text("%s/%s", name, method->name ?: "?");
		if (!where) {
			c->error = -ENOMEM;
			return;
		}
		if (other)
			compare_method(c, where, method, other);
		else if (has_method_named(new, method->name))
			breaks(c, "%s: has another number (ipc.id)", where);
		else
			breaks(c, "%s: is gone", where);
		free(where);
	}
}

static void compare_by_name(struct comparison *c, const char *name, const Shape__Service *old)
{
	const Shape__Service *new = find_service(c->new, name);

	if (new)
		compare_services(c, name, old, new);
	else
		breaks(c, "%s: is gone", name);
}

static void compare_all(struct comparison *c)
{
	for (size_t i = 0; i < c->old->set->n_file && !c->error; i++) {
		const Shape__File *file = c->old->set->file[i];
		const char *package = file->package ?: "";

		for (size_t j = 0; j < file->n_service && !c->error; j++) {
			char *name = shape_text("%s%s%s", package, *package ? "." : "",
						file->service[j]->name ?: "?");

			if (!name) {
				c->error = -ENOMEM;
				return;
			}
			compare_by_name(c, name, file->service[j]);
			free(name);
		}
	}
}

int shape_compare(const struct shape *old, const struct shape *new, shape_report report)
{
	struct comparison c = { .old = old, .new = new, .report = report };

	c.pairs = calloc(PAIRS_MAX, sizeof(*c.pairs));
	if (!c.pairs)
		return -ENOMEM;

	compare_all(&c);
	for (size_t i = 0; i < c.n_pairs && !c.error; i++) {
		if (c.pairs[i].old->message)
			compare_messages(&c, &c.pairs[i]);
		else
			compare_enums(&c, &c.pairs[i]);
	}

	free(c.pairs);
	return c.error ?: c.found;
}
