// SPDX-License-Identifier: MIT
/*
 * lang=rust: messages and enums, as structures with prost's derive macros. Nested types get the
 * names of what they are nested in before their own: Outer.Inner is OuterInner. Types of another
 * file are those of the module beside this one that has the file's name.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "emit_rust.h"
#include "names.h"
#include "source.h"

typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FileDescriptorProto File;

#define KIND(name)  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define LABEL(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##name

/* --- Names ---------------------------------------------------------------------- */

bool rust_is_keyword(const char *name)
{
	static const char *const keywords[] = {
		"abstract", "as",     "async",	 "await",  "become",  "box",	  "break", "const",
		"continue", "do",     "dyn",	 "else",   "enum",    "extern",	  "false", "final",
		"fn",	    "for",    "gen",	 "if",	   "impl",    "in",	  "let",   "loop",
		"macro",    "match",  "mod",	 "move",   "mut",     "override", "priv",  "pub",
		"ref",	    "return", "static",	 "struct", "trait",   "true",	  "try",   "type",
		"typeof",   "unsafe", "unsized", "use",	   "virtual", "where",	  "while", "yield",
	};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (!strcmp(keywords[i], name))
			return true;
	return false;
}

const char *rust_identifier(struct arena *arena, const char *name)
{
	static const char *const forbidden[] = { "self", "Self", "super", "crate", "_" };

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (!strcmp(forbidden[i], name))
			return arena_printf(arena, "%s_", name);
	return rust_is_keyword(name) ? arena_printf(arena, "r#%s", name) : name;
}

/* "some_name", "SOME_NAME" and "someName" to "SomeName". */
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

/* "package.Outer.Inner" without the package, and without dots. */
static const char *flat(struct emitter *e, const File *file, const char *full_name)
{
	size_t package = file->package ? strlen(file->package) : 0;
	const char *name = full_name + (package ? package + 1 : 0);
	char *result = arena_strndup(e->arena, name, strlen(name)), *end = result;

	for (const char *c = name; *c; c++)
		if (*c != '.')
			*end++ = *c;
	*end = '\0';
	return rust_identifier(e->arena, result);
}

/* The module of a file: "dir/my-echo.proto" is my_echo. */
static const char *module(struct emitter *e, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = name_file_base(e->arena, slash ? slash + 1 : file);
	char *result = arena_strndup(e->arena, base, strlen(base));

	for (char *c = result; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	return rust_identifier(e->arena, result);
}

const char *rust_path(struct emitter *e, const File *file, const char *full_name)
{
	const char *name = flat(e, file, full_name);

	if (!strcmp(file->name, "ipc/ipc.proto"))
		return arena_printf(e->arena, "::ipcbus::typed::ipc::%s", name);
	if (!strncmp(file->name, "google/protobuf/", strlen("google/protobuf/")))
		return arena_printf(e->arena, "::prost_types::%s", name);
	if (!strcmp(file->name, e->unit->file))
		return name;
	return arena_printf(e->arena, "super::%s::%s", module(e, file->name), name);
}

static const char *message_path(struct emitter *e, const struct type *type)
{
	return rust_path(e, type->file, type->full_name);
}

/* Enums are not among the types: the file that declares it is found by its name. */
static bool declares(const char *prefix, Enum *const *enums, size_t n_enums,
		     Descriptor *const *messages, size_t n_messages, const char *name)
{
	size_t length = strlen(prefix);

	if (strncmp(name, prefix, length) || name[length] != '.')
		return false;
	name += length + 1;
	for (size_t i = 0; i < n_enums; i++)
		if (!strcmp(enums[i]->name, name))
			return true;
	for (size_t i = 0; i < n_messages; i++)
		if (declares(messages[i]->name, messages[i]->enum_type, messages[i]->n_enum_type,
			     messages[i]->nested_type, messages[i]->n_nested_type, name))
			return true;
	return false;
}

static const char *enum_path(struct emitter *e, const char *dotted)
{
	for (size_t i = 0; i < e->request->n_files; i++) {
		const File *file = e->request->files[i];
		const char *prefix = file->package && *file->package ?
					     arena_printf(e->arena, ".%s", file->package) :
					     "";

		if (declares(prefix, file->enum_type, file->n_enum_type, file->message_type,
			     file->n_message_type, dotted))
			return rust_path(e, file, dotted + 1);
	}
	return "i32";
}

/* --- Fields --------------------------------------------------------------------------- */

static const char *const scalars[][2] = {
	[KIND(DOUBLE)] = { "double", "f64" },
	[KIND(FLOAT)] = { "float", "f32" },
	[KIND(INT64)] = { "int64", "i64" },
	[KIND(UINT64)] = { "uint64", "u64" },
	[KIND(INT32)] = { "int32", "i32" },
	[KIND(FIXED64)] = { "fixed64", "u64" },
	[KIND(FIXED32)] = { "fixed32", "u32" },
	[KIND(BOOL)] = { "bool", "bool" },
	[KIND(UINT32)] = { "uint32", "u32" },
	[KIND(SFIXED32)] = { "sfixed32", "i32" },
	[KIND(SFIXED64)] = { "sfixed64", "i64" },
	[KIND(SINT32)] = { "sint32", "i32" },
	[KIND(SINT64)] = { "sint64", "i64" },
	[KIND(STRING)] = { "string", "::std::string::String" },
	[KIND(BYTES)] = { "bytes=\"vec\"", "::std::vec::Vec<u8>" },
};

static bool is_message(const Field *field)
{
	return field->type == KIND(MESSAGE) || field->type == KIND(GROUP);
}

static const struct type *type_of(struct emitter *e, const Field *field)
{
	return is_message(field) ? types_find(e->types, field->type_name) : NULL;
}

/* What prost calls the kind, in the attribute of a field. */
static const char *kind_of(struct emitter *e, const Field *field)
{
	if (field->type == KIND(ENUM))
		return arena_printf(e->arena, "enumeration=\"%s\"", enum_path(e, field->type_name));
	if (field->type == KIND(GROUP))
		return "group";
	return is_message(field) ? "message" : scalars[field->type][0];
}

static const char *value_of(struct emitter *e, const Field *field)
{
	if (field->type == KIND(ENUM))
		return "i32";
	return is_message(field) ? message_path(e, type_of(e, field)) : scalars[field->type][1];
}

/* In the quotes of a map: its kinds have none. */
static const char *kind_in_map(struct emitter *e, const Field *field)
{
	if (field->type == KIND(ENUM))
		return arena_printf(e->arena, "enumeration(%s)", enum_path(e, field->type_name));
	if (field->type == KIND(BYTES))
		return "bytes";
	return kind_of(e, field);
}

static void emit_map(struct emitter *e, const Field *field, const struct type *entry)
{
	const Field *key = entry->descriptor->field[0], *value = entry->descriptor->field[1];

	emit(e, "    #[prost(map=\"%s, %s\", tag=\"%d\")]\n", kind_in_map(e, key),
	     kind_in_map(e, value), field->number);
	emit(e, "    pub %s: ::std::collections::HashMap<%s, %s>,\n",
	     rust_identifier(e->arena, field->name), value_of(e, key), value_of(e, value));
}

static bool is_packable(const Field *field)
{
	return !is_message(field) && field->type != KIND(STRING) && field->type != KIND(BYTES);
}

static const char *packed_of(const struct type *owner, const Field *field)
{
	bool packed = type_is_proto3(owner);

	if (!is_packable(field))
		return "";
	if (field->options && field->options->has_packed)
		packed = field->options->packed;
	return packed ? "" : ", packed=\"false\"";
}

/* The default value of proto2; of strings, bytes and enums there is none in Rust. */
static const char *default_of(struct emitter *e, const Field *field)
{
	const char *value = field->default_value;

	if (!value || !is_packable(field) || field->type == KIND(ENUM) || strstr(value, "inf") ||
	    strstr(value, "nan"))
		return "";
	return arena_printf(e->arena, ", default=\"%s\"", value);
}

static void emit_field(struct emitter *e, const struct type *owner, const Field *field)
{
	const struct type *type = type_of(e, field);
	const char *name = rust_identifier(e->arena, field->name), *value;
	bool boxed = type && type->endless;

	if (type && type_is_map(type)) {
		emit_map(e, field, type);
		return;
	}
	value = value_of(e, field);
	if (field->label == LABEL(REPEATED)) {
		emit(e, "    #[prost(%s, repeated%s, tag=\"%d\")]\n", kind_of(e, field),
		     packed_of(owner, field), field->number);
		emit(e, "    pub %s: ::std::vec::Vec<%s>,\n", name, value);
		return;
	}
	if (boxed)
		value = arena_printf(e->arena, "::std::boxed::Box<%s>", value);
	if (field->label == LABEL(REQUIRED)) {
		emit(e, "    #[prost(%s, required%s, tag=\"%d\"%s)]\n", kind_of(e, field),
		     boxed ? ", boxed" : "", field->number, default_of(e, field));
		emit(e, "    pub %s: %s,\n", name, value);
	} else if (type || !type_is_proto3(owner) || field->proto3_optional) {
		emit(e, "    #[prost(%s, optional%s, tag=\"%d\"%s)]\n", kind_of(e, field),
		     boxed ? ", boxed" : "", field->number, default_of(e, field));
		emit(e, "    pub %s: ::core::option::Option<%s>,\n", name, value);
	} else {
		emit(e, "    #[prost(%s, tag=\"%d\")]\n", kind_of(e, field), field->number);
		emit(e, "    pub %s: %s,\n", name, value);
	}
}

/* --- Oneofs ------------------------------------------------------------------------------ */

static bool is_of(const Field *field, size_t oneof)
{
	return field->has_oneof_index && !field->proto3_optional &&
	       (size_t)field->oneof_index == oneof;
}

static const char *oneof_name(struct emitter *e, const struct type *owner, size_t oneof)
{
	return arena_printf(e->arena, "%s%s", message_path(e, owner),
			    camel(e->arena, owner->descriptor->oneof_decl[oneof]->name));
}

static void emit_oneof_field(struct emitter *e, const struct type *owner, size_t oneof)
{
	const Descriptor *d = owner->descriptor;
	const char *separator = "";

	emit(e, "    #[prost(oneof=\"%s\", tags=\"", oneof_name(e, owner, oneof));
	for (size_t i = 0; i < d->n_field; i++) {
		if (!is_of(d->field[i], oneof))
			continue;
		emit(e, "%s%d", separator, d->field[i]->number);
		separator = ", ";
	}
	emit(e, "\")]\n    pub %s: ::core::option::Option<%s>,\n",
	     rust_identifier(e->arena, d->oneof_decl[oneof]->name), oneof_name(e, owner, oneof));
}

static void emit_oneof(struct emitter *e, const struct type *owner, size_t oneof)
{
	const Descriptor *d = owner->descriptor;

	emit(e,
	     "#[derive(Clone, PartialEq, ::prost::Oneof)]\n#[allow(missing_docs, non_camel_case_types)]\n");
	emit(e, "pub enum %s {\n", oneof_name(e, owner, oneof));
	for (size_t i = 0; i < d->n_field; i++) {
		const Field *field = d->field[i];
		const struct type *type = type_of(e, field);
		bool boxed = type && type->endless;

		if (!is_of(field, oneof))
			continue;
		emit(e, "    #[prost(%s%s, tag=\"%d\")]\n", kind_of(e, field),
		     boxed ? ", boxed" : "", field->number);
		emit(e, boxed ? "    %s(::std::boxed::Box<%s>),\n" : "    %s(%s),\n",
		     rust_identifier(e->arena, camel(e->arena, field->name)), value_of(e, field));
	}
	emit(e, "}\n\n");
}

/* --- Blobs -------------------------------------------------------------------------------- */

static const char *blob_visit(struct emitter *e, const struct type *type, const char *value)
{
	return !strcmp(type->full_name, "ipc.Blob") ?
		       arena_printf(e->arena, "visit(%s)", value) :
		       arena_printf(e->arena, "::ipcbus::typed::Body::each_blob(%s, visit)", value);
}

static void emit_blob_field(struct emitter *e, const struct type *owner, const Field *field)
{
	const struct type *type = type_of(e, field);
	const char *name = rust_identifier(e->arena, field->name);

	if (!type || !(type->holds & TYPE_HOLDS_BLOBS))
		return;
	if (type_is_map(type)) {
		emit(e, "        for value in self.%s.values_mut() {\n            %s;\n        }\n",
		     name, blob_visit(e, type_of(e, type->descriptor->field[1]), "value"));
	} else if (field->has_oneof_index && !field->proto3_optional) {
		const char *oneof = oneof_name(e, owner, (size_t)field->oneof_index);

		emit(e,
		     "        if let ::core::option::Option::Some(%s::%s(value)) = &mut self.%s {\n"
		     "            %s;\n        }\n",
		     oneof, rust_identifier(e->arena, camel(e->arena, field->name)),
		     rust_identifier(e->arena,
				     owner->descriptor->oneof_decl[field->oneof_index]->name),
		     blob_visit(e, type, type->endless ? "value.as_mut()" : "value"));
	} else if (field->label == LABEL(REQUIRED)) {
		emit(e, "        %s;\n",
		     blob_visit(e, type, arena_printf(e->arena, "&mut self.%s", name)));
	} else {
		emit(e, "        for value in self.%s.iter_mut() {\n            %s;\n        }\n",
		     name, blob_visit(e, type, "value"));
	}
}

/* --- Text --------------------------------------------------------------------------------- */

/* Whether a value, which is a reference, has a NUL byte; NULL: it has no text. */
static const char *nul_test(struct emitter *e, const Field *field, const char *value)
{
	const struct type *type = type_of(e, field);

	if (field->type == KIND(STRING))
		return arena_printf(e->arena, "%s.contains('\\0')", value);
	if (!type || !(type->holds & TYPE_HOLDS_TEXT))
		return NULL;
	return arena_printf(e->arena, "::ipcbus::typed::Body::has_nul(%s)", value);
}

static void emit_any(struct emitter *e, const char *name, const char *of, const char *test)
{
	if (test)
		emit(e, "        if self.%s%s.any(|value| %s) {\n            return true;\n        }\n",
		     name, of, test);
}

static void emit_text_field(struct emitter *e, const struct type *owner, const Field *field)
{
	const struct type *type = type_of(e, field);
	const char *name = rust_identifier(e->arena, field->name);
	bool boxed = type && type->endless && field->label != LABEL(REPEATED);
	const char *test = nul_test(e, field, boxed ? "value.as_ref()" : "value");

	if (!test)
		return;
	if (type && type_is_map(type)) {
		emit_any(e, name, ".keys()", nul_test(e, type->descriptor->field[0], "value"));
		emit_any(e, name, ".values()", nul_test(e, type->descriptor->field[1], "value"));
	} else if (field->has_oneof_index && !field->proto3_optional) {
		emit(e, "        if let ::core::option::Option::Some(%s::%s(value)) = &self.%s {\n",
		     oneof_name(e, owner, (size_t)field->oneof_index),
		     rust_identifier(e->arena, camel(e->arena, field->name)),
		     rust_identifier(e->arena,
				     owner->descriptor->oneof_decl[field->oneof_index]->name));
		emit(e, "            if %s {\n                return true;\n            }\n        }\n", test);
	} else if (field->label == LABEL(REQUIRED) ||
		   (!type && field->label != LABEL(REPEATED) && type_is_proto3(owner) &&
		    !field->proto3_optional)) {
		emit(e, "        if %s {\n            return true;\n        }\n",
		     nul_test(e, field, arena_printf(e->arena, type ? "&self.%s" : "self.%s", name)));
	} else {
		emit_any(e, name, ".iter()", test);
	}
}

/* --- What all messages have ----------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const Field *x = *(Field *const *)a, *y = *(Field *const *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static void emit_body(struct emitter *e, const struct type *type)
{
	const Descriptor *d = type->descriptor;
	Field **sorted;

	sorted = arena_array(e->arena, d->n_field + 1, sizeof(*sorted));
	memcpy(sorted, d->field, d->n_field * sizeof(*sorted));
	qsort(sorted, d->n_field, sizeof(*sorted), by_number);
	emit(e, "impl ::ipcbus::typed::Body for %s {\n", message_path(e, type));
	if (type->holds & TYPE_HOLDS_BLOBS) {
		emit(e,
		     "    fn each_blob(&mut self, visit: &mut dyn FnMut(&mut ::ipcbus::typed::ipc::Blob)) {\n");
		for (size_t i = 0; i < d->n_field; i++)
			emit_blob_field(e, type, sorted[i]);
		emit(e, "    }\n");
	}
	if (type->holds & TYPE_HOLDS_TEXT) {
		emit(e, "    fn has_nul(&self) -> bool {\n");
		for (size_t i = 0; i < d->n_field; i++)
			emit_text_field(e, type, sorted[i]);
		emit(e, "        false\n    }\n");
	}
	emit(e, "}\n\n");
}

/* --- Messages and enums ---------------------------------------------------------------------- */

static void emit_message(struct emitter *e, const struct type *type)
{
	const Descriptor *d = type->descriptor;

	text_fill(e->out, DOC " ", arena_printf(e->arena, "The message `%s`.", type->full_name));
	emit(e,
	     "#[derive(Clone, PartialEq, ::prost::Message)]\n#[allow(missing_docs, non_camel_case_types)]\n");
	emit(e, "pub struct %s {\n", message_path(e, type));
	for (size_t i = 0; i < d->n_field; i++)
		if (!d->field[i]->has_oneof_index || d->field[i]->proto3_optional)
			emit_field(e, type, d->field[i]);
	for (size_t i = 0; i < d->n_oneof_decl; i++)
		for (size_t j = 0; j < d->n_field; j++)
			if (is_of(d->field[j], i)) {
				emit_oneof_field(e, type, i);
				break;
			}
	emit(e, "}\n\n");
	emit_body(e, type);
	for (size_t i = 0; i < d->n_oneof_decl; i++)
		for (size_t j = 0; j < d->n_field; j++)
			if (is_of(d->field[j], i)) {
				emit_oneof(e, type, i);
				break;
			}
}

/* Without the name of the enum, if the values have it in front. */
static const char *variant(struct emitter *e, const Enum *en, const char *value)
{
	const char *name = camel(e->arena, value), *prefix = camel(e->arena, en->name);
	size_t length = strlen(prefix);

	if (!strncmp(name, prefix, length) && isupper((unsigned char)name[length]))
		name += length;
	return rust_identifier(e->arena, name);
}

static void emit_enum(struct emitter *e, const Enum *en, const char *full_name)
{
	text_fill(e->out, DOC " ", arena_printf(e->arena, "The enum `%s`.", full_name));
	emit(e,
	     "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]\n");
	emit(e, "#[repr(i32)]\n#[allow(missing_docs, non_camel_case_types)]\n");
	emit(e, "pub enum %s {\n",
	     rust_path(e, request_file(e->request, e->unit->file), full_name));
	for (size_t i = 0; i < en->n_value; i++) {
		bool alias = false;

		for (size_t j = 0; j < i; j++)
			alias |= en->value[j]->number == en->value[i]->number;
		if (!alias)
			emit(e, "    %s = %d,\n", variant(e, en, en->value[i]->name),
			     en->value[i]->number);
	}
	emit(e, "}\n\n");
}

static void emit_enums(struct emitter *e, const char *scope, Enum *const *enums, size_t n_enums,
		       Descriptor *const *messages, size_t n_messages)
{
	const char *dot = *scope ? "." : "";

	for (size_t i = 0; i < n_enums; i++)
		emit_enum(e, enums[i],
			  arena_printf(e->arena, "%s%s%s", scope, dot, enums[i]->name));
	for (size_t i = 0; i < n_messages; i++)
		emit_enums(e, arena_printf(e->arena, "%s%s%s", scope, dot, messages[i]->name),
			   messages[i]->enum_type, messages[i]->n_enum_type,
			   messages[i]->nested_type, messages[i]->n_nested_type);
}

void rust_types(struct emitter *e)
{
	const File *file = request_file(e->request, e->unit->file);

	for (size_t i = 0; i < e->types->count; i++)
		if (e->types->list[i].file == file && !type_is_map(&e->types->list[i]))
			emit_message(e, &e->types->list[i]);
	emit_enums(e, file->package ?: "", file->enum_type, file->n_enum_type, file->message_type,
		   file->n_message_type);
}
