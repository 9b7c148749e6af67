// SPDX-License-Identifier: MIT
/*
 * Names in Python: the classes of a service in its module, and their methods.
 */
#include <string.h>

#include "emit_python.h"
#include "names.h"
#include "naming.h"
#include "scope.h"

bool python_is_keyword(const char *word)
{
	/* Sorted. */
	static const char *const words[] = {
		"False",  "None",   "True",    "and",	   "as",       "assert", "async",
		"await",  "break",  "class",   "continue", "def",      "del",	 "elif",
		"else",	  "except", "finally", "for",	   "from",     "global", "if",
		"import", "in",	    "is",      "lambda",   "nonlocal", "not",	 "or",
		"pass",	  "raise",  "return",  "try",	   "while",    "with",	 "yield",
	};

	return IN_LIST(word, words);
}

/* Returns true for types that X_ipc.pyi uses. */
static bool is_builtin(const char *name)
{
	static const char *const words[] = { "bool", "bytes", "float", "int", "str" };

	return IN_LIST(name, words);
}

static bool is_reserved_class(const char *name)
{
	static const char *const words[] = { "_SET", "_aio", "_importlib", "_stubs", "_sync" };
	size_t length = strlen(name);

	return python_is_keyword(name) || is_builtin(name) || IN_LIST(name, words) ||
	       (length >= 4 && !strcmp(name + length - 4, "_pb2"));
}

/* Returns true for members of the package's classes: python/ipcbus/aio.py and sync.py. */
static bool is_reserved_method(const char *name)
{
	static const char *const words[] = {
		"ACCEPT_FDS", "INTERFACE", "LABEL", "PIDFD", "WINDOW", "call",	    "connection",
		"on_death",   "oneway",	   "open",  "ping",  "serve",  "wait_dead",
	};

	return python_is_keyword(name) || is_builtin(name) || IN_LIST(name, words);
}

/* Names with a leading underscore belong to the package, and Python mangles names with two. */
static const char *public_name(struct arena *arena, const char *name)
{
	const char *rest = name + strspn(name, "_");

	if (rest == name)
		return name;
	return *rest >= '0' && *rest <= '9' ? arena_printf(arena, "x_%s", rest) :
	       *rest			    ? rest :
					      "x_";
}

static void name_methods(struct arena *arena, struct service *s)
{
	static const char *const itself[] = { "*", NULL };
	struct scope scope = { .arena = arena, .reserved = is_reserved_method };

	for (size_t i = 0; i < s->n_methods; i++)
		s->methods[i].ident = scope_choose(&scope, public_name(arena, s->methods[i].called),
						   itself, s->methods[i].full_name);
	scope_done(&scope);
}

void naming_python(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	static const char *const forms[] = { "*", "_*", "*Sync", "*Service", "*SyncService", NULL };

	(void)diag;
	for (size_t i = 0; i < n_units; i++) {
		struct scope scope = { .arena = arena, .reserved = is_reserved_class };

		for (size_t j = 0; j < units[i].n_services; j++) {
			struct service *s = &units[i].services[j];

			s->ident = scope_choose(&scope, s->name, forms, s->full_name);
			name_methods(arena, s);
		}
		scope_done(&scope);
	}
}
