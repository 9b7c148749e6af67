// SPDX-License-Identifier: MIT
/*
 * Names in C: prefixes of services, functions of methods, members of the table of handlers.
 */
#include <string.h>

#include "names.h"
#include "naming.h"
#include "scope.h"

/* Kinds of methods. */
#define CALL	(1U << 0) /* not a stream */
#define REPLIED (1U << 1) /* a call, not a oneway */
#define REPLY	(1U << 2) /* a call with a nonempty reply */
#define STREAM	(1U << 3)
#define SENDS	(1U << 4) /* has a stream of requests */
#define PUSHES	(1U << 5) /* has a stream of replies */
#define FINISH	(1U << 6) /* has a stream and one reply */

/* The functions and types of methods of a kind. The prefix precedes each of them. Only the names of
 * the functions that call are chosen by themselves: method Get clashes with that which finds the
 * service. */
static const struct {
	unsigned int has;
	const char *form;
} method_forms[] = {
	{ CALL, "invoke_*" },
	{ REPLIED | FINISH, "reply_*" },
	{ REPLIED, "*_cb" },
	{ REPLIED, "*_async" },
	{ REPLIED, "complete_*" },
	{ REPLY, "*_reply_keep" },
	{ REPLY, "*_reply_free" },
	{ REPLY, "*_reply_freep" },
	{ STREAM, "*_open" },
	{ STREAM, "*_open_async" },
	{ STREAM, "start_*" },
	{ SENDS, "*_send" },
	{ SENDS, "receive_*" },
	{ PUSHES, "*_receive" },
	{ PUSHES, "send_*" },
	{ FINISH, "*_finish" },
	{ FINISH, "*_finish_cb" },
	{ PUSHES, "*_receive_cb" },
	{ STREAM, "*_set_ops" },
	{ STREAM, "received_*" },
	{ SENDS, "receive_*_cb" },
	{ SENDS, "set_ops_*" },
	{ SENDS, "requested_*" },
};

/* Names of a service; '*' stands for the prefix. */
static const char *const service_forms[] = {
	"*",	   "*_ops",	   "*_interface",  "*_get",	 "*_wait",
	"*_take",  "*_from_proxy", "*_ref",	   "*_unref",	 "*_unrefp",
	"*_proxy", "*_on_death",   "*_object_new", "*_register", "*_register_with", "*_method_table",
	NULL,
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool is_reserved(const char *name)
{
	return name_is_reserved(name) || name_is_libc(name);
}

/* --- Services ----------------------------------------------------------------------- */

/* Returns the name of the parameter in "struct echo *echo". If another parameter or local variable
 * of generated functions has that name, changes it. */
static const char *self_of(struct arena *arena, const char *prefix)
{
	static const char *const taken[] = {
		"call",		"cb",	       "destroy",   "error",	"field",      "handlers",
		"id",		"message",     "name",	    "none",	"object",     "ops",
		"options",	"p",	       "proxy",	    "r",	"reply",      "request",
		"result",	"ret_message", "ret_reply", "ret_slot", "ret_stream", "stream",
		"timeout_usec", "userdata",
	};

	for (size_t i = 0; i < LENGTH(taken); i++)
		if (!strcmp(prefix, taken[i]))
			return arena_printf(arena, "%s_", prefix);

	return prefix;
}

static void name_service(struct scope *scope, struct service *s)
{
	if (s->explicit_prefix)
		scope_enter_all(scope, s->prefix, service_forms, s->full_name);
	else
		s->prefix = scope_choose(scope, s->prefix, service_forms, s->full_name);
	s->self = self_of(scope->arena, s->prefix);
}

/* --- Methods ------------------------------------------------------------------------ */

static unsigned int method_has(const struct method *method)
{
	if (method->streams)
		return STREAM | (method->sends ? SENDS : 0) | (method->pushes ? PUSHES : FINISH);

	return CALL | (method->oneway ? 0 : REPLIED) | (method->has_reply ? REPLY : 0);
}

/* Returns the forms of the method, with the prefix of its service, ending with NULL. */
static const char *const *forms_of(struct arena *arena, const struct service *s,
				   const struct method *m)
{
	const char **forms = arena_array(arena, LENGTH(method_forms) + 2, sizeof(*forms));
	size_t n = 0;

	for (size_t i = 0; i < LENGTH(method_forms); i++)
		if (method_forms[i].has & method_has(m))
			forms[n++] = arena_printf(arena, "%s_%s", s->prefix, method_forms[i].form);
	forms[n++] = arena_printf(arena, "%s_method_*", s->prefix);
	return forms;
}

static const char *snake_of(struct arena *arena, const char *name)
{
	const char *snake = name_snake(arena, name);

	/* The name has only underscores, or its first letter is a digit. */
	return *snake ? snake : name_c_member(arena, name);
}

/* Chooses the name of a function that calls the method. */
static const char *call_name(struct scope *scope, const struct service *s, const struct method *m,
			     const char *name)
{
	const char *const forms[] = { arena_printf(scope->arena, "%s_*", s->prefix), NULL };

	return m->streams ? name : scope_choose(scope, name, forms, m->full_name);
}

static void name_methods(struct scope *scope, struct service *s)
{
	static const char *const itself[] = { "*", NULL };
	struct scope members = { .arena = scope->arena, .reserved = name_is_reserved };

	for (size_t i = 0; i < s->n_methods; i++) {
		struct method *m = &s->methods[i];

		m->snake = scope_choose(scope, snake_of(scope->arena, m->called),
					forms_of(scope->arena, s, m), m->full_name);
		m->plain = call_name(scope, s, m, m->snake);
		m->with = call_name(scope, s, m, arena_printf(scope->arena, "%s_with", m->snake));
		m->member = scope_choose(&members, m->snake, itself, m->full_name);
		m->index = name_upper(scope->arena, arena_printf(scope->arena, "%s_method_%s",
								 s->prefix, m->snake));
	}
	scope_done(&members);
}

/* --- All ---------------------------------------------------------------------------- */

/* Enters names that are not derived from services. */
static void enter_others(struct scope *scope, const struct unit *unit)
{
	static const char *const forms[] = { "*__put", "*__take", "*__codec", NULL };

	scope_enter(scope, "file_descriptor_set", unit->file);
	for (size_t i = 0; i < unit->codecs.count; i++)
		scope_enter_all(scope, unit->codecs.list[i].name, forms, unit->file);
}

static void name_unit(struct unit *unit, struct arena *arena)
{
	struct scope scope = { .arena = arena, .reserved = is_reserved };

	enter_others(&scope, unit);
	for (size_t explicit = 2; explicit --;)
		for (size_t i = 0; i < unit->n_services; i++)
			if (unit->services[i].explicit_prefix == explicit)
				name_service(&scope, &unit->services[i]);
	for (size_t i = 0; i < unit->n_services; i++)
		name_methods(&scope, &unit->services[i]);
	scope_done(&scope);
}

#define CHOOSE \
	"choose another prefix with option (ipc.c_prefix) or parameter c_prefix=INTERFACE=PREFIX"

static bool prefix_belongs_to(const char *prefix, const char *library)
{
	size_t length = strlen(library);

	return !strncmp(prefix, library, length) && (!prefix[length] || prefix[length] == '_');
}

static void check_prefix(struct arena *arena, const struct unit *unit, const struct service *s,
			 struct diag *diag)
{
	const char *problem;

	if (s->explicit_prefix && !name_is_snake(s->prefix))
		problem = arena_printf(arena, "\"%s\" is not a valid prefix of C names; it needs words of "
				       "small letters and digits with single underscores between them",
				       s->prefix);
	else if (s->explicit_prefix && name_is_reserved(s->prefix))
		problem = arena_printf(arena, "the C name %s is reserved; " CHOOSE, s->prefix);
	else if (prefix_belongs_to(s->prefix, "ipc"))
		problem = "C names that begin with ipc belong to libipc; " CHOOSE;
	else if (prefix_belongs_to(s->prefix, "protobuf_c"))
		problem = "C names that begin with protobuf_c belong to protobuf-c; " CHOOSE;
	else
		return;
	diag_add(diag, unit->file, unit->proto->source_code_info, s->prefix_place, "service %s: %s",
		 s->name, problem);
}

/* Returns all names of functions and types of the method, ending with NULL. */
static const char *const *names_of(struct arena *arena, const struct service *s,
				   const struct method *m)
{
	const char *const *forms = forms_of(arena, s, m);
	const char **names = arena_array(arena, LENGTH(method_forms) + 4, sizeof(*names));
	size_t n = 0;

	for (; forms[n]; n++)
		names[n] = scope_form(arena, forms[n], m->snake);
	if (!m->streams) {
		names[n++] = arena_printf(arena, "%s_%s", s->prefix, m->plain);
		names[n++] = arena_printf(arena, "%s_%s", s->prefix, m->with);
	}
	return names;
}

/* Reports names that another file of the run has, because a program may use all. Each file gets its
 * names independently, so that they do not depend on the run. */
static void check_service(struct scope *scope, const struct unit *unit, const struct service *s,
			  struct diag *diag)
{
	for (const char *const *form = service_forms; *form; form++) {
		const char *name = scope_form(scope->arena, *form, s->prefix);
		const char *owner = scope_enter(scope, name, s->full_name);

		if (!owner)
			continue;
		diag_add(diag, unit->file, unit->proto->source_code_info, s->place,
			 "service %s: %s already has the C name %s; " CHOOSE, s->full_name, owner,
			 name);
		return;
	}
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct method *m = &s->methods[i];

		for (const char *const *name = names_of(scope->arena, s, m); *name; name++) {
			const char *owner = scope_enter(scope, *name, m->full_name);

			if (!owner)
				continue;
			diag_add(diag, unit->file, unit->proto->source_code_info, m->place,
				 "rpc %s: %s already has the C name %s; " CHOOSE, m->full_name, owner,
				 *name);
			return;
		}
	}
}

void naming_c(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	struct scope scope = { .arena = arena };

	for (size_t i = 0; i < n_units; i++)
		for (size_t j = 0; j < units[i].n_services; j++)
			check_prefix(arena, &units[i], &units[i].services[j], diag);
	for (size_t i = 0; i < n_units; i++)
		name_unit(&units[i], arena);
	for (size_t i = 0; i < n_units; i++)
		for (size_t j = 0; j < units[i].n_services; j++)
			check_service(&scope, &units[i], &units[i].services[j], diag);
	scope_done(&scope);
}
