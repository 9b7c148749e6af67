/* SPDX-License-Identifier: MIT */
/*
 * Which messages get a codec: code of their own that packs and unpacks them in place of
 * protobuf-c (struct ipc_codec in <ipc/rpc.h>). emit_codec.c writes it.
 *
 * That are messages of 1 to CODEC_FIELDS_MAX fields, each of them a single number, string or
 * bytes, optional or not. Code grows with each field, and what it saves of a call hardly does. A
 * larger message, or one with other fields, is left to libipc, which goes through the descriptor.
 */
#ifndef IDL_CODEC_H
#define IDL_CODEC_H

#include "types.h"

#define CODEC_FIELDS_MAX 16

struct codec {
	const struct type *type;
	const char *name; /* "echo__say_request": echo__say_request__codec */
	const Google__Protobuf__FieldDescriptorProto **fields; /* by number */
	size_t n_fields;
};

/* How the value of a field lies in the message: the lower bits of its tag. */
enum wire { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

/* Of the types that a codec's fields have. */
enum wire codec_wire(const Google__Protobuf__FieldDescriptorProto *field);
unsigned int codec_tag(const Google__Protobuf__FieldDescriptorProto *field);

/* In C the member that says whether the field of a oneof is there: "_text_case"; or NULL. */
const char *codec_case(struct arena *arena, const struct codec *codec,
		       const Google__Protobuf__FieldDescriptorProto *field);

/* One for each type: of a file with services. */
struct codecs {
	struct codec *list;
	size_t count;
};

/* The codec of a type, which is added to the list if it is not there; NULL: the type gets none.
 * The list has space for it. */
const struct codec *codecs_add(struct arena *arena, struct codecs *codecs,
			       const struct type *type);

#endif /* IDL_CODEC_H */
