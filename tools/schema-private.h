/* SPDX-License-Identifier: MIT */
/*
 * The parts of a schema, for schema*.c: see schema.h.
 */
#ifndef IPCCTL_SCHEMA_PRIVATE_H
#define IPCCTL_SCHEMA_PRIVATE_H

#include "google/protobuf/descriptor.pb-c.h"
#include "schema.h"

/* A message type: its description, and the descriptor built from it. */
struct schema_type {
	const Google__Protobuf__DescriptorProto *from;
	char *name;	/* ".pkg.Outer.Inner" */
	bool proto3;
	const ProtobufCMessageDescriptor *is;
	ProtobufCMessageDescriptor *built; /* the same as @is; NULL: @is is libipc's own */
};

struct schema_enum {
	const Google__Protobuf__EnumDescriptorProto *from;
	char *name;
	ProtobufCEnumDescriptor *built;
};

struct schema {
	Google__Protobuf__FileDescriptorSet *set;
	const Google__Protobuf__FileDescriptorProto *file; /* that has the service */
	char *interface;
	struct schema_method *methods;
	size_t n_methods;
	struct schema_type *types;
	size_t n_types;
	struct schema_enum *enums;
	size_t n_enums;
	struct block *blocks; /* all memory but that of the set */
};

/* Zeroed memory that is freed with the schema. NULL: no memory. */
void *schema_alloc(struct schema *schema, size_t n, size_t size);
char *schema_text(struct schema *schema, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Builds all types and enums of the set. 0, -ENOMEM or -EBADMSG. */
int schema_build_types(struct schema *schema);

/* A type by its full name (".pkg.Type"), or NULL. */
const ProtobufCMessageDescriptor *schema_type(const struct schema *schema, const char *name);
const ProtobufCEnumDescriptor *schema_enum(const struct schema *schema, const char *name);

#endif
