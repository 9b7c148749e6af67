/* SPDX-License-Identifier: MIT */
/*
 * The names of services and methods in generated code, one file for each language. A name that is
 * reserved in the language, or that generated code uses otherwise, gets a trailing underscore. If
 * two names clash, the later name in the file is changed.
 *
 * If an emitter generates a new name, add it to the language's file too. Otherwise only the user's
 * compiler detects a clash.
 */
#ifndef IDL_NAMING_H
#define IDL_NAMING_H

#include "model.h"

/* Fill in the names of all units of a run. Report in diag: for C, clashes between files; for C++,
 * declarations for which protoc --cpp_out generates invalid code. */
void naming_c(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
void naming_cpp(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
void naming_python(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
void naming_rust(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);

#endif /* IDL_NAMING_H */
