// SPDX-License-Identifier: MIT
/*
 * Names in Rust: the trait, client and server of a service beside the messages of its package, and
 * their functions. rust_names.c chooses the names of the messages. This file ignores keywords,
 * because they become raw identifiers.
 */
#include "names.h"
#include "naming.h"
#include "rust_names.h"

/* Returns true for words that cannot be raw identifiers. */
static bool is_reserved_method(const char *name)
{
	/* Sorted. */
	static const char *const words[] = { "_", "crate", "self", "super" };

	return IN_LIST(name, words);
}

/* Returns true for functions of every client, and for functions of all types that take precedence
 * over those of the client. */
static bool is_client_function(const char *name)
{
	/* Sorted. */
	static const char *const words[] = { "get", "into", "new", "proxy", "try_into", "wait" };

	return IN_LIST(name, words);
}

/* Names the methods. In a client, only the function that calls gets another name: method Get of a
 * service has get_(), get_with() and get_async(). */
static void name_methods(struct arena *arena, struct service *s)
{
	static const char *const forms[] = { "*", "*_with", "*_async", "*_call", NULL };
	static const char *const itself[] = { "*", NULL };
	struct scope scope = { .arena = arena, .reserved = is_reserved_method };

	for (size_t i = 0; i < s->n_methods; i++) {
		struct method *m = &s->methods[i];
		const char *snake = name_snake(arena, m->called);

		m->ident = scope_choose(&scope, *snake ? snake : arena_printf(arena, "x%s", m->called),
					forms, m->full_name);
		/* The name without underscores is taken by now. */
		m->plain = is_client_function(m->ident) ?
				   scope_choose(&scope, m->ident, itself, m->full_name) :
				   m->ident;
	}
	scope_done(&scope);
}

void naming_rust(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	static const char *const forms[] = { "*", "*Proxy", "*Server", NULL };
	struct rust_names *names = n_units ? rust_names(units->request) : NULL;

	(void)diag;
	for (size_t i = 0; i < n_units; i++) {
		struct rust_module *module = rust_package(names, units[i].proto->package);

		units[i].rust = names;
		for (size_t j = 0; j < units[i].n_services; j++) {
			struct service *s = &units[i].services[j];

			s->ident = scope_choose(&module->scope, s->name, forms, s->full_name);
			name_methods(arena, s);
		}
	}
	if (names)
		rust_names_done(names);
}
