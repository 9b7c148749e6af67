// SPDX-License-Identifier: MIT
/*
 * Names in Rust: the trait, client and server of a service beside the messages of its file, and
 * their functions. Keywords are no concern of this file: they become raw identifiers.
 */
#include <string.h>

#include "emit_rust.h"
#include "names.h"
#include "naming.h"
#include "scope.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__EnumDescriptorProto Enum;

/* Types that generated code names without a path. */
static bool is_reserved_class(const char *name)
{
	static const char *const words[] = { "IpcService", "Self", "bool", "str", "u32", "u8" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(name, words[i]))
			return true;
	return rust_is_keyword(name);
}

/* The associated functions of a client, and functions of every type that take precedence over
 * its own. */
static bool is_reserved_method(const char *name)
{
	static const char *const words[] = {
		"get", "into", "new", "proxy", "try_into", "wait_for"
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(name, words[i]))
			return true;
	return false;
}

static void enter_enums(struct scope *scope, const char *outer, Enum *const *enums, size_t n_enums)
{
	for (size_t i = 0; i < n_enums; i++) {
		const char *name = arena_printf(scope->arena, "%s%s", outer, enums[i]->name);

		scope_enter(scope, name, name);
	}
}

/* Outer.Inner is OuterInner. */
static void enter_messages(struct scope *scope, const char *outer, Descriptor *const *messages,
			   size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		const char *name = arena_printf(scope->arena, "%s%s", outer, messages[i]->name);

		scope_enter(scope, name, name);
		enter_enums(scope, name, messages[i]->enum_type, messages[i]->n_enum_type);
		enter_messages(scope, name, messages[i]->nested_type, messages[i]->n_nested_type);
	}
}

static void name_methods(struct arena *arena, struct service *s)
{
	static const char *const forms[] = { "*", "*_with", "*_async", "*_call", NULL };
	struct scope scope = { .arena = arena, .reserved = is_reserved_method };

	for (size_t i = 0; i < s->n_methods; i++) {
		const char *snake = name_snake(arena, s->methods[i].called);

		s->methods[i].ident = scope_choose(
			&scope, *snake ? snake : arena_printf(arena, "x%s", s->methods[i].called),
			forms, s->methods[i].path);
	}
	scope_done(&scope);
}

void naming_rust(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	static const char *const forms[] = { "*", "*Client", "*Server", NULL };

	(void)diag;
	for (size_t i = 0; i < n_units; i++) {
		struct scope scope = { .arena = arena, .reserved = is_reserved_class };

		enter_messages(&scope, "", units[i].proto->message_type,
			       units[i].proto->n_message_type);
		enter_enums(&scope, "", units[i].proto->enum_type, units[i].proto->n_enum_type);
		for (size_t j = 0; j < units[i].n_services; j++) {
			struct service *s = &units[i].services[j];

			s->ident = scope_choose(&scope, s->name, forms, s->full_name);
			name_methods(arena, s);
		}
		scope_done(&scope);
	}
}
