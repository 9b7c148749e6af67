/* SPDX-License-Identifier: MIT */
/*
 * All message types of a request by full name, with the properties that the emitters need: whether
 * a type can contain objects, bytes, strings, a group or itself.
 */
#ifndef IDL_TYPES_H
#define IDL_TYPES_H

#include <stdbool.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"

#define TYPE_HOLDS_OBJECTS (1U << 0) /* ipc.Object, ipc.Fd or ipc.Memory */
#define TYPE_HOLDS_BYTES   (1U << 1) /* a field of type bytes */
/* Such a message may carry files: files of its fields, or its own memory file if it is large. */
#define TYPE_MAY_BRING_FILES (TYPE_HOLDS_OBJECTS | TYPE_HOLDS_BYTES)
#define TYPE_HOLDS_TEXT	   (1U << 2) /* a string */

struct type {
	const char *full_name; /* "echo.SayRequest" */
	const char *pb_name;   /* for C names: full_name, in c_package if that is set */
	const Google__Protobuf__FileDescriptorProto *file;
	const Google__Protobuf__DescriptorProto *descriptor;
	struct type_holder *holders; /* types with a field of this type */
	unsigned int holds; /* TYPE_HOLDS_*: of this type, or of a type that it contains at any
			     * depth */
	size_t endless;	    /* fields whose type can contain itself, or contains such a type */
	/* A field of kind group, and the message that has it: this message, or a message that it
	 * contains at any depth. NULL if there is none. */
	const Google__Protobuf__FieldDescriptorProto *group;
	const struct type *group_owner;
};

struct types {
	struct type *list; /* sorted by full_name */
	size_t count;
};

/* Collects the types of all files into *types, which must be zero. Returns NULL, or an error. */
const char *types_collect(struct arena *arena, struct types *types,
			  Google__Protobuf__FileDescriptorProto *const *files, size_t n_files);

/* Returns the name from which protoc-c derives C names, for a full name in the file. */
const char *types_pb_name(struct arena *arena,
			  const Google__Protobuf__FileDescriptorProto *file,
			  const char *full_name);

/* name has a leading dot, as in a field or method. If the type is unknown, returns NULL. */
struct type *types_find(const struct types *types, const char *name);

/* Returns true if protoc created the type for the entries of a map. */
bool type_is_map(const struct type *type);

bool type_is_proto3(const struct type *type);

#endif /* IDL_TYPES_H */
