// SPDX-License-Identifier: MIT
/*
 * Names of a scope: see scope.h.
 */
#define _GNU_SOURCE
#include <search.h>
#include <string.h>

#include "scope.h"

struct scope_entry {
	const char *name;
	const char *owner;
};

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct scope_entry *)a)->name, ((const struct scope_entry *)b)->name);
}

const char *scope_enter(struct scope *scope, const char *name, const char *owner)
{
	struct scope_entry *entry = arena_alloc(scope->arena, sizeof(*entry));
	struct scope_entry **found;

	*entry = (struct scope_entry){ name, owner };
	found = tsearch(entry, &scope->root, compare_entries);
	if (!found)
		out_of_memory();
	return *found == entry ? NULL : (*found)->owner;
}

const char *scope_form(struct arena *arena, const char *form, const char *name)
{
	size_t before = strcspn(form, "*");

	return arena_printf(arena, "%.*s%s%s", (int)before, form, name,
			    form[before] ? form + before + 1 : "");
}

const char *scope_find(const struct scope *scope, const char *name)
{
	const struct scope_entry key = { name, NULL };
	struct scope_entry **found = tfind(&key, &scope->root, compare_entries);

	return found ? (*found)->owner : NULL;
}

bool scope_is_free(const struct scope *scope, const char *name)
{
	return !(scope->reserved && scope->reserved(name)) && !scope_find(scope, name);
}

bool scope_are_free(const struct scope *scope, const char *name, const char *const *forms)
{
	for (; *forms; forms++)
		if (!scope_is_free(scope, scope_form(scope->arena, *forms, name)))
			return false;
	return true;
}

void scope_enter_all(struct scope *scope, const char *name, const char *const *forms,
		     const char *owner)
{
	for (; *forms; forms++)
		scope_enter(scope, scope_form(scope->arena, *forms, name), owner);
}

const char *scope_choose(struct scope *scope, const char *name, const char *const *forms,
			 const char *owner)
{
	while (!scope_are_free(scope, name, forms))
		name = arena_printf(scope->arena, "%s_", name);
	scope_enter_all(scope, name, forms, owner);
	return name;
}

static void in_arena(void *entry)
{
	(void)entry;
}

void scope_done(struct scope *scope)
{
	tdestroy(scope->root, in_arena);
	scope->root = NULL;
}
