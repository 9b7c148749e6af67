// SPDX-License-Identifier: MIT
/*
 * Messages and enums in Rust: see rust_names.h.
 *
 * The code is compiled together with the structs, and the functions of fields, that prost's macros
 * derive. So no name may be a name that prost's macros use, and a field and the functions that are
 * derived from it must have names of their own. The arena of the request owns all memory.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "rust_names.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;

#define KIND(name)  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define LABEL(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##name

/* For scope_choose(): an entity that has only its name. */
static const char *const itself[] = { "*", NULL };

/* --- Words ------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], name))
			return true;
	return false;
}

#define IS_AMONG(name, words) is_among(name, words, sizeof(words) / sizeof(words[0]))

static bool is_keyword(const char *name)
{
	static const char *const keywords[] = {
		"abstract", "as",     "async",	 "await",  "become",  "box",	  "break", "const",
		"continue", "do",     "dyn",	 "else",   "enum",    "extern",	  "false", "final",
		"fn",	    "for",    "gen",	 "if",	   "impl",    "in",	  "let",   "loop",
		"macro",    "match",  "mod",	 "move",   "mut",     "override", "priv",  "pub",
		"ref",	    "return", "static",	 "struct", "trait",   "true",	  "try",   "type",
		"typeof",   "unsafe", "unsized", "use",	   "virtual", "where",	  "while", "yield",
	};

	return IS_AMONG(name, keywords);
}

/* Returns true for keywords that cannot be raw identifiers. */
static bool is_forbidden(const char *name)
{
	static const char *const words[] = { "self", "Self", "super", "crate", "_" };

	return IS_AMONG(name, words);
}

static bool is_keyword_or_forbidden(const char *name)
{
	return is_keyword(name) || is_forbidden(name);
}

bool rust_is_reserved(const char *name)
{
	static const char *const words[] = {
		/* Types of the language that generated code uses without a path. */
		"bool",
		"char",
		"f32",
		"f64",
		"i8",
		"i16",
		"i32",
		"i64",
		"i128",
		"isize",
		"str",
		"u8",
		"u16",
		"u32",
		"u64",
		"u128",
		"usize",
		/* Traits whose functions prost's macros call. */
		"AsRef",
		"Clone",
		"Default",
		"From",
		"Into",
		"Iterator",
		"TryFrom",
		"TryInto",
		/* Types that are used in the code of prost's macros and in generated code; B is a
		 * type parameter. */
		"B",
		"IpcService",
		"KeyWrapper",
		"MapWrapper",
		"ScalarWrapper",
		"ValueWrapper",
	};

	return is_forbidden(name) || IS_AMONG(name, words);
}

const char *rust_identifier(struct arena *arena, const char *name)
{
	return is_keyword(name) ? arena_printf(arena, "r#%s", name) : name;
}

/* Converts "some_name", "SOME_NAME" and "someName" to "SomeName". */
static const char *camel(struct arena *arena, const char *name)
{
	char *result = arena_alloc(arena, strlen(name) + 2);
	char *end = result;
	bool first = true;

	for (const char *c = name; *c; c++) {
		bool small = c > name && islower((unsigned char)c[-1]);

		if (*c == '_') {
			first = true;
			continue;
		}
		*end++ = first				      ? (char)toupper((unsigned char)*c) :
			 small || !isupper((unsigned char)*c) ? *c :
								(char)tolower((unsigned char)*c);
		first = false;
	}
	if (end == result || isdigit((unsigned char)*result)) {
		memmove(result + 1, result, (size_t)(end++ - result));
		*result = '_';
	}
	*end = '\0';
	return result;
}

bool rust_crate_has(const char *file)
{
	static const char *const well_known[] = {
		"any",	     "api",	   "descriptor",     "duration",
		"empty",     "field_mask", "source_context", "struct",
		"timestamp", "type",	   "wrappers",
	};
	static const char folder[] = "google/protobuf/";
	size_t length = strlen(folder);

	if (!strcmp(file, "ipc/ipc.proto") || !strcmp(file, "ipc/options.proto"))
		return true;
	if (strncmp(file, folder, length))
		return false;
	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++) {
		size_t word = strlen(well_known[i]);

		if (!strncmp(file + length, well_known[i], word) &&
		    !strcmp(file + length + word, ".proto"))
			return true;
	}
	return false;
}

bool rust_in_oneof(const Field *field)
{
	return field->has_oneof_index && !field->proto3_optional;
}

/* --- Modules ----------------------------------------------------------------------- */

static struct rust_module *add_module(struct rust_names *names, struct rust_module *parent,
				      const char *name, const char *full_name)
{
	struct rust_module *module = arena_alloc(names->arena, sizeof(*module));

	*module = (struct rust_module){
		.parent = parent,
		.full_name = full_name,
		.depth = parent ? parent->depth + 1 : 0,
		.scope = { .arena = names->arena, .reserved = rust_is_reserved },
	};
	if (parent)
		module->ident = rust_identifier(
			names->arena, scope_choose(&parent->scope, name, itself, full_name));
	*names->end = module;
	names->end = &module->next;
	return module;
}

struct rust_module *rust_package(const struct rust_names *names, const char *package)
{
	struct rust_module *module = names->modules;

	while (module && !(module->is_package && !strcmp(module->full_name, package ?: "")))
		module = module->next;
	return module;
}

static void add_packages(struct rust_names *names, const char *package)
{
	struct rust_module *module = names->modules;

	for (const char *part = package, *end; *part; part = end + (*end == '.')) {
		const char *full_name;
		struct rust_module *found;

		end = part + strcspn(part, ".");
		full_name = arena_strndup(names->arena, package, (size_t)(end - package));
		found = rust_package(names, full_name);
		if (!found)
			found = add_module(names, module,
					   arena_strndup(names->arena, part, (size_t)(end - part)),
					   full_name);
		found->is_package = true;
		module = found;
	}
}

const char *rust_absolute(struct arena *arena, const struct rust_module *module)
{
	const char *path = "";

	for (; module->parent; module = module->parent)
		path = arena_printf(arena, "::%s%s", module->ident, path);
	return path;
}

const char *rust_relative(struct arena *arena, const struct rust_module *from,
			  const struct rust_module *module, const char *ident)
{
	const char *path = ident;
	size_t ups = 0;

	while (from != module)
		if (module->depth >= from->depth) {
			path = arena_printf(arena, "%s::%s", module->ident, path);
			module = module->parent;
		} else {
			from = from->parent;
			ups++;
		}
	for (; ups; ups--)
		path = arena_printf(arena, "super::%s", path);
	return path;
}

/* --- Types ----------------------------------------------------------------------------- */

static struct rust_type *add_type(struct rust_names *names, struct rust_module *module,
				  const File *file, const char *name, const char *prefix)
{
	struct rust_type *type = arena_alloc(names->arena, sizeof(*type));

	*type = (struct rust_type){
		.full_name = *prefix ? arena_printf(names->arena, "%s.%s", prefix, name) : name,
		.file = file,
		.module = module,
	};
	type->ident = rust_identifier(names->arena,
				      scope_choose(&module->scope, name, itself, type->full_name));
	if (names->n_types == names->room) {
		struct rust_type **types;

		names->room = 2 * names->room + 64;
		types = arena_array(names->arena, names->room, sizeof(*types));
		if (names->n_types)
			memcpy(types, names->types, names->n_types * sizeof(*types));
		names->types = types;
	}
	names->types[names->n_types++] = type;
	return type;
}

/* Returns the variant for a value: its name, without the name of the enum as a prefix. */
static const char *variant(struct arena *arena, const Enum *en, const char *value)
{
	const char *name = camel(arena, value), *prefix = camel(arena, en->name);
	size_t length = strlen(prefix);

	if (!strncmp(name, prefix, length) && isupper((unsigned char)name[length]))
		name += length;
	return name;
}

static void add_enums(struct rust_names *names, struct rust_module *module, const File *file,
		      Enum *const *enums, size_t n_enums, const char *prefix)
{
	for (size_t i = 0; i < n_enums; i++) {
		struct scope scope = { .arena = names->arena, .reserved = is_forbidden };
		struct rust_type *type = add_type(names, module, file, enums[i]->name, prefix);

		type->is_enum = true;
		type->proto = enums[i];
		type->variants = arena_array(names->arena, enums[i]->n_value + 1, sizeof(char *));
		for (size_t j = 0; j < enums[i]->n_value; j++) {
			const char *name = enums[i]->value[j]->name;

			type->variants[j] = scope_choose(
				&scope, variant(names->arena, enums[i], name), itself, name);
		}
		scope_done(&scope);
	}
}

/* Like type_is_map(). */
static bool is_map(const Descriptor *d)
{
	return d->options && d->options->map_entry && d->n_field == 2;
}

static const Descriptor *entry_of(const Descriptor *d, const Field *field)
{
	const char *name = field->type == KIND(MESSAGE) ? strrchr(field->type_name, '.') : NULL;

	for (size_t i = 0; name && i < d->n_nested_type; i++)
		if (is_map(d->nested_type[i]) && !strcmp(d->nested_type[i]->name, name + 1))
			return d->nested_type[i];
	return NULL;
}

/* Returns the forms of a field: itself, and with "()" the functions that prost derives from it. */
static const char *const *forms_of(const Descriptor *d, const Field *field, bool proto3)
{
	static const char *const one[] = { "*", "*()", "set_*()", NULL };
	static const char *const many[] = { "*", "*()", "push_*()", NULL };
	static const char *const map[] = { "*", "get_*()", "insert_*()", NULL };
	static const char *const optional[] = { "*", "*()", NULL };
	const Descriptor *entry = entry_of(d, field);

	if (entry)
		return entry->field[1]->type == KIND(ENUM) ? map : itself;
	if (field->type == KIND(ENUM))
		return field->label == LABEL(REPEATED) ? many : one;
	if (field->label != LABEL(OPTIONAL) || (proto3 && !field->proto3_optional))
		return itself;
	return optional;
}

static void name_fields(struct rust_names *names, struct rust_type *type, const Descriptor *d)
{
	bool proto3 = type->file->syntax && !strcmp(type->file->syntax, "proto3");
	struct scope scope = { .arena = names->arena };

	type->fields = arena_array(names->arena, d->n_field + 1, sizeof(char *));
	type->oneofs = arena_array(names->arena, d->n_oneof_decl + 1, sizeof(char *));
	for (size_t i = 0; i < d->n_field; i++) {
		const Field *field = d->field[i];
		const char *const *forms = forms_of(d, field, proto3);

		if (rust_in_oneof(field))
			continue;
		/* prost derives no functions from a map whose name begins with "r#". */
		scope.reserved =
			forms[1] && *forms[1] == 'g' ? is_keyword_or_forbidden : is_forbidden;
		type->fields[i] = rust_identifier(
			names->arena, scope_choose(&scope, field->name, forms, field->name));
	}
	scope.reserved = is_forbidden;
	for (size_t i = 0; i < d->n_oneof_decl; i++)
		type->oneofs[i] =
			rust_identifier(names->arena, scope_choose(&scope, d->oneof_decl[i]->name,
								   itself, d->oneof_decl[i]->name));
	scope_done(&scope);
}

static void name_variants(struct rust_names *names, struct rust_type *type, const Descriptor *d,
			  size_t oneof)
{
	struct scope scope = { .arena = names->arena, .reserved = is_forbidden };

	for (size_t i = 0; i < d->n_field; i++) {
		const Field *field = d->field[i];

		if (rust_in_oneof(field) && (size_t)field->oneof_index == oneof)
			type->variants[i] = scope_choose(&scope, camel(names->arena, field->name),
							 itself, field->name);
	}
	scope_done(&scope);
}

static bool has_types(const Descriptor *d)
{
	for (size_t i = 0; i < d->n_nested_type; i++)
		if (!is_map(d->nested_type[i]))
			return true;
	for (size_t i = 0; i < d->n_field; i++)
		if (rust_in_oneof(d->field[i]))
			return true;
	return d->n_enum_type;
}

/* Adds the messages of a module before the modules inside: in a clash, these get other names. */
static void add_messages(struct rust_names *names, struct rust_module *module, const File *file,
			 Descriptor *const *messages, size_t n_messages, const char *prefix)
{
	for (size_t i = 0; i < n_messages; i++)
		if (!is_map(messages[i]))
			name_fields(names, add_type(names, module, file, messages[i]->name, prefix),
				    messages[i]);
}

static void add_inner(struct rust_names *names, struct rust_module *module, const File *file,
		      size_t first, Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		const Descriptor *d = messages[i];
		const char *snake = name_snake(names->arena, d->name);
		struct rust_type *type;
		size_t inner;

		if (is_map(d))
			continue;
		type = names->types[first++];
		type->variants = arena_array(names->arena, d->n_field + 1, sizeof(char *));
		type->unions = arena_array(names->arena, d->n_oneof_decl + 1, sizeof(char *));
		if (!has_types(d))
			continue;
		type->inner = add_module(
			names, module, *snake ? snake : arena_printf(names->arena, "x%s", d->name),
			type->full_name);
		inner = names->n_types;
		add_messages(names, type->inner, file, d->nested_type, d->n_nested_type,
			     type->full_name);
		add_enums(names, type->inner, file, d->enum_type, d->n_enum_type, type->full_name);
		for (size_t j = 0; j < d->n_oneof_decl; j++) {
			type->unions[j] = scope_choose(&type->inner->scope,
						       camel(names->arena, d->oneof_decl[j]->name),
						       itself, d->oneof_decl[j]->name);
			name_variants(names, type, d, j);
		}
		add_inner(names, type->inner, file, inner, d->nested_type, d->n_nested_type);
	}
}

/* --- All --------------------------------------------------------------------------------- */

/* Sorts by name, messages first: a damaged request may have an enum of the same name. */
static int compare_types(const void *a, const void *b)
{
	const struct rust_type *x = *(struct rust_type *const *)a;
	const struct rust_type *y = *(struct rust_type *const *)b;
	int order = strcmp(x->full_name, y->full_name);

	return order ?: (x->is_enum > y->is_enum) - (x->is_enum < y->is_enum);
}

const struct rust_type *rust_type(const struct rust_names *names, const char *full_name,
				  bool is_enum)
{
	struct rust_type key = { .full_name = full_name, .is_enum = is_enum }, *at = &key;
	struct rust_type **found =
		bsearch(&at, names->types, names->n_types, sizeof(at), compare_types);

	return found ? *found : NULL;
}

struct rust_names *rust_names(const struct request *request)
{
	struct rust_names *names = arena_alloc(request->arena, sizeof(*names));
	size_t *first = arena_array(request->arena, request->n_files + 1, sizeof(*first));

	*names = (struct rust_names){ .arena = request->arena, .end = &names->modules };
	add_module(names, NULL, "", "")->is_package = true;
	for (size_t i = 0; i < request->n_files; i++)
		add_packages(names, request->files[i]->package ?: "");
	for (size_t i = 0; i < request->n_files; i++) {
		const File *file = request->files[i];
		struct rust_module *module = rust_package(names, file->package);

		first[i] = names->n_types;
		add_messages(names, module, file, file->message_type, file->n_message_type,
			     file->package ?: "");
		add_enums(names, module, file, file->enum_type, file->n_enum_type,
			  file->package ?: "");
	}
	for (size_t i = 0; i < request->n_files; i++)
		add_inner(names, rust_package(names, request->files[i]->package), request->files[i],
			  first[i], request->files[i]->message_type,
			  request->files[i]->n_message_type);
	qsort(names->types, names->n_types, sizeof(*names->types), compare_types);
	return names;
}

void rust_names_done(struct rust_names *names)
{
	for (struct rust_module *module = names->modules; module; module = module->next)
		scope_done(&module->scope);
}
