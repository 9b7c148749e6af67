/* SPDX-License-Identifier: MIT */
/*
 * The names of services and methods in generated code, one file for each language. A name that
 * is reserved there, or that generated code needs for something else, gets a trailing underscore.
 * So a .proto file is never refused because of a language. Of two names that clash, the later one
 * in the file is changed.
 *
 * Add every name that an emitter generates to the language's file too; otherwise only the user's
 * compiler finds a clash.
 */
#ifndef IDL_NAMING_H
#define IDL_NAMING_H

#include "model.h"

/* Fill in the names of all units of a run. What remains of clashes between files goes to diag. */
void naming_c(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
void naming_cpp(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
void naming_python(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
void naming_rust(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);

#endif /* IDL_NAMING_H */
