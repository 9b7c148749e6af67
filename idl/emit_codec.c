// SPDX-License-Identifier: MIT
/*
 * The codecs of X.ipc.c: for each message with a codec, a function that packs it, a function that
 * unpacks it, and the struct ipc_codec with both. They use <ipc/codec.h>.
 */
#include "emit.h"
#include "names.h"

typedef Google__Protobuf__FieldDescriptorProto Field;

/* A type whose value is a varint: the text around the member when it is packed, and the conversion
 * of an unpacked value. Values of other types are copied. */
struct kind {
	const char *put;
	const char *put_end;
	const char *take;
};

#define TYPE(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name

static const struct kind kinds[] = {
	[TYPE(INT64)] = { "(uint64_t)m->", "", "(int64_t)value" },
	[TYPE(UINT64)] = { "m->", "", "value" },
	[TYPE(INT32)] = { "(uint64_t)m->", "", "(int32_t)value" },
	[TYPE(BOOL)] = { "m->", " != 0", "value != 0" },
	[TYPE(UINT32)] = { "m->", "", "(uint32_t)value" },
	[TYPE(ENUM)] = { "(uint64_t)(int32_t)m->", "", "(int32_t)value" },
	[TYPE(SINT32)] = { "ipc_codec_zigzag32(m->", ")", "ipc_codec_unzigzag32(value)" },
	[TYPE(SINT64)] = { "ipc_codec_zigzag64(m->", ")", "ipc_codec_unzigzag64(value)" },
};

static size_t count_bytes(const struct codec *codec)
{
	size_t n = 0;

	for (size_t i = 0; i < codec->n_fields; i++)
		n += codec_wire(codec->fields[i]) == WIRE_BYTES;
	return n;
}

/* --- Packing ---------------------------------------------------------------------- */

/* Returns the condition for a present field. A proto3 field must not be empty or 0; -0 is not 0.
 * Otherwise presence is a flag, the case of a oneof, or a string that is not NULL. */
static const char *is_there(struct emitter *e, const struct codec *codec, const Field *field,
			    const char *member)
{
	bool always = !type_is_proto3(codec->type);
	const char *of = codec_case(e->arena, codec, field);

	if (of && field->type == TYPE(STRING))
		return arena_printf(e->arena, "m->%s == %d && m->%s", of, field->number, member);
	if (of)
		return arena_printf(e->arena, "m->%s == %d", of, field->number);
	if (field->type == TYPE(STRING))
		return always ? arena_printf(e->arena, "m->%s", member) :
				arena_printf(e->arena, "m->%s && m->%s[0]", member, member);
	if (always)
		return arena_printf(e->arena, "m->has_%s", member);
	if (field->type == TYPE(FLOAT) || field->type == TYPE(DOUBLE))
		return arena_printf(e->arena, "!ipc_codec_is_zero%d(&m->%s)",
				    field->type == TYPE(FLOAT) ? 32 : 64, member);
	return arena_printf(e->arena, field->type == TYPE(BYTES) ? "m->%s.len" : "m->%s", member);
}

static void emit_put(struct emitter *e, const struct codec *codec, size_t i)
{
	const Field *field = codec->fields[i];
	const char *member = name_c_member(e->arena, field->name);
	const struct kind *kind = &kinds[field->type];
	unsigned int tag = codec_tag(field);

	emit(e, "\tif (%s)", is_there(e, codec, field, member));
	if (codec_wire(field) == WIRE_BYTES) {
		emit(e, " {\n\t\tto = ipc_codec_put_%s(to, end, %zu, %u, ",
		     field->type == TYPE(STRING) ? "text" : "bytes", codec->n_fields - i, tag);
		if (field->type == TYPE(STRING))
			emit(e, "m->%s);\n", member);
		else
			emit(e, "m->%s.data,\n\t\t\t\t\t m->%s.len);\n", member, member);
		emit(e, "\t\tif (!to)\n\t\t\treturn NULL;\n\t}\n");
		return;
	}
	if (codec_wire(field) == WIRE_VARINT)
		emit(e, "\n\t\tto = ipc_codec_put_varint(to, %u, %s%s%s);\n", tag, kind->put, member,
		     kind->put_end);
	else
		emit(e, "\n\t\tto = ipc_codec_put_fixed%u(to, %u, &m->%s);\n",
		     codec_wire(field) == WIRE_32BIT ? 32 : 64, tag, member);
}

static void emit_pack(struct emitter *e, const struct codec *codec)
{
	text_params(e->out, 0, arena_printf(e->arena, "static uint8_t *%s__put", codec->name),
		    (const char *const[]){ "const ProtobufCMessage *message", "uint8_t *to",
					   "const uint8_t *end", NULL },
		    "\n{\n");
	emit(e, "\tconst %s *m = (const %s *)message;\n\n", emit_class(e, codec->type),
	     emit_class(e, codec->type));
	if (!count_bytes(codec))
		emit(e, "\t(void)end;\n");
	for (size_t i = 0; i < codec->n_fields; i++)
		emit_put(e, codec, i);
	emit(e, "\treturn to;\n}\n\n");
}

/* --- Unpacking -------------------------------------------------------------------- */

static void emit_take(struct emitter *e, const struct codec *codec, const Field *field)
{
	const char *member = name_c_member(e->arena, field->name);
	const struct kind *kind = &kinds[field->type];
	const char *of = codec_case(e->arena, codec, field);

	emit(e, "\tif (ipc_codec_has(&in, %u)) {\n", codec_tag(field));
	if (field->type == TYPE(STRING))
		emit(e, "\t\tm->%s = ipc_codec_take_text(&in);\n\t\tif (!m->%s)\n", member, member);
	else if (kind->take)
		emit(e, "\t\tif (!ipc_codec_take_varint(&in, &value))\n");
	else if (field->type == TYPE(BYTES))
		emit(e, "\t\tif (!ipc_codec_take_data(&in, &m->%s))\n", member);
	else
		emit(e, "\t\tif (!ipc_codec_take_fixed%u(&in, &m->%s))\n",
		     codec_wire(field) == WIRE_32BIT ? 32 : 64, member);
	emit(e, "\t\t\treturn NULL;\n");
	if (kind->take)
		emit(e, "\t\tm->%s = %s;\n", member, kind->take);
	if (of)
		emit(e, "\t\tm->%s = %d;\n", of, field->number);
	else if (!type_is_proto3(codec->type) && field->type != TYPE(STRING))
		emit(e, "\t\tm->has_%s = 1;\n", member);
	emit(e, "\t}\n");
}

static bool has_taken_value(const struct codec *codec)
{
	for (size_t i = 0; i < codec->n_fields; i++)
		if (kinds[codec->fields[i]->type].take)
			return true;
	return false;
}

static void emit_unpack(struct emitter *e, const struct codec *codec)
{
	const char *class = emit_class(e, codec->type);

	text_params(e->out, 0,
		    arena_printf(e->arena, "static ProtobufCMessage *%s__take", codec->name),
		    (const char *const[]){ "const uint8_t *at", "const uint8_t *end",
					   "uint8_t **memory", "const uint8_t *memory_end", NULL },
		    "\n{\n");
	emit(e, "\tstruct ipc_codec_input in = { at, end, *memory };\n\t%s *m;\n", class);
	if (has_taken_value(codec))
		emit(e, "\tuint64_t value;\n");
	emit(e, "\n\tm = ipc_codec_begin(&in, memory_end, sizeof(*m), %zu);\n", count_bytes(codec));
	emit(e, "\tif (!m)\n\t\treturn NULL;\n");
	emit(e, "\t*m = (%s)%s__INIT;\n", class, name_upper(e->arena, codec->name));
	for (size_t i = 0; i < codec->n_fields; i++)
		emit_take(e, codec, codec->fields[i]);
	emit(e, "\tif (in.at != in.end)\n\t\treturn NULL;\n\n");
	emit(e, "\t*memory = in.memory;\n\treturn (ProtobufCMessage *)m;\n}\n\n");
}

void emit_codecs(struct emitter *e)
{
	const struct codecs *codecs = &e->unit->codecs;

	if (codecs->count)
		emit_title(e, '=', "Codecs");
	for (size_t i = 0; i < codecs->count; i++) {
		const struct codec *codec = &codecs->list[i];

		emit_pack(e, codec);
		emit_unpack(e, codec);
		emit(e, "static const struct ipc_codec %s__codec = {\n", codec->name);
		emit(e, "\t.pack = %s__put,\n\t.unpack = %s__take,\n};\n\n", codec->name,
		     codec->name);
	}
}
