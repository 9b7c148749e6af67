/* SPDX-License-Identifier: MIT */
/*
 * The plugin parameters: the comma-separated text before the folder in --ipc_out=PARAMETERS:DIR, or
 * in --ipc_opt=PARAMETERS. They have the same effects as options in the .proto file, for files that
 * the user cannot edit.
 */
#ifndef IDL_PARAMETERS_H
#define IDL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* The language of the output; the default is C. plugin.c lists the files of each language. */
enum language {
	LANGUAGE_C,
	LANGUAGE_CPP,
	LANGUAGE_PYTHON,
	LANGUAGE_RUST, /* generates messages too, also for files without services */
};

/* A parameter about a service or method. */
struct choice {
	const char *full_name; /* "a.b.Service" or "a.b.Service.Method" */
	const char *value;
	bool used; /* the request has such a service or method */
};

struct choices {
	struct choice *list;
	size_t count;
};

struct parameters {
	enum language language;	 /* lang=NAME */
	bool no_comments;	 /* no_comments: leave the comments out of the descriptors */
	bool short_prefix;	 /* prefix_package=no */
	bool imports;		 /* imports: messages of the imported files as well */
	struct choices interfaces; /* interfaces=A+B: generate only these; empty: all */
	struct choices prefixes; /* c_prefix=INTERFACE=PREFIX */
	struct choices names;	 /* name=METHOD=NAME */
};

/* Parses the parameters; text may be NULL. Returns NULL, or an error message for the user. */
const char *parameters_parse(struct arena *arena, const char *text, struct parameters *ret);

/* Returns the value of the parameter for the service or method, or NULL. */
const char *choices_find(struct choices *choices, const char *full_name);

/* If a parameter names an interface or method that no file has, returns an error message for the
 * user. Otherwise returns NULL. */
const char *parameters_unused(struct arena *arena, const struct parameters *parameters);

#endif /* IDL_PARAMETERS_H */
