/* SPDX-License-Identifier: MIT */
/*
 * Do the C names of a unit clash, with each other or with the C library?
 */
#ifndef IDL_CHECK_H
#define IDL_CHECK_H

#include "model.h"

void check_names(const struct unit *unit, struct arena *arena, const struct source *source,
		 struct diag *diag);

#endif /* IDL_CHECK_H */
