// SPDX-License-Identifier: MIT
/*
 * The codecs of X.ipc.hpp: for each message with a codec, a specialization of ipc::typed::codec.
 * They use <ipc/cpp/codec.hpp>.
 *
 * Two files may have services with the same message, so each codec has an include guard.
 */
#include <string.h>

#include "emit.h"
#include "names.h"

typedef Google__Protobuf__FieldDescriptorProto Field;

#define TYPE(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name

/* A type whose value is a varint: the conversions that pack a field m.NAME() and that unpack a
 * value. */
struct kind {
	const char *put;	/* text around the field */
	const char *put_end;
	const char *take;	/* text around the value */
	const char *take_end;
};

static const struct kind kinds[] = {
	[TYPE(INT64)] = { "static_cast<::std::uint64_t>(", ")",
			  "static_cast<::std::int64_t>(", ")" },
	[TYPE(UINT64)] = { "", "", "", "" },
	[TYPE(INT32)] = { "static_cast<::std::uint64_t>(", ")",
			  "static_cast<::std::int32_t>(", ")" },
	[TYPE(BOOL)] = { "", "", "", " != 0" },
	[TYPE(UINT32)] = { "", "", "static_cast<::std::uint32_t>(", ")" },
	[TYPE(ENUM)] = { "static_cast<::std::uint64_t>(", ")", NULL, "" },
	[TYPE(SINT32)] = { "zigzag(", ")", "unzigzag32(", ")" },
	[TYPE(SINT64)] = { "zigzag(", ")", "unzigzag64(", ")" },
};

/* --- Suitable fields --------------------------------------------------------------- */

/* Returns false if protoc generates other functions or names for the field. In a closed enum, an
 * unknown number is an unknown field. */
static bool is_usual(const struct type *type, const Field *field)
{
	if (field->options && field->options->has_ctype)
		return false;
	if (field->has_oneof_index && !field->proto3_optional)
		return false;
	if (field->type == TYPE(ENUM) && !type_is_proto3(type))
		return false;
	return !field->name[strcspn(field->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] &&
	       !name_is_keyword(field->name);
}

static bool has_codec(const struct codec *codec)
{
	if (codec->type->descriptor->n_extension_range)
		return false;
	for (size_t i = 0; i < codec->n_fields; i++)
		if (!is_usual(codec->type, codec->fields[i]))
			return false;
	return true;
}

/* --- Packing ----------------------------------------------------------------------- */

static const char *is_there(struct emitter *e, const struct codec *codec, const Field *field)
{
	const char *name = field->name;

	if (!type_is_proto3(codec->type) || field->proto3_optional)
		return arena_printf(e->arena, "m.has_%s()", name);
	if (codec_wire(field) == WIRE_BYTES)
		return arena_printf(e->arena, "!m.%s().empty()", name);
	if (codec_wire(field) == WIRE_VARINT)
		return arena_printf(e->arena, "m.%s()", name);
	return arena_printf(e->arena, "!packer::is_zero(m.%s())", name);
}

static void emit_put(struct emitter *e, const struct codec *codec, size_t i)
{
	const Field *field = codec->fields[i];
	const struct kind *kind = &kinds[field->type];
	const char *there = is_there(e, codec, field);
	unsigned int tag = codec_tag(field);

	if (codec_wire(field) == WIRE_BYTES)
		emit(e, "\t\tif (%s && !out.%s(%zu, %u, m.%s()))\n\t\t\treturn false;\n", there,
		     field->type == TYPE(STRING) ? "text" : "bytes", codec->n_fields - i, tag,
		     field->name);
	else if (codec_wire(field) == WIRE_VARINT)
		emit(e, "\t\tif (%s)\n\t\t\tout.varint(%u, %sm.%s()%s);\n", there, tag, kind->put,
		     field->name, kind->put_end);
	else
		emit(e, "\t\tif (%s)\n\t\t\tout.fixed(%u, m.%s());\n", there, tag, field->name);
}

/* --- Unpacking --------------------------------------------------------------------- */

static void emit_take(struct emitter *e, const Field *field)
{
	const struct kind *kind = &kinds[field->type];
	const char *name = field->name;

	emit(e, "\t\tif (!in.has(%u))\n\t\t\tm.clear_%s();\n", codec_tag(field), name);
	if (codec_wire(field) == WIRE_BYTES) {
		emit(e, "\t\telse if (!in.%s(*m.mutable_%s()))\n\t\t\treturn false;\n",
		     field->type == TYPE(STRING) ? "text" : "bytes", name);
		return;
	}
	if (codec_wire(field) == WIRE_VARINT)
		emit(e, "\t\telse if (::std::uint64_t value; in.varint(value))\n");
	else
		emit(e, "\t\telse if (auto value = m.%s(); in.fixed(value))\n", name);
	emit(e, "\t\t\tm.set_%s(", name);
	if (field->type == TYPE(ENUM))
		emit(e, "static_cast<decltype(m.%s())>(static_cast<int>(value))", name);
	else
		emit(e, "%svalue%s", kind->take ?: "", kind->take_end ?: "");
	emit(e, ");\n\t\telse\n\t\t\treturn false;\n");
}

/* --- Codecs ------------------------------------------------------------------------ */

static const char *guard_of(struct emitter *e, const struct type *type)
{
	char *guard = arena_printf(e->arena, "IPC_CODEC_%s", type->full_name);

	for (char *c = guard; *c; c++)
		if (*c == '.')
			*c = '_';
	return guard;
}

static void emit_codec(struct emitter *e, const struct codec *codec)
{
	const char *class = cpp_class(e, codec->type), *guard = guard_of(e, codec->type);

	emit(e, "#ifndef %s\n#define %s\n", guard, guard);
	emit(e, "template <> struct ipc::typed::codec<%s> {\n", class);
	emit(e, "\tstatic constexpr bool exists = true;\n");
	emit(e, "\tstatic bool put(const %s &m, packer &out)\n\t{\n", class);
	for (size_t i = 0; i < codec->n_fields; i++)
		emit_put(e, codec, i);
	emit(e, "\t\treturn true;\n\t}\n");
	emit(e, "\tstatic bool take(%s &m, unpacker &in)\n\t{\n", class);
	for (size_t i = 0; i < codec->n_fields; i++)
		emit_take(e, codec->fields[i]);
	emit(e, "\t\treturn in.at_end();\n\t}\n};\n#endif\n\n");
}

void emit_cpp_codecs(struct emitter *e)
{
	const struct codecs *codecs = &e->unit->codecs;
	bool any = false;

	for (size_t i = 0; i < codecs->count; i++) {
		if (!has_codec(&codecs->list[i]))
			continue;
		if (!any)
			emit(e, "/* How small messages become bytes. Not for programs. */\n");
		any = true;
		emit_codec(e, &codecs->list[i]);
	}
}
