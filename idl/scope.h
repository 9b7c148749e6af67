/* SPDX-License-Identifier: MIT */
/*
 * The names of one scope of generated code: a C program, a class, a module. A name that is reserved
 * or taken gets as many trailing underscores as necessary.
 */
#ifndef IDL_SCOPE_H
#define IDL_SCOPE_H

#include <stdbool.h>

#include "arena.h"

struct scope {
	struct arena *arena;
	bool (*reserved)(const char *name); /* or NULL */
	void *root;			    /* tsearch(3) */
};

/* Enters a name. If the name is already there, returns its owner, otherwise NULL. */
const char *scope_enter(struct scope *scope, const char *name, const char *owner);

/* scope_is_free() returns true if the name is neither reserved nor in the scope. scope_find()
 * returns the owner of a name, or NULL. */
bool scope_is_free(const struct scope *scope, const char *name);
const char *scope_find(const struct scope *scope, const char *name);

/* The same for all forms of a name. forms ends with NULL; '*' stands for the name. */
bool scope_are_free(const struct scope *scope, const char *name, const char *const *forms);
void scope_enter_all(struct scope *scope, const char *name, const char *const *forms,
		     const char *owner);

/*
 * Chooses and enters the name of an entity that generated code uses in several forms, such as
 * "echo_*_async". Returns the first of name, name_, name__ ... of which all forms are free.
 */
const char *scope_choose(struct scope *scope, const char *name, const char *const *forms,
			 const char *owner);

/* Returns form with '*' replaced by name. */
const char *scope_form(struct arena *arena, const char *form, const char *name);

void scope_done(struct scope *scope);

#endif /* IDL_SCOPE_H */
