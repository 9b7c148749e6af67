// SPDX-License-Identifier: MIT
/*
 * Compares two descriptor sets: see check.h.
 *
 * Besides methods, it compares a list of pairs of types: the old and the new type in the same
 * place. The list grows while fields are compared. Each pair is in the list only once, so the
 * comparison of recursive types ends.
 */
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "names.h"
#include "options.h"
#include "scope.h"
#include "wire.h"

typedef Google__Protobuf__DescriptorProto Message;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__FileDescriptorSet Set;
typedef Google__Protobuf__MethodDescriptorProto Method;
typedef Google__Protobuf__ServiceDescriptorProto Service;

#define KIND(name)  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define LABEL(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##name

/* A message or an enum. */
struct side {
	const Message *message;
	const Enum *enumeration;
};

struct pair {
	struct pair *next;
	const char *name; /* of the old type: "echo.SayRequest" */
	struct side old;
	struct side new;
};

struct comparison {
	struct arena *arena;
	const Set *old;
	const Set *new;
	struct text *report;
	unsigned int found;
	struct scope seen; /* the names of each pair */
	struct pair *pairs;
	struct pair **end;
};

static __attribute__((format(printf, 2, 3))) void breaks(struct comparison *c, const char *format,
							 ...)
{
	va_list args;

	va_start(args, format);
	text_printf(c->report, "%s\n", arena_vprintf(c->arena, format, args));
	va_end(args);
	c->found++;
}

/* --- Types by name ------------------------------------------------------------------ */

/* Returns a name of a descriptor, which protoc always sets. */
static const char *name_of(const char *name)
{
	return name ?: "?";
}

/* Returns a full name without its leading dot. */
static const char *bare(const char *name)
{
	return name_of(name) + (name && *name == '.');
}

/* Returns the rest of a full name in a package, or "" if the name is not in it. */
static const char *in_package(const char *name, const char *package)
{
	size_t length = package ? strlen(package) : 0;

	if (!length)
		return name;
	return !strncmp(name, package, length) && name[length] == '.' ? name + length + 1 : "";
}

static bool find_in(const char *name, Message *const *messages, size_t n_messages,
		    Enum *const *enums, size_t n_enums, struct side *ret_side)
{
	const char *rest;

	for (size_t i = 0; i < n_enums; i++)
		if (!strcmp(name_of(enums[i]->name), name)) {
			ret_side->enumeration = enums[i];
			return true;
		}
	for (size_t i = 0; i < n_messages; i++) {
		const Message *m = messages[i];

		if (!strcmp(name_of(m->name), name)) {
			ret_side->message = m;
			return true;
		}
		rest = in_package(name, name_of(m->name));
		if (*rest && find_in(rest, m->nested_type, m->n_nested_type, m->enum_type,
				    m->n_enum_type, ret_side))
			return true;
	}
	return false;
}

/* Sets never include the types of descriptor.proto. */
static bool find_type(const Set *set, const char *name, struct side *ret_side)
{
	*ret_side = (struct side){ 0 };
	for (size_t i = 0; i < set->n_file; i++) {
		const File *file = set->file[i];
		const char *rest = in_package(bare(name), file->package);

		if (*rest && find_in(rest, file->message_type, file->n_message_type,
				    file->enum_type, file->n_enum_type, ret_side))
			return true;
	}
	return false;
}

static bool is_special(const char *name)
{
	return !strncmp(name, "ipc.", strlen("ipc."));
}

/* Compares two types in the same place. Types of package ipc, and types that the set does not
 * contain, are equal if their names are equal. */
static void compare_types(struct comparison *c, const char *where, const char *old_name,
			  const char *new_name)
{
	const char *old = bare(old_name), *new = bare(new_name);
	struct pair *pair = arena_alloc(c->arena, sizeof(*pair));
	bool known = find_type(c->old, old_name, &pair->old) &&
		     find_type(c->new, new_name, &pair->new);

	if (!known || is_special(old) || is_special(new)) {
		if (strcmp(old, new))
			breaks(c, "%s: was %s, is %s", where, old, new);
		return;
	}
	if (!pair->old.message != !pair->new.message) {
		breaks(c, "%s: %s is a message and %s an enum, or the reverse", where, old, new);
		return;
	}
	if (scope_enter(&c->seen, arena_printf(c->arena, "%s %s", old, new), old))
		return;
	pair->name = old;
	*c->end = pair;
	c->end = &pair->next;
}

/* --- Fields -------------------------------------------------------------------------- */

static const char *type_name(const Field *field)
{
	static const char *const names[] = {
		"?",      "double", "float",    "int64",   "uint64", "int32",  "fixed64",
		"fixed32", "bool",   "string",   "group",   "message", "bytes", "uint32",
		"enum",   "sfixed32", "sfixed64", "sint32", "sint64",
	};

	if ((size_t)field->type >= sizeof(names) / sizeof(names[0]))
		return names[0];
	return names[field->type];
}

static const char *label_name(const Field *field)
{
	switch (field->label) {
	case LABEL(REQUIRED):
		return "required";
	case LABEL(REPEATED):
		return "repeated";
	default:
		return "optional";
	}
}

/* Returns the oneof that contains the field, or "". The oneof of a proto3 optional does not
 * count. */
static const char *oneof_name(const Message *message, const Field *field)
{
	if (!field->has_oneof_index || field->proto3_optional ||
	    (size_t)field->oneof_index >= message->n_oneof_decl)
		return "";
	return name_of(message->oneof_decl[field->oneof_index]->name);
}

static const Field *find_field(const Message *message, int32_t number)
{
	for (size_t i = 0; i < message->n_field; i++)
		if (message->field[i]->number == number)
			return message->field[i];
	return NULL;
}

static bool is_reserved(const Message *message, int32_t number)
{
	for (size_t i = 0; i < message->n_reserved_range; i++)
		if (number >= message->reserved_range[i]->start &&
		    number < message->reserved_range[i]->end)
			return true;
	return false;
}

static void compare_field(struct comparison *c, const struct pair *pair, const Field *old,
			  const Field *new)
{
	const char *old_oneof = oneof_name(pair->old.message, old);
	const char *new_oneof = oneof_name(pair->new.message, new);
	const char *where = arena_printf(c->arena, "%s.%s (%d)", pair->name, name_of(old->name),
					 old->number);

	if (old->label != new->label)
		breaks(c, "%s: was %s, is %s", where, label_name(old), label_name(new));
	if (old->type != new->type)
		breaks(c, "%s: was %s, is %s", where, type_name(old), type_name(new));
	else if (old->type == KIND(MESSAGE) || old->type == KIND(ENUM) || old->type == KIND(GROUP))
		compare_types(c, where, old->type_name, new->type_name);
	if (strcmp(old->default_value ?: "", new->default_value ?: ""))
		breaks(c, "%s: its default was %s, is %s", where, old->default_value ?: "none",
		       new->default_value ?: "none");
	if (!*old_oneof != !*new_oneof)
		breaks(c, "%s: %s oneof %s", where, *old_oneof ? "was in" : "is now in",
		       *old_oneof ? old_oneof : new_oneof);
}

static void compare_messages(struct comparison *c, const struct pair *pair)
{
	const Message *old = pair->old.message, *new = pair->new.message;

	for (size_t i = 0; i < old->n_field; i++) {
		const Field *field = old->field[i];
		const Field *other = find_field(new, field->number);

		if (other)
			compare_field(c, pair, field, other);
		else if (field->label == LABEL(REQUIRED))
			breaks(c, "%s.%s (%d): is gone, and old programs require it", pair->name,
			       name_of(field->name), field->number);
		else if (!is_reserved(new, field->number))
			breaks(c, "%s.%s (%d): is gone, and its number is not reserved",
			       pair->name, name_of(field->name), field->number);
	}

	for (size_t i = 0; i < new->n_field; i++)
		if (new->field[i]->label == LABEL(REQUIRED) &&
		    !find_field(old, new->field[i]->number))
			breaks(c, "%s.%s (%d): is new and required, and old programs do not send it",
			       pair->name, name_of(new->field[i]->name), new->field[i]->number);
}

/* --- Enums ---------------------------------------------------------------------------- */

static bool has_number(const Enum *enumeration, int32_t number)
{
	for (size_t i = 0; i < enumeration->n_value; i++)
		if (enumeration->value[i]->number == number)
			return true;
	/* Unlike in a message, the end of a range is reserved. */
	for (size_t i = 0; i < enumeration->n_reserved_range; i++)
		if (number >= enumeration->reserved_range[i]->start &&
		    number <= enumeration->reserved_range[i]->end)
			return true;
	return false;
}

static void compare_enums(struct comparison *c, const struct pair *pair)
{
	const Enum *old = pair->old.enumeration;

	for (size_t i = 0; i < old->n_value; i++)
		if (!has_number(pair->new.enumeration, old->value[i]->number))
			breaks(c, "%s.%s (%d): is gone, and its number is not reserved",
			       pair->name, name_of(old->value[i]->name), old->value[i]->number);
}

/* --- Services ------------------------------------------------------------------------- */

static bool is_oneway(struct comparison *c, const Method *method)
{
	const Extensions__Method *options = options_of_any_method(c->arena, method->options);

	return options && options->oneway;
}

/* Returns the number on the wire. service is the full name. */
static uint32_t number_of(struct comparison *c, const char *service, const Method *method)
{
	const Extensions__Method *options = options_of_any_method(c->arena, method->options);

	if (options && options->id)
		return (uint32_t)options->id;
	return method_number(arena_printf(c->arena, "%s/%s", service, name_of(method->name)));
}

/* Returns the method with the number of like, which may have another name, or NULL. */
static const Method *find_method(struct comparison *c, const char *name, const Service *service,
				 const Method *like)
{
	uint32_t number = number_of(c, name, like);

	for (size_t i = 0; i < service->n_method; i++)
		if (number_of(c, name, service->method[i]) == number)
			return service->method[i];
	return NULL;
}

static bool has_method_named(const Service *service, const char *name)
{
	for (size_t i = 0; i < service->n_method; i++)
		if (!strcmp(name_of(service->method[i]->name), name))
			return true;
	return false;
}

static const char *kind_name(struct comparison *c, const Method *method)
{
	if (is_oneway(c, method))
		return "a oneway";
	if (method->client_streaming && method->server_streaming)
		return "a stream both ways";
	if (method->client_streaming)
		return "a stream of requests";
	if (method->server_streaming)
		return "a stream of replies";
	return "a call";
}

static void compare_method(struct comparison *c, const char *where, const Method *old,
			   const Method *new)
{
	const char *was = kind_name(c, old), *is = kind_name(c, new);

	if (strcmp(was, is))
		breaks(c, "%s: was %s, is %s", where, was, is);
	compare_types(c, arena_printf(c->arena, "%s: the request", where), old->input_type,
		      new->input_type);
	compare_types(c, arena_printf(c->arena, "%s: the reply", where), old->output_type,
		      new->output_type);
}

static void compare_services(struct comparison *c, const char *name, const Service *old,
			     const Service *new)
{
	for (size_t i = 0; i < old->n_method; i++) {
		const Method *method = old->method[i];
		const Method *other = find_method(c, name, new, method);
		const char *where =
			arena_printf(c->arena, "%s.%s", name, name_of(method->name));

		if (other)
			compare_method(c, where, method, other);
		else if (has_method_named(new, name_of(method->name)))
			breaks(c, "%s: has another number (ipc.id)", where);
		else
			breaks(c, "%s: is gone", where);
	}
}

static const Service *find_service(const Set *set, const char *name)
{
	for (size_t i = 0; i < set->n_file; i++) {
		const File *file = set->file[i];
		const char *rest = in_package(name, file->package);

		for (size_t j = 0; *rest && j < file->n_service; j++)
			if (!strcmp(name_of(file->service[j]->name), rest))
				return file->service[j];
	}
	return NULL;
}

static void compare_file(struct comparison *c, const File *file)
{
	const char *package = file->package ?: "";

	for (size_t i = 0; i < file->n_service; i++) {
		const Service *old = file->service[i];
		const char *name = arena_printf(c->arena, "%s%s%s", package, *package ? "." : "",
						name_of(old->name));
		const Service *new = find_service(c->new, name);

		if (new)
			compare_services(c, name, old, new);
		else
			breaks(c, "%s: is gone", name);
	}
}

const Set *check_read(struct arena *arena, const uint8_t *data, size_t size)
{
	return wire_unpack(arena, &google__protobuf__file_descriptor_set__descriptor, data, size);
}

unsigned int check_compare(struct arena *arena, const Set *old, const Set *new,
			   struct text *report)
{
	struct comparison c = {
		.arena = arena,
		.old = old,
		.new = new,
		.report = report,
		.seen = { .arena = arena },
		.end = &c.pairs,
	};

	for (size_t i = 0; i < old->n_file; i++)
		compare_file(&c, old->file[i]);
	for (const struct pair *pair = c.pairs; pair; pair = pair->next)
		if (pair->old.message)
			compare_messages(&c, pair);
		else
			compare_enums(&c, pair);
	scope_done(&c.seen);
	return c.found;
}
