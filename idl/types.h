/* SPDX-License-Identifier: MIT */
/*
 * Every message type of a request by full name, with its properties that libipc needs:
 * whether it can contain objects, blobs or itself.
 */
#ifndef IDL_TYPES_H
#define IDL_TYPES_H

#include <stdbool.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"

#define TYPE_HOLDS_OBJECTS (1U << 0) /* ipc.Object or ipc.Fd */
#define TYPE_HOLDS_GROUP   (1U << 1) /* a field of kind group */
#define TYPE_HOLDS_BLOBS   (1U << 2) /* ipc.Blob */

struct type {
	const char *full_name; /* "echo.SayRequest" */
	const char *pb_name;   /* from which protoc-c makes C names; differs with c_package */
	const Google__Protobuf__DescriptorProto *descriptor;
	const Google__Protobuf__FileDescriptorProto *file;
	unsigned int holds; /* TYPE_HOLDS_*: it is one, or contains one at any depth */
	bool endless;	    /* contains a type that can contain itself */
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

/* Finds a field of kind group in a type with TYPE_HOLDS_GROUP. *ret_owner is the message
 * that has the field. Returns NULL if there is none. */
const Google__Protobuf__FieldDescriptorProto *
types_find_group(struct arena *arena, const struct types *types, const struct type *type,
		 const struct type **ret_owner);

#endif /* IDL_TYPES_H */
