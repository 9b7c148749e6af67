/* SPDX-License-Identifier: MIT */
/*
 * Names in Python, and what its two files share.
 */
#ifndef IDL_EMIT_PYTHON_H
#define IDL_EMIT_PYTHON_H

#include "emit.h"

/* "dir/my-echo.v1.proto" to "dir/my_echo/v1", as protoc does. */
const char *python_base(struct arena *arena, const struct unit *unit);
/* "dir/my-echo.proto" to "dir.my_echo_pb2" */
const char *python_module(struct arena *arena, const char *file);
/* "_echo__pb2.Outer.Inner" */
const char *python_type(struct arena *arena, const struct type *type);

bool python_is_keyword(const char *word);

/* License and origin. */
void python_head(struct emitter *e);
/* Imports the modules of the types, sorted, once each. typed: for X_ipc.pyi. */
void python_imports(struct emitter *e, size_t n_types, const struct type *const *types, bool typed);

#endif /* IDL_EMIT_PYTHON_H */
