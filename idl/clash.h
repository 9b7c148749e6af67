/* SPDX-License-Identifier: MIT */
/*
 * Check that the C names of a unit clash neither with each other nor with the C library.
 */
#ifndef IDL_CLASH_H
#define IDL_CLASH_H

#include "model.h"

void clash_check(const struct unit *unit, struct arena *arena,
		 const Google__Protobuf__SourceCodeInfo *source, struct diag *diag);

/* The same for names that the output for C++ has besides. */
void clash_check_cpp(const struct unit *unit, const Google__Protobuf__SourceCodeInfo *source,
		     struct diag *diag);

#endif /* IDL_CLASH_H */
