// SPDX-License-Identifier: MIT
/*
 * Names in C++: the class of each service in the namespace of its package, beside the classes of
 * protoc --cpp_out. It contains the classes Proxy and Service with the methods. Most of this file
 * predicts the names that protoc generates, to reject names that do not compile.
 */
#include <string.h>

#include "names.h"
#include "naming.h"
#include "scope.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__EnumDescriptorProto Enum;

static const char *const itself[] = { "*", NULL };

/* --- The namespace ------------------------------------------------------------------ */

static bool is_reserved_class(const char *name)
{
	return name_is_reserved(name) || name_is_cpp_macro(name, /* with_arguments= */ true) ||
	       !strcmp(name, "Proxy") || !strcmp(name, "Service") ||
	       !strncmp(name, "ipc_", strlen("ipc_"));
}

/* Enters the two classes that protoc generates for each service with cc_generic_services. */
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

/* Returns true for functions of the base classes, and for other names in generated code. */
static bool is_reserved_method(const char *name)
{
	/* Sorted. */
	static const char *const others[] = { "has_request", "has_streams", "serve",
					      "serve_request", "serve_stream" };

	return IN_LIST(name, others) || is_reserved_class(name);
}

static void name_methods(struct arena *arena, struct service *s)
{
	static const char *const forms[] = { "*", "*_async", "*_future", "*_await", NULL };
	struct scope scope = { .arena = arena, .reserved = is_reserved_method };

	for (size_t i = 0; i < s->n_methods; i++)
		s->methods[i].ident =
			scope_choose(&scope, s->methods[i].called, forms, s->methods[i].full_name);
	scope_done(&scope);
}

/* --- Names that protoc --cpp_out cannot generate --------------------------------------- */

/* Field numbers of descriptor.proto, for paths. */
#define MESSAGE_FIELD  2
#define MESSAGE_NESTED 3
#define MESSAGE_ENUM   4
#define MESSAGE_ONEOF  8
#define FILE_PACKAGE   2

/* Returns true if protoc's class has a function with that name, or if a header that it includes has
 * a macro with that name. */
static bool is_bad_field(const char *name)
{
	/* Sorted. */
	static const char *const words[] = { "_internal_metadata_", "default_instance",
					     "descriptor", "internal_default_instance" };

	return IN_LIST(name, words) || name_is_cpp_macro(name, /* with_arguments= */ true);
}

/* Returns true for macros of such headers. */
static bool is_bad_value(const char *name)
{
	return name_is_cpp_macro(name, /* with_arguments= */ false);
}

struct checker {
	const Google__Protobuf__FileDescriptorProto *file;
	struct diag *diag;
	bool is_proto2;
};

#define complain(c, place, what, names)                                                     \
	diag_add((c)->diag, (c)->file->name, (c)->file->source_code_info, place,            \
		 "%s %s: protoc --cpp_out generates code that does not compile for a name " \
		 "like this; rename it, or use another language",                           \
		 what, names)

static void check_enums(const struct checker *c, struct path in, int32_t step, Enum *const *enums,
			size_t n_enums)
{
	for (size_t i = 0; i < n_enums; i++)
		for (size_t j = 0; j < enums[i]->n_value; j++)
			if (is_bad_value(enums[i]->value[j]->name))
				complain(c, path_element(path_element(in, step, i), 2, j),
					 "enum value", enums[i]->value[j]->name);
}

/* The names that protoc generates for an enum: itself and functions, then constants. */
static const char *const enum_forms[] = { "*",		  "*_Name", "*_Parse", "*_IsValid",
					  "*_descriptor", "*_MIN",  "*_MAX",   "*_ARRAYSIZE" };
#define N_FUNCTIONS	5
#define LENGTH(array)	(sizeof(array) / sizeof((array)[0]))

/*
 * The names in protoc's class of a message. Two functions may have the same name if one of them is
 * const, so const functions are a separate kind of names. Types, constants and fixed names are of
 * both kinds.
 */
#define CONST 1
#define OTHER 2

struct class {
	const struct checker *c;
	struct scope scope;
};

static void enter_member(struct class *class, int kinds, const char *name, struct path path,
			 const char *what, const char *owner)
{
	struct arena *arena = class->scope.arena;
	const char *taken = NULL;

	if (kinds & CONST)
		taken = scope_enter(&class->scope, arena_printf(arena, "%s const", name), owner);
	if (kinds & OTHER)
		taken = scope_enter(&class->scope, name, owner) ?: taken;
	if (taken)
		complain(class->c, path, what, arena_printf(arena, "%s beside %s", owner, taken));
}

/* Converts foo_bar to FooBar. */
static const char *camel(struct arena *arena, const char *name)
{
	char *camel = arena_strndup(arena, name, strlen(name)), *end = camel;
	bool starts = true;

	for (; *name; name++) {
		bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');

		if (letter || (*name >= '0' && *name <= '9'))
			*end++ = starts && *name >= 'a' ? (char)(*name - 'a' + 'A') : *name;
		starts = !letter;
	}
	*end = '\0';
	return camel;
}

static void enter_fixed(struct class *class)
{
	static const char *const words[] = {
		"ByteSizeLong",	 "Clear",	  "CopyFrom",	     "FullMessageName",
		"GetCachedSize", "GetClassData",  "GetMetadata",     "GetReflection",
		"IsInitialized", "Impl_",	  "InternalSwap",    "MergeFrom",
		"MergeImpl",	 "New",		  "SetCachedSize",   "SharedCtor",
		"SharedDtor",	 "Swap",	  "UnsafeArenaSwap", "_Internal",
		"_class_data_",	 "GetDescriptor", "unknown_fields",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		enter_member(class, CONST | OTHER, words[i], (struct path){ 0 }, NULL,
			     arena_printf(class->scope.arena, "%s() of protobuf", words[i]));
}

static void enter_nested(struct class *class, const Descriptor *m, struct path at)
{
	for (size_t i = 0; i < m->n_nested_type; i++)
		if (!m->nested_type[i]->options || !m->nested_type[i]->options->map_entry)
			enter_member(class, CONST | OTHER, m->nested_type[i]->name,
				     path_element(at, MESSAGE_NESTED, i), "message",
				     m->nested_type[i]->name);
	for (size_t i = 0; i < m->n_enum_type; i++) {
		struct path in = path_element(at, MESSAGE_ENUM, i);
		const Enum *e = m->enum_type[i];

		for (size_t j = 0; j < LENGTH(enum_forms); j++)
			enter_member(class, CONST | OTHER,
				     scope_form(class->scope.arena, enum_forms[j], e->name), in,
				     "enum", e->name);
		for (size_t j = 0; j < e->n_value; j++)
			enter_member(class, CONST | OTHER, e->value[j]->name,
				     path_element(in, 2, j), "enum value", e->value[j]->name);
	}
}

static void enter_field(struct class *class, const Descriptor *m, size_t i, struct path at)
{
	const Google__Protobuf__FieldDescriptorProto *field = m->field[i];
	struct path path = path_element(at, MESSAGE_FIELD, i);
	struct arena *arena = class->scope.arena;
	const char *name = name_c_member(arena, field->name);
	bool repeated =
		field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
	bool present = class->c->is_proto2 || field->has_oneof_index ||
		       field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE;

	if (name_is_keyword(name))
		name = arena_printf(arena, "%s_", name);
	enter_member(class, CONST, name, path, "field", field->name);
	enter_member(class, OTHER, arena_printf(arena, "clear_%s", name), path, "field",
		     field->name);
	if (repeated)
		enter_member(class, CONST, arena_printf(arena, "%s_size", name), path, "field",
			     field->name);
	else if (present)
		enter_member(class, CONST, arena_printf(arena, "has_%s", name), path, "field",
			     field->name);
	if (field->has_oneof_index && !field->proto3_optional)
		enter_member(class, CONST | OTHER,
			     arena_printf(arena, "k%s", camel(arena, field->name)), path, "field",
			     field->name);
}

static void enter_oneof(struct class *class, const Descriptor *m, size_t i, struct path at)
{
	struct path path = path_element(at, MESSAGE_ONEOF, i);
	struct arena *arena = class->scope.arena;
	const char *name = m->oneof_decl[i]->name;

	for (size_t j = 0; j < m->n_field; j++)
		if (m->field[j]->proto3_optional && m->field[j]->oneof_index == (int32_t)i)
			return;
	enter_member(class, CONST | OTHER, arena_printf(arena, "%sCase", camel(arena, name)), path,
		     "oneof", name);
	enter_member(class, CONST, arena_printf(arena, "%s_case", name), path, "oneof", name);
	enter_member(class, CONST, arena_printf(arena, "has_%s", name), path, "oneof", name);
	enter_member(class, OTHER, arena_printf(arena, "clear_%s", name), path, "oneof", name);
}

/* Reports names that clash in the class of a message. name: of the class, Outer_Inner. */
static void check_message(const struct checker *c, const char *name, const Descriptor *m,
			  struct path at, struct arena *arena)
{
	struct class class = { .c = c, .scope = { .arena = arena } };

	for (size_t i = 0; i < m->n_field; i++)
		if (is_bad_field(m->field[i]->name))
			complain(c, path_element(at, MESSAGE_FIELD, i), "field", m->field[i]->name);
	enter_fixed(&class);
	enter_member(&class, CONST | OTHER, name, at, "message", name);
	enter_nested(&class, m, at);
	for (size_t i = 0; i < m->n_field; i++)
		enter_field(&class, m, i, at);
	for (size_t i = 0; i < m->n_oneof_decl; i++)
		enter_oneof(&class, m, i, at);
	scope_done(&class.scope);
}

static void check_messages(const struct checker *c, const char *outer, struct path in, int32_t step,
			   Descriptor *const *messages, size_t n_messages, struct arena *arena)
{
	for (size_t i = 0; i < n_messages; i++) {
		const char *name = arena_printf(arena, "%s%s", outer, messages[i]->name);
		struct path at = path_element(in, step, i);
		const Descriptor *m = messages[i];

		if (m->options && m->options->map_entry)
			continue;
		check_message(c, name, m, at, arena);
		check_enums(c, at, MESSAGE_ENUM, m->enum_type, m->n_enum_type);
		check_messages(c, arena_printf(arena, "%s_", name), at, MESSAGE_NESTED,
			       m->nested_type, m->n_nested_type, arena);
	}
}

static void check_package(const struct checker *c, struct arena *arena)
{
	const char *package = c->file->package ?: "";

	while (*package) {
		size_t length = strcspn(package, ".");
		const char *part = arena_strndup(arena, package, length);

		if (name_is_keyword(part) || is_bad_value(part) || !strcmp(part, "std"))
			complain(c, path_field((struct path){ 0 }, FILE_PACKAGE), "package", part);
		package += length + (package[length] == '.');
	}
}

/* Enters a name of the namespace that protoc derives from owner. */
static void enter_global(const struct checker *c, struct scope *scope, const char *name,
			 struct path path, const char *what, const char *owner)
{
	const char *taken = scope_enter(scope, name, owner);

	if (taken)
		complain(c, path, what, arena_printf(scope->arena, "%s beside %s", owner, taken));
	else if (is_bad_value(name) || !strcmp(name, "std"))
		complain(c, path, what, owner);
}

/* Enters the names that protoc generates for enums: Outer_Inner, functions, and values. */
static void enter_enums(const struct checker *c, struct scope *scope, const char *outer,
			struct path in, int32_t step, Enum *const *enums, size_t n_enums)
{
	for (size_t i = 0; i < n_enums; i++) {
		const char *name = arena_printf(scope->arena, "%s%s", outer, enums[i]->name);
		struct path at = path_element(in, step, i);

		/* Constants of a nested enum: Outer_Inner_Inner_MIN. */
		const char *constants =
			*outer ? arena_printf(scope->arena, "%s_%s", name, enums[i]->name) : name;

		for (size_t j = 0; j < LENGTH(enum_forms); j++)
			enter_global(c, scope,
				     scope_form(scope->arena, enum_forms[j],
						j < N_FUNCTIONS ? name : constants),
				     at, "enum", name);
		for (size_t j = 0; j < enums[i]->n_value; j++) {
			const char *value = enums[i]->value[j]->name;

			if (*outer)
				value = arena_printf(scope->arena, "%s_%s", name, value);
			enter_global(c, scope, value, path_element(at, 2, j), "enum value", value);
		}
	}
}

static void enter_messages(const struct checker *c, struct scope *scope, const char *outer,
			   struct path in, int32_t step, Descriptor *const *messages,
			   size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		const char *name = arena_printf(scope->arena, "%s%s", outer, messages[i]->name);
		const char *inner = arena_printf(scope->arena, "%s_", name);
		struct path at = path_element(in, step, i);

		enter_global(c, scope, name, at, "message", name);
		enter_enums(c, scope, inner, at, MESSAGE_ENUM, messages[i]->enum_type,
			    messages[i]->n_enum_type);
		enter_messages(c, scope, inner, at, MESSAGE_NESTED, messages[i]->nested_type,
			       messages[i]->n_nested_type);
	}
}

static void check_file(const Google__Protobuf__FileDescriptorProto *file, struct scope *scope,
		       struct diag *diag)
{
	const struct checker c = { file, diag, !file->syntax || !strcmp(file->syntax, "proto2") };
	const struct path top = { 0 };

	check_package(&c, scope->arena);
	check_messages(&c, "", top, FILE_MESSAGE, file->message_type, file->n_message_type,
		       scope->arena);
	enter_messages(&c, scope, "", top, FILE_MESSAGE, file->message_type, file->n_message_type);
	enter_enums(&c, scope, "", top, FILE_ENUM, file->enum_type, file->n_enum_type);
}

static bool has_unit(const struct unit *units, size_t n_units,
		     const Google__Protobuf__FileDescriptorProto *file)
{
	for (size_t i = 0; i < n_units; i++)
		if (units[i].proto == file)
			return true;
	return false;
}

/* Reports names in imported files, which the stubs include, that do not compile. libprotobuf
 * contains the files of google/protobuf. */
static void check_imports(const struct unit *units, size_t n_units, struct arena *arena,
			  struct diag *diag)
{
	for (size_t i = 0; n_units && i < units[0].request->n_files; i++) {
		const Google__Protobuf__FileDescriptorProto *file = units[0].request->files[i];
		struct scope scope = { .arena = arena };

		if (!strncmp(file->name, "google/protobuf/", strlen("google/protobuf/")) ||
		    has_unit(units, n_units, file))
			continue;
		check_file(file, &scope, diag);
		scope_done(&scope);
	}
}

void naming_cpp(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	check_imports(units, n_units, arena, diag);
	for (size_t i = 0; i < n_units; i++) {
		struct unit *unit = &units[i];
		struct scope scope = { .arena = arena, .reserved = is_reserved_class };

		check_file(unit->proto, &scope, diag);
		enter_generic_services(&scope, unit);
		for (size_t j = 0; j < unit->n_services; j++) {
			unit->services[j].ident = scope_choose(&scope, unit->services[j].name,
							       itself, unit->services[j].full_name);
			name_methods(arena, &unit->services[j]);
		}
		scope_done(&scope);
	}
}
