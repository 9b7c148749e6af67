// SPDX-License-Identifier: MIT
/*
 * Message types as a graph. An edge leads from a type to each type of its fields. The code
 * does not recurse over edges, so chains of types may be long.
 */
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "types.h"
#include "wire.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;

/* extend google.protobuf.FileOptions in protobuf-c.proto */
#define PB_C_FILE	    1019
#define PB_C_FILE_C_PACKAGE 6

/* --- Collecting ------------------------------------------------------------- */

static size_t count_messages(Descriptor *const *messages, size_t n_messages)
{
	size_t count = n_messages;

	for (size_t i = 0; i < n_messages; i++)
		count += count_messages(messages[i]->nested_type, messages[i]->n_nested_type);

	return count;
}

static const char *file_c_package(struct arena *arena, const File *file)
{
	const char *c_package = NULL;

	for (unsigned int i = 0; file->options && i < file->options->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &file->options->base.unknown_fields[i];
		const uint8_t *data;
		size_t size;

		if (field->tag == PB_C_FILE && wire_bytes(field, &data, &size) &&
		    wire_find_bytes(data, size, PB_C_FILE_C_PACKAGE, &data, &size))
			c_package = arena_strndup(arena, (const char *)data, size);
	}

	return c_package;
}

const char *types_pb_name(struct arena *arena, const File *file, const char *full_name)
{
	const char *c_package = file_c_package(arena, file);

	if (!c_package)
		return full_name;

	return name_override(arena, full_name, file->package ?: "", c_package);
}

struct collector {
	struct arena *arena;
	struct types *types;
	const File *file;
};

static void collect_messages(struct collector *c, const char *scope,
			     Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		struct type *type = &c->types->list[c->types->count++];

		type->full_name = arena_printf(c->arena, "%s%s%s", scope, *scope ? "." : "",
					       messages[i]->name);
		type->pb_name = types_pb_name(c->arena, c->file, type->full_name);
		type->descriptor = messages[i];
		type->file = c->file;
		collect_messages(c, type->full_name, messages[i]->nested_type,
				 messages[i]->n_nested_type);
	}
}

static int compare_types(const void *a, const void *b)
{
	const struct type *x = a, *y = b;

	return strcmp(x->full_name, y->full_name);
}

static int compare_name(const void *key, const void *element)
{
	const struct type *type = element;

	return strcmp(key, type->full_name);
}

struct type *types_find(const struct types *types, const char *name)
{
	if (*name != '.' || !types->count)
		return NULL;

	return bsearch(name + 1, types->list, types->count, sizeof(*types->list), compare_name);
}

/* --- The graph --------------------------------------------------------------- */

/* The reversed edges: by[first[t]] up to by[first[t + 1]] are the types that contain t. */
struct holders {
	size_t *first;
	size_t *by;
	size_t *n_held; /* for each type: its edges that are not processed yet */
};

static bool field_is_message(const Field *field)
{
	return field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE ||
	       field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
}

typedef void edge_fn(struct holders *holders, size_t from, size_t to);

static void edge_count(struct holders *holders, size_t from, size_t to)
{
	holders->first[to + 1]++;
	holders->n_held[from]++;
}

/* Fills each slice from its end, so that first[] is correct at the end. */
static void edge_store(struct holders *holders, size_t from, size_t to)
{
	holders->by[--holders->first[to + 1]] = from;
}

/* Calls it for every edge. Returns false if the type of a field is unknown. */
static bool for_each_edge(const struct types *types, struct holders *holders, edge_fn *fn)
{
	for (size_t t = 0; t < types->count; t++) {
		const Descriptor *descriptor = types->list[t].descriptor;

		for (size_t i = 0; i < descriptor->n_field; i++) {
			const Field *field = descriptor->field[i];
			const struct type *held;

			if (!field_is_message(field))
				continue;
			held = field->type_name ? types_find(types, field->type_name) : NULL;
			if (!held)
				return false;
			fn(holders, t, (size_t)(held - types->list));
		}
	}

	return true;
}

static bool holders_build(struct arena *arena, const struct types *types,
			  struct holders *holders)
{
	size_t count = types->count, edges = 0;

	/* One more than there are ends: first[t + 1] ends up where t + 1 starts
	 * only after the slice of t was filled from there downwards. */
	holders->first = arena_array(arena, count + 2, sizeof(*holders->first));
	holders->n_held = arena_array(arena, count + 1, sizeof(*holders->n_held));
	if (!for_each_edge(types, holders, edge_count))
		return false;

	for (size_t t = 1; t <= count; t++) {
		edges += holders->first[t];
		holders->first[t] = edges;
	}
	holders->first[count + 1] = edges;

	holders->by = arena_array(arena, edges + 1, sizeof(*holders->by));
	for_each_edge(types, holders, edge_store);
	/* first[t + 1] is now the start of t's slice: move them to first[t]. */
	memmove(holders->first, holders->first + 1, (count + 1) * sizeof(*holders->first));
	return true;
}

/* Marks all types that contain a marked type. */
static void mark_holders(struct arena *arena, struct types *types,
			 const struct holders *holders, unsigned int mark)
{
	size_t *todo = arena_array(arena, types->count + 1, sizeof(*todo));
	size_t n_todo = 0;

	for (size_t t = 0; t < types->count; t++)
		if (types->list[t].holds & mark)
			todo[n_todo++] = t;

	while (n_todo) {
		size_t t = todo[--n_todo];

		for (size_t i = holders->first[t]; i < holders->first[t + 1]; i++) {
			struct type *holder = &types->list[holders->by[i]];

			if (holder->holds & mark)
				continue;
			holder->holds |= mark;
			todo[n_todo++] = holders->by[i];
		}
	}
}

static const Field *find_own_group(const struct type *type)
{
	for (size_t i = 0; i < type->descriptor->n_field; i++)
		if (type->descriptor->field[i]->type ==
		    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP)
			return type->descriptor->field[i];

	return NULL;
}

static void mark_all(struct arena *arena, struct types *types, const struct holders *holders)
{
	static const struct {
		const char *name;
		unsigned int holds;
	} special[] = {
		{ ".ipc.Object", TYPE_HOLDS_OBJECTS },
		{ ".ipc.Fd", TYPE_HOLDS_OBJECTS },
		{ ".ipc.Memory", TYPE_HOLDS_OBJECTS },
		{ ".ipc.Blob", TYPE_HOLDS_BLOBS },
	};

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		struct type *type = types_find(types, special[i].name);

		if (type)
			type->holds |= special[i].holds;
	}
	for (size_t t = 0; t < types->count; t++)
		if (find_own_group(&types->list[t]))
			types->list[t].holds |= TYPE_HOLDS_GROUP;

	mark_holders(arena, types, holders, TYPE_HOLDS_OBJECTS);
	mark_holders(arena, types, holders, TYPE_HOLDS_GROUP);
	mark_holders(arena, types, holders, TYPE_HOLDS_BLOBS);
}

/* Starts at the types that contain none. A type is finite if all types that it contains
 * are. The remaining types are recursive or contain a recursive type. */
static void mark_endless(struct arena *arena, struct types *types, struct holders *holders)
{
	size_t *todo = arena_array(arena, types->count + 1, sizeof(*todo));
	size_t n_todo = 0;

	for (size_t t = 0; t < types->count; t++) {
		types->list[t].endless = holders->n_held[t];
		if (!holders->n_held[t])
			todo[n_todo++] = t;
	}

	while (n_todo) {
		size_t t = todo[--n_todo];

		for (size_t i = holders->first[t]; i < holders->first[t + 1]; i++) {
			size_t holder = holders->by[i];

			if (--holders->n_held[holder])
				continue;
			types->list[holder].endless = false;
			todo[n_todo++] = holder;
		}
	}
}

const char *types_collect(struct arena *arena, struct types *types, File *const *files,
			  size_t n_files)
{
	struct holders holders;
	size_t count = 0;

	for (size_t i = 0; i < n_files; i++)
		count += count_messages(files[i]->message_type, files[i]->n_message_type);

	types->list = arena_array(arena, count + 1, sizeof(*types->list));
	for (size_t i = 0; i < n_files; i++) {
		struct collector c = {
			.arena = arena,
			.types = types,
			.file = files[i],
		};

		collect_messages(&c, files[i]->package ?: "", files[i]->message_type,
				 files[i]->n_message_type);
	}

	qsort(types->list, types->count, sizeof(*types->list), compare_types);
	for (size_t i = 1; i < types->count; i++)
		if (!strcmp(types->list[i - 1].full_name, types->list[i].full_name))
			return "two messages have one name";

	if (!holders_build(arena, types, &holders))
		return "a field's type is not among the messages";

	mark_all(arena, types, &holders);
	mark_endless(arena, types, &holders);
	return NULL;
}

const Field *types_find_group(struct arena *arena, const struct types *types,
			      const struct type *type, const struct type **ret_owner)
{
	bool *seen = arena_array(arena, types->count, sizeof(*seen));
	const struct type **todo = arena_array(arena, types->count + 1, sizeof(*todo));
	size_t n_todo = 0;

	todo[n_todo++] = type;
	seen[type - types->list] = true;
	while (n_todo) {
		const struct type *owner = todo[--n_todo];

		if (find_own_group(owner)) {
			*ret_owner = owner;
			return find_own_group(owner);
		}
		for (size_t i = 0; i < owner->descriptor->n_field; i++) {
			const Field *field = owner->descriptor->field[i];
			const struct type *held;

			if (!field_is_message(field))
				continue;
			held = types_find(types, field->type_name);
			if (seen[held - types->list])
				continue;
			seen[held - types->list] = true;
			todo[n_todo++] = held;
		}
	}

	return NULL;
}
