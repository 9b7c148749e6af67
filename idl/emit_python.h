/* SPDX-License-Identifier: MIT */
/*
 * Names in Python, and what its two files share.
 */
#ifndef IDL_EMIT_PYTHON_H
#define IDL_EMIT_PYTHON_H

#include "emit.h"

/* Finds what cannot be generated, or would not be valid Python. */
void python_check(const struct unit *unit, const struct request *request, struct diag *diag);

/* "dir/my-echo.proto" to "dir/my_echo", as protoc does. */
const char *python_base(struct arena *arena, const struct unit *unit);
/* "dir/my-echo.proto" to "dir.my_echo_pb2" */
const char *python_module(struct arena *arena, const char *file);
/* "echo_pb2.Outer.Inner" */
const char *python_type(struct arena *arena, const struct type *type);

bool python_is_keyword(const char *word);
/* The class of the client, and the method's name; with an underscore where Python or the
 * package has the name. */
const char *python_class(struct arena *arena, const struct service *service);
const char *python_method(struct arena *arena, const struct method *method);

/* License and origin. */
void python_head(struct emitter *e);
/* Imports the modules of the types, sorted, once each. */
void python_imports(struct emitter *e, size_t n_types, const struct type *const *types);

#endif /* IDL_EMIT_PYTHON_H */
