/* SPDX-License-Identifier: MIT */
/*
 * Messages and enums in Rust: their modules and names.
 *
 * A package is a module, and so is each of its parts: a.b is a::b. Types inside message Disk are in
 * the module disk beside it: Disk.State is disk::State. The enums of its oneofs are in the same
 * module: oneof kind is disk::Kind. Paths are relative to the module in which they are used. The
 * crate ipcbus has the types of ipc/ipc.proto and of google/protobuf.
 */
#ifndef IDL_RUST_NAMES_H
#define IDL_RUST_NAMES_H

#include "request.h"
#include "scope.h"

struct rust_module {
	struct rust_module *parent; /* NULL for the root */
	struct rust_module *next;   /* in the list of all modules; parents of packages come first */
	const char *full_name;	    /* "a.b" of a package, "a.b.Disk" of a message */
	const char *ident;
	size_t depth; /* 0 for the root */
	bool is_package;
	struct scope scope; /* its types, modules and traits */
};

struct rust_type {
	bool is_enum;
	const char *full_name; /* "a.b.Disk.State" */
	const Google__Protobuf__FileDescriptorProto *file;
	const Google__Protobuf__EnumDescriptorProto *proto; /* of an enum */
	struct rust_module *module;			    /* module of the type */
	struct rust_module *inner;			    /* module of the types inside it, or
							     * NULL */
	const char *ident;
	const char **fields;   /* of a message: the names of the fields */
	const char **variants; /* variants of an enum, or of fields that are in a oneof */
	const char **oneofs;   /* names of the oneof fields */
	const char **unions;   /* names of the oneof enums, in inner */
};

struct rust_names {
	struct arena *arena;
	struct rust_module *modules; /* the root first */
	struct rust_module **end;
	struct rust_type **types; /* sorted by full_name */
	size_t n_types, room;
};

/* Names all types of the request. rust_names_done() frees the scopes; the names stay valid. */
struct rust_names *rust_names(const struct request *request);
void rust_names_done(struct rust_names *names);

/* Returns the module of a package of the request. "" or NULL is the root. */
struct rust_module *rust_package(const struct rust_names *names, const char *package);

/* full_name has no leading dot. If the request has no such type, returns NULL. */
const struct rust_type *rust_type(const struct rust_names *names, const char *full_name,
				  bool is_enum);

/* Returns true if the field is in a oneof that the author wrote. */
bool rust_in_oneof(const Google__Protobuf__FieldDescriptorProto *field);

/* Returns true if the crate ipcbus has the types of the file. */
bool rust_crate_has(const char *file);

/* Returns the path of ident in a module, for code in the module `from`. */
const char *rust_relative(struct arena *arena, const struct rust_module *from,
			  const struct rust_module *module, const char *ident);

/* Returns "::a::b" for the module a.b, or "" for the root. */
const char *rust_absolute(struct arena *arena, const struct rust_module *module);

/* Returns a name that is not the name of a type. Keywords get "r#". */
const char *rust_identifier(struct arena *arena, const char *name);

/* True for names that a type, module or trait cannot have, because generated code uses them. */
bool rust_is_reserved(const char *name);

#endif /* IDL_RUST_NAMES_H */
