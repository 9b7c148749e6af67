// SPDX-License-Identifier: MIT
/*
 * lang=rust: messages and enums, as types with prost's derive macros. rust_names.c chooses names.
 */
#include <stdlib.h>
#include <string.h>

#include "emit_rust.h"
#include "source.h"

typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FileDescriptorProto File;

#define KIND(name)  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define LABEL(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##name

static const char *path_of_type(struct emitter *e, const struct rust_type *type)
{
	/* Only a damaged request has a field of an unknown enum, or of a map entry. */
	if (!type)
		return "i32";
	if (rust_crate_has(type->file->name) && !rust_crate_has(e->unit->file))
		return arena_printf(e->arena, "::ipcbus::typed%s::%s",
				    rust_absolute(e->arena, type->module), type->ident);
	return rust_relative(e->arena, e->module, type->module, type->ident);
}

const char *rust_path(struct emitter *e, const char *full_name)
{
	return path_of_type(e, rust_type(e->unit->rust, full_name, false));
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

/* Returns the type of an enum or message field. */
static const struct rust_type *names_of(struct emitter *e, const Field *field)
{
	const char *name = field->type_name && *field->type_name ? field->type_name + 1 : "";

	return rust_type(e->unit->rust, name, field->type == KIND(ENUM));
}

static const char *path_of(struct emitter *e, const Field *field)
{
	return path_of_type(e, names_of(e, field));
}

static bool is_message(const Field *field)
{
	return field->type == KIND(MESSAGE) || field->type == KIND(GROUP);
}

static const struct type *type_of(struct emitter *e, const Field *field)
{
	return is_message(field) ? types_find(e->types, field->type_name) : NULL;
}

/* Returns prost's name of the kind, for the attribute of a field. */
static const char *kind_of(struct emitter *e, const Field *field)
{
	if (field->type == KIND(ENUM))
		return arena_printf(e->arena, "enumeration=\"%s\"", path_of(e, field));
	if (field->type == KIND(GROUP))
		return "group";
	return is_message(field) ? "message" : scalars[field->type][0];
}

static const char *value_of(struct emitter *e, const Field *field)
{
	if (field->type == KIND(ENUM))
		return "i32";
	return is_message(field) ? path_of(e, field) : scalars[field->type][1];
}

/* Returns the name of the kind inside the quotes of a map attribute. */
static const char *kind_in_map(struct emitter *e, const Field *field)
{
	if (field->type == KIND(ENUM))
		return arena_printf(e->arena, "enumeration(%s)", path_of(e, field));
	if (field->type == KIND(BYTES))
		return "bytes";
	return kind_of(e, field);
}

static bool is_packable(const Field *field)
{
	return !is_message(field) && field->type != KIND(STRING) && field->type != KIND(BYTES);
}

/* Returns the attribute of an unpacked array, or "": prost packs unless told otherwise. */
static const char *packed_of(const struct type *owner, const Field *field)
{
	bool packed = type_is_proto3(owner);

	if (!is_packable(field))
		return "";
	if (field->options && field->options->has_packed)
		packed = field->options->packed;
	return packed ? "" : ", packed=\"false\"";
}

/* Returns the variant of an enum value. */
static const char *variant_of(struct emitter *e, const Field *field, const char *value)
{
	const struct rust_type *type = names_of(e, field);

	for (size_t i = 0; type && i < type->proto->n_value; i++)
		if (!strcmp(type->proto->value[i]->name, value))
			return type->variants[i];
	return "";
}

/* Appends a text as a literal, without the quotes. */
static void add_text(struct text *text, const char *value)
{
	for (; *value; value++) {
		size_t bidi = text_bidi(value);

		if (bidi) {
			text_printf(text, "\\u{%x}",
				    ((unsigned char)value[0] & 0xf) << 12 |
					    ((unsigned char)value[1] & 0x3f) << 6 |
					    ((unsigned char)value[2] & 0x3f));
			value += bidi - 1;
		} else if ((unsigned char)*value < ' ' || strchr("\"\\\x7f", *value)) {
			text_printf(text, "\\u{%x}", (unsigned char)*value);
		} else {
			text_addn(text, value, 1);
		}
	}
}

/* Returns one byte of a text that protoc wrote with escapes: "\n", "\"", "\001". */
static unsigned int unescape(const char **value)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	const char *c = *value, *found;
	unsigned int byte = (unsigned char)*c++;

	if (byte == '\\' && *c >= '0' && *c <= '7') {
		byte = 0;
		for (int i = 0; i < 3 && *c >= '0' && *c <= '7'; i++)
			byte = byte << 3 | (unsigned int)(*c++ - '0');
	} else if (byte == '\\' && *c) {
		found = strchr(from, *c);
		byte = (unsigned char)(found ? to[found - from] : *c);
		c++;
	}
	*value = c;
	return byte & 0xff;
}

/* Returns the default value of a proto2 field. The default of bytes is a literal inside a
 * literal. */
static const char *default_of(struct emitter *e, const Field *field)
{
	const char *value = field->default_value, *result;
	struct text text = { 0 };

	if (!value || is_message(field))
		return "";
	text_add(&text, ", default=\"");
	if (field->type == KIND(ENUM)) {
		text_add(&text, variant_of(e, field, value));
	} else if (field->type == KIND(BYTES)) {
		text_add(&text, "b\\\"");
		while (*value)
			text_printf(&text, "\\\\x%02x", unescape(&value));
		text_add(&text, "\\\"");
	} else {
		add_text(&text, value);
	}
	text_add(&text, "\"");
	result = arena_strndup(e->arena, text.data, text.size);
	text_done(&text);
	return result;
}

/* --- Boxes ------------------------------------------------------------------------------- */

/* Returns true if a value of the type contains a value of the owner's type: in a field, or in the
 * type of a field, at any depth. Repeated fields are on the heap, so they do not count. */
static bool contains(struct emitter *e, const struct type *type, const struct type *owner)
{
	const struct types *types = e->types;
	const struct type **todo = arena_array(e->arena, types->count, sizeof(*todo));
	bool *seen = arena_array(e->arena, types->count, sizeof(*seen));
	size_t n_todo = 0;

	seen[type - types->list] = true;
	todo[n_todo++] = type;
	while (n_todo) {
		const Descriptor *d = todo[--n_todo]->descriptor;

		if (todo[n_todo] == owner)
			return true;
		for (size_t i = 0; i < d->n_field; i++) {
			const struct type *held = type_of(e, d->field[i]);

			if (!held || d->field[i]->label == LABEL(REPEATED) ||
			    seen[held - types->list])
				continue;
			seen[held - types->list] = true;
			todo[n_todo++] = held;
		}
	}
	return false;
}

static bool is_boxed(struct emitter *e, const struct type *owner, const Field *field)
{
	const struct type *type = type_of(e, field);

	return type && field->label != LABEL(REPEATED) && type->endless && contains(e, type, owner);
}

/* --- Structures ------------------------------------------------------------------------- */

void rust_allow(struct emitter *e)
{
	/* Types inside a message inherit it from their module. */
	if (e->module->is_package)
		emit(e, "#[allow(clippy::all, dead_code, deprecated, missing_docs, "
			"nonstandard_style, rustdoc::all)]\n");
}

void rust_deprecated(struct emitter *e, const char *indent, bool deprecated)
{
	if (deprecated)
		emit(e, "%s#[deprecated]\n", indent);
}

/* Writes the title of a type. "Deprecated." is text, because an attribute would cause warnings in
 * prost's macros, which name types and variants. */
static void emit_title_of(struct emitter *e, const char *kind, const char *full_name,
			  bool deprecated)
{
	text_fill(e->out, DOC " ",
		  arena_printf(e->arena, "The %s `%s`.%s", kind, full_name,
			       deprecated ? " Deprecated." : ""));
}

static void emit_map(struct emitter *e, const Field *field, const struct type *entry,
		     const char *name)
{
	const Field *key = entry->descriptor->field[0], *value = entry->descriptor->field[1];

	emit(e, "    #[prost(map=\"%s, %s\", tag=\"%d\")]\n", kind_in_map(e, key),
	     kind_in_map(e, value), field->number);
	emit(e, "    pub %s: ::std::collections::HashMap<%s, %s>,\n", name, value_of(e, key),
	     value_of(e, value));
}

static void emit_field(struct emitter *e, const struct type *owner, const Field *field,
		       const char *name)
{
	const struct type *type = type_of(e, field);
	bool boxed = is_boxed(e, owner, field);
	const char *value;

	rust_deprecated(e, "    ", field->options && field->options->deprecated);
	if (type && type_is_map(type)) {
		emit_map(e, field, type, name);
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
	return rust_in_oneof(field) && (size_t)field->oneof_index == oneof;
}

/* Returns false if protoc created the oneof for an optional field. */
static bool is_real(const Descriptor *d, size_t oneof)
{
	for (size_t i = 0; i < d->n_field; i++)
		if (is_of(d->field[i], oneof))
			return true;
	return false;
}

static const char *union_path(struct emitter *e, const struct rust_type *names, size_t oneof)
{
	return rust_relative(e->arena, e->module, names->inner, names->unions[oneof]);
}

static void emit_oneof_field(struct emitter *e, const Descriptor *d, const struct rust_type *names,
			     size_t oneof)
{
	const char *path = union_path(e, names, oneof), *separator = "";

	emit(e, "    #[prost(oneof=\"%s\", tags=\"", path);
	for (size_t i = 0; i < d->n_field; i++) {
		if (!is_of(d->field[i], oneof))
			continue;
		emit(e, "%s%d", separator, d->field[i]->number);
		separator = ", ";
	}
	emit(e, "\")]\n    pub %s: ::core::option::Option<%s>,\n", names->oneofs[oneof], path);
}

static void emit_oneof(struct emitter *e, const struct type *owner, const struct rust_type *names,
		       size_t oneof)
{
	const Descriptor *d = owner->descriptor;

	emit(e, DOC " The oneof `%s` of `%s`.\n", d->oneof_decl[oneof]->name, owner->full_name);
	emit(e, "#[derive(Clone, PartialEq, ::prost::Oneof)]\n");
	emit(e, "pub enum %s {\n", names->unions[oneof]);
	for (size_t i = 0; i < d->n_field; i++) {
		const Field *field = d->field[i];
		bool boxed = is_boxed(e, owner, field);

		if (!is_of(field, oneof))
			continue;
		rust_deprecated(e, "    ", field->options && field->options->deprecated);
		emit(e, "    #[prost(%s%s, tag=\"%d\")]\n", kind_of(e, field),
		     boxed ? ", boxed" : "", field->number);
		emit(e, boxed ? "    %s(::std::boxed::Box<%s>),\n" : "    %s(%s),\n",
		     names->variants[i], value_of(e, field));
	}
	emit(e, "}\n\n");
}

/* --- Text --------------------------------------------------------------------------------- */

/* The crate sends no string with a NUL byte, which a receiver in C could not take. It asks the
 * generated Body::nul_field(). */

/* Returns an expression for a value, which is a reference: the Option with the name of the field
 * that has a NUL byte. Returns NULL if the value contains no text. full_name is that of the value's
 * field. */
static const char *nul_test(struct emitter *e, const Field *field, const char *value,
			    const char *full_name)
{
	const struct type *type = type_of(e, field);

	if (field->type == KIND(STRING))
		return arena_printf(e->arena, "%s.contains('\\0').then_some(\"%s\")", value,
				    full_name);
	if (!type || !(type->holds & TYPE_HOLDS_TEXT))
		return NULL;
	return arena_printf(e->arena, "::ipcbus::typed::Body::nul_field(%s)", value);
}

static void emit_return(struct emitter *e, const char *found)
{
	emit(e, "        if let ::core::option::Option::Some(field) = %s {\n"
		"            return ::core::option::Option::Some(field);\n        }\n", found);
}

static void emit_any(struct emitter *e, const char *name, const char *of, const char *test)
{
	if (test)
		emit_return(e, arena_printf(e->arena, "self.%s%s.find_map(|value| %s)", name, of, test));
}

static void emit_text_field(struct emitter *e, const struct type *owner,
			    const struct rust_type *names, size_t index)
{
	const Field *field = owner->descriptor->field[index];
	const struct type *type = type_of(e, field);
	const char *name = names->fields[index];
	const char *full_name = arena_printf(e->arena, "%s.%s", owner->full_name, field->name);
	bool boxed = is_boxed(e, owner, field);
	const char *test = nul_test(e, field, boxed ? "&**value" : "value", full_name);
	const char *place = arena_printf(e->arena, boxed ? "&*self.%s" : type ? "&self.%s" : "self.%s",
					 name);

	if (!test)
		return;
	if (type && type_is_map(type)) {
		emit_any(e, name, ".keys()",
			 nul_test(e, type->descriptor->field[0], "value", full_name));
		emit_any(e, name, ".values()",
			 nul_test(e, type->descriptor->field[1], "value", full_name));
	} else if (rust_in_oneof(field)) {
		emit_return(e, arena_printf(e->arena,
					    "match &self.%s {\n"
					    "            ::core::option::Option::Some(%s::%s(value)) => %s,\n"
					    "            _ => ::core::option::Option::None,\n        }",
					    names->oneofs[field->oneof_index],
					    union_path(e, names, (size_t)field->oneof_index),
					    names->variants[index], test));
	} else if (field->label == LABEL(REQUIRED) ||
		   (!type && field->label != LABEL(REPEATED) && type_is_proto3(owner) &&
		    !field->proto3_optional)) {
		emit_return(e, nul_test(e, field, place, full_name));
	} else {
		emit_any(e, name, ".iter()", test);
	}
}

/* --- Functions of all messages -------------------------------------------------------------- */

static void emit_body(struct emitter *e, const struct type *type, const struct rust_type *names)
{
	const Descriptor *d = type->descriptor;

	rust_allow(e);
	if (!(type->holds & TYPE_HOLDS_TEXT)) {
		emit(e, "impl ::ipcbus::typed::Body for %s {}\n\n", names->ident);
		return;
	}
	emit(e, "impl ::ipcbus::typed::Body for %s {\n"
		"    fn nul_field(&self) -> ::core::option::Option<&'static str> {\n",
	     names->ident);
	for (size_t i = 0; i < d->n_field; i++)
		emit_text_field(e, type, names, i);
	emit(e, "        ::core::option::Option::None\n    }\n}\n\n");
}

/* --- Messages and enums ---------------------------------------------------------------------- */

static void emit_struct(struct emitter *e, const struct type *type, const struct rust_type *names)
{
	const Descriptor *d = type->descriptor;

	emit_title_of(e, "message", type->full_name, d->options && d->options->deprecated);
	emit(e, "#[derive(Clone, PartialEq, ::prost::Message)]\n");
	rust_allow(e);
	emit(e, "pub struct %s {\n", names->ident);
	for (size_t i = 0; i < d->n_field; i++)
		if (!rust_in_oneof(d->field[i]))
			emit_field(e, type, d->field[i], names->fields[i]);
	for (size_t i = 0; i < d->n_oneof_decl; i++)
		if (is_real(d, i))
			emit_oneof_field(e, d, names, i);
	emit(e, "}\n\n");
	emit_body(e, type, names);
}

/* Whether an earlier value has the same number: then it is a variant, and this a constant. */
static bool is_alias(const Enum *en, size_t value)
{
	for (size_t i = 0; i < value; i++)
		if (en->value[i]->number == en->value[value]->number)
			return true;
	return false;
}

static void emit_aliases(struct emitter *e, const Enum *en, const struct rust_type *names)
{
	bool any = false;

	for (size_t i = 0; i < en->n_value; i++) {
		size_t first = 0;

		if (!is_alias(en, i))
			continue;
		while (en->value[first]->number != en->value[i]->number)
			first++;
		if (!any) {
			rust_allow(e);
			emit(e, "impl %s {\n", names->ident);
		}
		emit(e, "    pub const %s: Self = Self::%s;\n", names->variants[i],
		     names->variants[first]);
		any = true;
	}
	if (any)
		emit(e, "}\n\n");
}

static void emit_enum(struct emitter *e, const Enum *en, const char *full_name)
{
	const struct rust_type *names = rust_type(e->unit->rust, full_name, true);

	/* Only a damaged request has two enums with the same name. */
	if (names->proto != en)
		return;
	emit_title_of(e, "enum", full_name, en->options && en->options->deprecated);
	emit(e,
	     "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]\n");
	rust_allow(e);
	emit(e, "#[repr(i32)]\npub enum %s {\n", names->ident);
	for (size_t i = 0; i < en->n_value; i++) {
		if (is_alias(en, i))
			continue;
		if (en->value[i]->options && en->value[i]->options->deprecated)
			emit(e, "    " DOC " Deprecated.\n");
		emit(e, "    %s = %d,\n", names->variants[i], en->value[i]->number);
	}
	emit(e, "}\n\n");
	emit_aliases(e, en, names);
}

/* Indents the content of a module by four columns. */
static void emit_indented(struct emitter *e, const struct text *inside)
{
	for (const char *line = inside->data; line && *line; line += strcspn(line, "\n") + 1)
		if (*line == '\n')
			emit(e, "%s", line[1] ? "\n" : "");
		else
			emit(e, "    %.*s\n", (int)strcspn(line, "\n"), line);
}

static void emit_types(struct emitter *e, const char *prefix, Descriptor *const *messages,
		       size_t n_messages, Enum *const *enums, size_t n_enums);

static void emit_message(struct emitter *e, const char *full_name)
{
	const struct type *type = types_find(e->types, arena_printf(e->arena, ".%s", full_name));
	const struct rust_type *names = rust_type(e->unit->rust, full_name, false);
	const struct rust_module *module = e->module;
	const Descriptor *d = type->descriptor;
	struct text inside = { 0 }, *out = e->out;

	if (type_is_map(type))
		return;
	emit_struct(e, type, names);
	if (!names->inner)
		return;
	emit(e, DOC " Types inside [`%s`].\n", names->ident);
	rust_allow(e);
	emit(e, "pub mod %s {\n", names->inner->ident);
	e->module = names->inner;
	e->out = &inside;
	emit_types(e, full_name, d->nested_type, d->n_nested_type, d->enum_type, d->n_enum_type);
	for (size_t i = 0; i < d->n_oneof_decl; i++)
		if (is_real(d, i))
			emit_oneof(e, type, names, i);
	e->out = out;
	e->module = module;
	emit_indented(e, &inside);
	text_done(&inside);
	emit(e, "}\n\n");
}

static void emit_types(struct emitter *e, const char *prefix, Descriptor *const *messages,
		       size_t n_messages, Enum *const *enums, size_t n_enums)
{
	const char *dot = *prefix ? "." : "";

	for (size_t i = 0; i < n_messages; i++)
		emit_message(e, arena_printf(e->arena, "%s%s%s", prefix, dot, messages[i]->name));
	for (size_t i = 0; i < n_enums; i++)
		emit_enum(e, enums[i],
			  arena_printf(e->arena, "%s%s%s", prefix, dot, enums[i]->name));
}

void rust_types(struct emitter *e)
{
	const File *file = request_file(e->request, e->unit->file);

	emit_types(e, file->package ?: "", file->message_type, file->n_message_type,
		   file->enum_type, file->n_enum_type);
}
