/* SPDX-License-Identifier: MIT */
/*
 * Functions that both Rust emitters use.
 */
#ifndef IDL_EMIT_RUST_H
#define IDL_EMIT_RUST_H

#include "emit.h"
#include "rust_names.h"

/* The mark of a documentation comment. */
#define DOC  \
	"//" \
	"/"

/* Returns the path of a message, relative to the module that is being written. */
const char *rust_path(struct emitter *e, const char *full_name);

/* rust_allow() disables lints about names and comments of the .proto file. rust_deprecated() writes
 * "#[deprecated]" if deprecated is set. */
void rust_allow(struct emitter *e);
void rust_deprecated(struct emitter *e, const char *indent, bool deprecated);

/* The messages and enums of the file. */
void rust_types(struct emitter *e);

#endif /* IDL_EMIT_RUST_H */
