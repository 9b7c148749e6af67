/* SPDX-License-Identifier: MIT */
/*
 * The plugin parameters: the text before the folder in --ipc_out=PARAMETERS:DIR, or of
 * --ipc_opt=PARAMETERS, with commas between them. They offer what options in the .proto file
 * offer, for files that the user cannot edit.
 */
#ifndef IDL_PARAMETERS_H
#define IDL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* What is generated; C without a parameter. plugin.c has the files of each. */
enum language {
	LANGUAGE_C,
	LANGUAGE_CPP,
	LANGUAGE_PYTHON,
	LANGUAGE_RUST, /* messages too, so files without services as well */
};

/* A parameter about one service or method. */
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
	bool no_messages;	 /* messages=no: the user runs protoc --c_out */
	bool messages_given;	 /* messages=yes or no */
	bool imports;		 /* imports: messages of the imported files as well */
	struct choices services; /* services=A+B: only these; none: all */
	struct choices prefixes; /* c_prefix=SERVICE=PREFIX */
	struct choices names;	 /* name=METHOD=NAME */
};

/* text may be NULL. Returns NULL, or an error for the user. */
const char *parameters_parse(struct arena *arena, const char *text, struct parameters *ret);

/* Returns the value that the parameter has for the service or method, or NULL. */
const char *choices_find(struct choices *choices, const char *full_name);

/* Returns an error for the user if a parameter is about something that no file has, or NULL. */
const char *parameters_unused(struct arena *arena, const struct parameters *parameters);

#endif /* IDL_PARAMETERS_H */
