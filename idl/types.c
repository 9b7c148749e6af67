// SPDX-License-Identifier: MIT
/*
 * Message types as a graph: each type has a list of the types that contain it. The code does not
 * recurse along the graph, so chains of types may be long.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "options.h"
#include "types.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;

/* --- Collecting ------------------------------------------------------------- */

static size_t count_messages(Descriptor *const *messages, size_t n_messages)
{
	size_t count = n_messages;

	for (size_t i = 0; i < n_messages; i++)
		count += count_messages(messages[i]->nested_type, messages[i]->n_nested_type);

	return count;
}

const char *types_pb_name(struct arena *arena, const File *file, const char *full_name)
{
	const char *c_package = options_c_package(arena, file->options);

	if (!c_package)
		return full_name;

	return name_override(arena, full_name, file->package ?: "", c_package);
}

static unsigned int held_by_itself(const char *full_name)
{
	if (!strcmp(full_name, "ipc.Object") || !strcmp(full_name, "ipc.Fd") ||
	    !strcmp(full_name, "ipc.Memory"))
		return TYPE_HOLDS_OBJECTS;

	return 0;
}

static void collect_messages(struct arena *arena, struct types *types, const File *file,
			     const char *scope, Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		struct type *type = &types->list[types->count++];

		type->full_name = arena_printf(arena, "%s%s%s", scope, *scope ? "." : "",
					       messages[i]->name);
		type->pb_name = types_pb_name(arena, file, type->full_name);
		type->file = file;
		type->descriptor = messages[i];
		type->holds = held_by_itself(type->full_name);
		collect_messages(arena, types, file, type->full_name, messages[i]->nested_type,
				 messages[i]->n_nested_type);
	}
}

static int compare_types(const void *a, const void *b)
{
	const struct type *x = a, *y = b;

	return strcmp(x->full_name, y->full_name);
}

struct type *types_find(const struct types *types, const char *name)
{
	struct type key = { .full_name = name + 1 };

	if (*name != '.' || !types->count)
		return NULL;

	return bsearch(&key, types->list, types->count, sizeof(key), compare_types);
}

bool type_is_map(const struct type *type)
{
	return type->descriptor->options && type->descriptor->options->map_entry &&
	       type->descriptor->n_field == 2;
}

bool type_is_proto3(const struct type *type)
{
	return type->file->syntax && !strcmp(type->file->syntax, "proto3");
}

/* --- The graph --------------------------------------------------------------- */

struct type_holder {
	struct type *type;
	struct type_holder *next;
};

/* Enters the type at each type of its fields. If a field's type is unknown, returns false. */
static bool link_fields(struct arena *arena, const struct types *types, struct type *type)
{
	for (size_t i = 0; i < type->descriptor->n_field; i++) {
		const Field *field = type->descriptor->field[i];
		struct type_holder *holder;
		struct type *held;

		/* protobuf-c passes on any number, and tables are indexed by type. */
		if (field->type < GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE ||
		    field->type > GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64)
			return false;
		if (field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES)
			type->holds |= TYPE_HOLDS_BYTES;
		if (field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING)
			type->holds |= TYPE_HOLDS_TEXT;
		if (field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP) {
			type->group = field;
			type->group_owner = type;
		} else if (field->type !=
			   GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE) {
			continue;
		}
		held = field->type_name ? types_find(types, field->type_name) : NULL;
		if (!held)
			return false;

		holder = arena_alloc(arena, sizeof(*holder));
		*holder = (struct type_holder){ type, held->holders };
		held->holders = holder;
		type->endless++;
	}

	return true;
}

/* Passes TYPE_HOLDS_* and groups of each type on to all types that contain it. */
static void spread_holds(struct arena *arena, struct types *types)
{
	/* A type is queued once for each TYPE_HOLDS_* that it may gain, and once for a group. */
	struct type **todo = arena_array(arena, 4 * types->count + 1, sizeof(*todo));
	size_t n_todo = 0;

	for (size_t i = 0; i < types->count; i++)
		if (types->list[i].holds || types->list[i].group)
			todo[n_todo++] = &types->list[i];

	while (n_todo) {
		const struct type *held = todo[--n_todo];

		for (struct type_holder *h = held->holders; h; h = h->next) {
			struct type *type = h->type;

			if (!(held->holds & ~type->holds) && (type->group || !held->group))
				continue;
			type->holds |= held->holds;
			if (!type->group) {
				type->group = held->group;
				type->group_owner = held->group_owner;
			}
			todo[n_todo++] = type;
		}
	}
}

/* Begins with the types that contain no other types. A type is finite if all types that it contains
 * are finite. The remaining types are recursive or contain a recursive type. */
static void find_endless(struct arena *arena, struct types *types)
{
	struct type **finite = arena_array(arena, types->count + 1, sizeof(*finite));
	size_t n_finite = 0;

	for (size_t i = 0; i < types->count; i++)
		if (!types->list[i].endless)
			finite[n_finite++] = &types->list[i];

	while (n_finite)
		for (struct type_holder *h = finite[--n_finite]->holders; h; h = h->next)
			if (!--h->type->endless)
				finite[n_finite++] = h->type;
}

const char *types_collect(struct arena *arena, struct types *types, File *const *files,
			  size_t n_files)
{
	size_t count = 0;

	for (size_t i = 0; i < n_files; i++)
		count += count_messages(files[i]->message_type, files[i]->n_message_type);

	types->list = arena_array(arena, count + 1, sizeof(*types->list));
	for (size_t i = 0; i < n_files; i++)
		collect_messages(arena, types, files[i], files[i]->package ?: "",
				 files[i]->message_type, files[i]->n_message_type);

	qsort(types->list, types->count, sizeof(*types->list), compare_types);
	for (size_t i = 1; i < types->count; i++)
		if (!strcmp(types->list[i - 1].full_name, types->list[i].full_name))
			return "two messages have one name";
	for (size_t i = 0; i < types->count; i++)
		if (!link_fields(arena, types, &types->list[i]))
			return "unknown field type";

	spread_holds(arena, types);
	find_endless(arena, types);
	return NULL;
}
