/* SPDX-License-Identifier: MIT */
/*
 * What stands before the folder in --ipc_out=PARAMETERS:DIR, with commas between.
 */
#ifndef IDL_PARAMETERS_H
#define IDL_PARAMETERS_H

#include <stdbool.h>

#include "arena.h"

/* What is generated; C without a parameter. plugin.c has the files of each. */
enum language {
	LANGUAGE_C,
	LANGUAGE_CPP,
	LANGUAGE_PYTHON,
	LANGUAGE_RUST, /* messages too, so files without services as well */
};

struct parameters {
	enum language language; /* lang=NAME */
	bool no_comments; /* no_comments: leave the comments out of the descriptors */
};

/* text may be NULL. Returns NULL, or an error for the user. */
const char *parameters_parse(struct arena *arena, const char *text, struct parameters *ret);

#endif /* IDL_PARAMETERS_H */
