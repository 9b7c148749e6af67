/* SPDX-License-Identifier: MIT */
/*
 * Names in Rust, and what its two files share.
 */
#ifndef IDL_EMIT_RUST_H
#define IDL_EMIT_RUST_H

#include "emit.h"

/* Before a comment of documentation. */
#define DOC  \
	"//" \
	"/"

/* The path of a message or enum of the file that is being written, or of another one. */
const char *rust_path(struct emitter *e, const Google__Protobuf__FileDescriptorProto *file,
		      const char *full_name);
/* A name as an identifier: keywords get "r#", or '_' where Rust forbids that. */
const char *rust_identifier(struct arena *arena, const char *name);

bool rust_is_keyword(const char *name);

/* The messages and enums of the file. */
void rust_types(struct emitter *e);

#endif /* IDL_EMIT_RUST_H */
