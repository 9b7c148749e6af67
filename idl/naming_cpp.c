// SPDX-License-Identifier: MIT
/*
 * Names in C++: a class of each service in the namespace of its package, beside the classes of
 * protoc --cpp_out, and in it the classes Proxy and Service with the methods.
 */
#include <string.h>

#include "names.h"
#include "naming.h"
#include "scope.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__EnumDescriptorProto Enum;

static const char *const itself[] = { "*", NULL };

/* --- The namespace ------------------------------------------------------------------ */

/* protoc makes Outer_Inner of a nested type, and functions of an enum. */
static void enter_enums(struct scope *scope, const char *outer, Enum *const *enums, size_t n_enums)
{
	static const char *const forms[] = { "*",     "*_Name", "*_Parse",     "*_IsValid",
					     "*_MIN", "*_MAX",	"*_ARRAYSIZE", "*_descriptor" };

	for (size_t i = 0; i < n_enums; i++) {
		const char *name = arena_printf(scope->arena, "%s%s", outer, enums[i]->name);

		for (size_t j = 0; j < sizeof(forms) / sizeof(forms[0]); j++)
			scope_enter(scope, scope_form(scope->arena, forms[j], name), name);
		for (size_t j = 0; *outer && j < enums[i]->n_value; j++)
			scope_enter(
				scope,
				arena_printf(scope->arena, "%s_%s", name, enums[i]->value[j]->name),
				name);
	}
}

static void enter_messages(struct scope *scope, const char *outer, Descriptor *const *messages,
			   size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		const char *name = arena_printf(scope->arena, "%s%s", outer, messages[i]->name);
		const char *in = arena_printf(scope->arena, "%s_", name);

		scope_enter(scope, name, name);
		enter_enums(scope, in, messages[i]->enum_type, messages[i]->n_enum_type);
		enter_messages(scope, in, messages[i]->nested_type, messages[i]->n_nested_type);
	}
}

static bool is_reserved_class(const char *name)
{
	return name_is_reserved(name) || !strcmp(name, "Proxy") || !strcmp(name, "Service") ||
	       !strncmp(name, "ipc_", strlen("ipc_"));
}

/* With cc_generic_services, protoc has two classes for each service. */
static void enter_generic_services(struct scope *scope, const struct unit *unit)
{
	const Google__Protobuf__FileOptions *options = unit->proto->options;

	if (!options || !options->cc_generic_services)
		return;
	for (size_t i = 0; i < unit->proto->n_service; i++) {
		const char *name = unit->proto->service[i]->name;

		scope_enter(scope, name, name);
		scope_enter(scope, arena_printf(scope->arena, "%s_Stub", name), name);
	}
}

/* --- The class ---------------------------------------------------------------------- */

/* The functions of the bases, and what generated code has besides. */
static bool is_reserved_method(const char *name)
{
	static const char *const others[] = { "has_streams", "serve", "serve_stream" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return true;
	return is_reserved_class(name);
}

static void name_methods(struct arena *arena, struct service *s)
{
	static const char *const forms[] = { "*", "*_async", "*_future", "*_await", NULL };
	struct scope scope = { .arena = arena, .reserved = is_reserved_method };

	for (size_t i = 0; i < s->n_methods; i++)
		s->methods[i].ident =
			scope_choose(&scope, s->methods[i].called, forms, s->methods[i].path);
	scope_done(&scope);
}

/* --- What protoc --cpp_out cannot generate --------------------------------------------- */

#define MESSAGE_FIELD  2
#define MESSAGE_NESTED 3
#define MESSAGE_ENUM   4
#define FILE_PACKAGE   2

static bool is_in(const char *const *words, const char *name)
{
	for (; *words; words++)
		if (!strcmp(*words, name))
			return true;
	return false;
}

/* protoc's class has a function of that name, or a header that it includes has a macro. */
static bool is_bad_field(const char *name)
{
	static const char *const words[] = {
		"_internal_metadata_",
		"assert",
		"default_instance",
		"descriptor",
		"errno",
		"internal_default_instance",
		"offsetof",
		NULL,
	};

	return is_in(words, name);
}

static bool is_bad_value(const char *name)
{
	static const char *const words[] = {
		"BUFSIZ",      "CHAR_MAX", "CHAR_MIN", "E2BIG",	    "EACCES",	 "EAGAIN",
		"EALREADY",    "EBADF",	   "EBUSY",    "ECANCELED", "ECHILD",	 "ECONNREFUSED",
		"ECONNRESET",  "EDEADLK",  "EDOM",     "EEXIST",    "EFAULT",	 "EFBIG",
		"EINPROGRESS", "EINTR",	   "EINVAL",   "EIO",	    "EISDIR",	 "ELOOP",
		"EMFILE",      "EMLINK",   "ENFILE",   "ENODEV",    "ENOENT",	 "ENOMEM",
		"ENOSPC",      "ENOSYS",   "ENOTCONN", "ENOTDIR",   "ENOTEMPTY", "ENOTSUP",
		"ENXIO",       "EOF",	   "EPERM",    "EPIPE",	    "EPROTO",	 "ERANGE",
		"EROFS",       "ESPIPE",   "ESRCH",    "ETIMEDOUT", "EXDEV",	 "INT_MAX",
		"INT_MIN",     "LONG_MAX", "LONG_MIN", "UINT_MAX",  "errno",	 NULL,
	};

	return is_in(words, name);
}

struct checker {
	const struct unit *unit;
	struct diag *diag;
};

#define complain(c, place, what, name)                                                         \
	diag_add((c)->diag, (c)->unit->file, (c)->unit->proto->source_code_info, place,        \
		 what                                                                          \
		 " %s: protoc --cpp_out generates code that does not compile for a name like " \
		 "this; rename it, or use another language",                                   \
		 name)

static void check_enums(const struct checker *c, struct path in, int32_t step, Enum *const *enums,
			size_t n_enums)
{
	for (size_t i = 0; i < n_enums; i++)
		for (size_t j = 0; j < enums[i]->n_value; j++)
			if (is_bad_value(enums[i]->value[j]->name))
				complain(c, path_element(path_element(in, step, i), 2, j),
					 "enum value", enums[i]->value[j]->name);
}

static void check_messages(const struct checker *c, struct path in, int32_t step,
			   Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		struct path at = path_element(in, step, i);
		const Descriptor *m = messages[i];

		for (size_t j = 0; j < m->n_field; j++)
			if (is_bad_field(m->field[j]->name))
				complain(c, path_element(at, MESSAGE_FIELD, j), "field",
					 m->field[j]->name);
		check_enums(c, at, MESSAGE_ENUM, m->enum_type, m->n_enum_type);
		check_messages(c, at, MESSAGE_NESTED, m->nested_type, m->n_nested_type);
	}
}

static void check_package(const struct checker *c, struct arena *arena)
{
	const char *package = c->unit->proto->package ?: "";

	while (*package) {
		size_t length = strcspn(package, ".");
		const char *part = arena_strndup(arena, package, length);

		if (name_is_keyword(part))
			complain(c, path_field((struct path){ 0 }, FILE_PACKAGE), "package", part);
		package += length + (package[length] == '.');
	}
}

static void check_unit(const struct unit *unit, struct arena *arena, struct diag *diag)
{
	const struct checker c = { unit, diag };
	const Google__Protobuf__FileDescriptorProto *file = unit->proto;

	check_package(&c, arena);
	check_messages(&c, (struct path){ 0 }, FILE_MESSAGE, file->message_type,
		       file->n_message_type);
	check_enums(&c, (struct path){ 0 }, FILE_ENUM, file->enum_type, file->n_enum_type);
}

void naming_cpp(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	for (size_t i = 0; i < n_units; i++) {
		struct unit *unit = &units[i];
		struct scope scope = { .arena = arena, .reserved = is_reserved_class };

		check_unit(unit, arena, diag);
		enter_messages(&scope, "", unit->proto->message_type, unit->proto->n_message_type);
		enter_enums(&scope, "", unit->proto->enum_type, unit->proto->n_enum_type);
		enter_generic_services(&scope, unit);
		for (size_t j = 0; j < unit->n_services; j++) {
			unit->services[j].ident = scope_choose(&scope, unit->services[j].name,
							       itself, unit->services[j].full_name);
			name_methods(arena, &unit->services[j]);
		}
		scope_done(&scope);
	}
}
