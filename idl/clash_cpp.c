// SPDX-License-Identifier: MIT
/*
 * Names that only the output for C++ has: emit_cpp.c makes a class of a service, with classes
 * Proxy and Service in it, and METHOD_async and the like of a method.
 */
#include <string.h>

#include "clash.h"
#include "names.h"

static const char *const suffixes[] = { "", "_async", "_future", "_await" };

#define N_SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

static bool is_own(const char *name)
{
	return !strcmp(name, "Proxy") || !strcmp(name, "Service") || !strcmp(name, "serve") ||
	       !strncmp(name, "ipc_", 4) || name_is_keyword(name);
}

/* The suffix with which a's name is that of b, or NULL. */
static const char *suffix_to(const struct method *a, const struct method *b)
{
	size_t length = strlen(a->name);

	for (size_t i = 1; i < N_SUFFIXES; i++)
		if (!strncmp(a->name, b->name, length) && !strcmp(b->name + length, suffixes[i]))
			return suffixes[i];
	return NULL;
}

void clash_check_cpp(const struct unit *unit, const Google__Protobuf__SourceCodeInfo *source,
		     struct diag *diag)
{
	for (size_t i = 0; i < unit->n_services; i++) {
		const struct service *s = &unit->services[i];

		if (is_own(s->name))
			diag_add(diag, unit->file, source, s->place,
				 "service %s: the generated C++ needs that name; choose another",
				 s->name);
		for (size_t j = 0; j < s->n_methods; j++) {
			const struct method *m = &s->methods[j];

			if (is_own(m->name))
				diag_add(diag, unit->file, source, m->place,
					 "rpc %s.%s: the generated C++ needs that name; choose another",
					 s->name, m->name);
			for (size_t k = 0; k < s->n_methods; k++)
				if (suffix_to(m, &s->methods[k]))
					diag_add(diag, unit->file, source, s->methods[k].place,
						 "rpc %s.%s: the generated C++ has that name for rpc %s; "
						 "rename one of them",
						 s->name, s->methods[k].name, m->name);
		}
	}
}
