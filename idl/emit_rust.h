/* SPDX-License-Identifier: MIT */
/*
 * What the two files of Rust share.
 */
#ifndef IDL_EMIT_RUST_H
#define IDL_EMIT_RUST_H

#include "emit.h"
#include "rust_names.h"

/* Before a comment of documentation. */
#define DOC  \
	"//" \
	"/"

/* The path of a message or enum, for the module that is being written. */
const char *rust_path(struct emitter *e, const char *full_name);

/* Allows what lints say of names and comments of the .proto file. "#[deprecated]", if it is. */
void rust_allow(struct emitter *e);
void rust_deprecated(struct emitter *e, const char *indent, bool deprecated);

/* The messages and enums of the file. */
void rust_types(struct emitter *e);

#endif /* IDL_EMIT_RUST_H */
