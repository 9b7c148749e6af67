/* SPDX-License-Identifier: MIT */
/*
 * Names in Python, and functions that both Python emitters use.
 */
#ifndef IDL_EMIT_PYTHON_H
#define IDL_EMIT_PYTHON_H

#include "emit.h"

/* Converts "dir/my-echo.v1.proto" to "dir/my_echo/v1", as protoc does. */
const char *python_base(struct arena *arena, const struct unit *unit);
/* Converts "dir/my-echo.proto" to "dir.my_echo_pb2". */
const char *python_module(struct arena *arena, const char *file);
/* Returns a type's name in generated code: "_echo__pb2.Outer.Inner". */
const char *python_type(struct arena *arena, const struct type *type);

bool python_is_keyword(const char *word);

/* Writes license and origin. */
void python_head(struct emitter *e);
/* Imports the modules of the types, sorted and without duplicates. typed: for X_ipc.pyi. */
void python_imports(struct emitter *e, size_t n_types, const struct type *const *types, bool typed);

#endif /* IDL_EMIT_PYTHON_H */
