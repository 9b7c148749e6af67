/* SPDX-License-Identifier: MIT */
/*
 * Every message type of a request, by full name, with what libipc has to know
 * about it: can it hold objects, can it hold itself.
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
	const char *pb_name;   /* what protoc-c mangles; differs with c_package */
	const Google__Protobuf__DescriptorProto *descriptor;
	const Google__Protobuf__FileDescriptorProto *file;
	unsigned int holds; /* TYPE_HOLDS_*: it is one itself, or holds one at any depth */
	bool endless;	    /* ... a type that can hold itself */
};

struct types {
	struct type *list; /* sorted by full_name */
	size_t count;
};

/* Collects the types of all files. NULL, or what is wrong with them. */
const char *types_collect(struct arena *arena, struct types *types,
			  Google__Protobuf__FileDescriptorProto *const *files, size_t n_files);

/* What protoc-c mangles instead of the full name of something in the file. */
const char *types_pb_name(struct arena *arena,
			  const Google__Protobuf__FileDescriptorProto *file,
			  const char *full_name);

/* name as it stands in a field or method: with a leading dot. NULL if unknown. */
struct type *types_find(const struct types *types, const char *name);

/* A field of kind group that a type with TYPE_HOLDS_GROUP holds; *ret_owner is
 * the message that has it. NULL if there is none. */
const Google__Protobuf__FieldDescriptorProto *
types_find_group(struct arena *arena, const struct types *types, const struct type *type,
		 const struct type **ret_owner);

#endif /* IDL_TYPES_H */
