/* SPDX-License-Identifier: MIT */
/*
 * Every message type of a request by full name, with its properties that libipc needs:
 * whether it can contain objects, bytes or itself.
 */
#ifndef IDL_TYPES_H
#define IDL_TYPES_H

#include <stdbool.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"

#define TYPE_HOLDS_OBJECTS (1U << 0) /* ipc.Object or ipc.Fd */
#define TYPE_HOLDS_BYTES   (1U << 1) /* a field of bytes */
/* Such a message may bring files: those of its fields, or its own if it is large. */
#define TYPE_MAY_BRING_FILES (TYPE_HOLDS_OBJECTS | TYPE_HOLDS_BYTES)
#define TYPE_HOLDS_TEXT	   (1U << 2) /* a string */

struct type {
	const char *full_name; /* "echo.SayRequest" */
	const char *pb_name;   /* from which protoc-c makes C names; differs with c_package */
	const Google__Protobuf__FileDescriptorProto *file;
	const Google__Protobuf__DescriptorProto *descriptor;
	struct type_holder *holders; /* types with a field of this type */
	unsigned int holds; /* TYPE_HOLDS_*: it is one, or contains one at any depth */
	size_t endless;	    /* fields whose type can contain itself, or contains such a type */
	/* A field of kind group, and the message that has it: this one, or one that it contains
	 * at any depth; or NULL. */
	const Google__Protobuf__FieldDescriptorProto *group;
	const struct type *group_owner;
};

struct types {
	struct type *list; /* sorted by full_name */
	size_t count;
};

/* Collects the types of all files. Returns NULL, or an error. */
const char *types_collect(struct arena *arena, struct types *types,
			  Google__Protobuf__FileDescriptorProto *const *files, size_t n_files);

/* The name from which protoc-c makes C names, for a full name in the file. */
const char *types_pb_name(struct arena *arena,
			  const Google__Protobuf__FileDescriptorProto *file,
			  const char *full_name);

/* name has a leading dot, as in a field or method. Returns NULL if it is unknown. */
struct type *types_find(const struct types *types, const char *name);

/* Whether protoc made the type for an entry of a map. */
bool type_is_map(const struct type *type);

/* Whether its file is. */
bool type_is_proto3(const struct type *type);

#endif /* IDL_TYPES_H */
