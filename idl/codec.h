/* SPDX-License-Identifier: MIT */
/*
 * Codecs: generated code that packs and unpacks a message instead of protobuf-c (struct ipc_codec
 * in <ipc/rpc.h>). emit_codec.c writes it.
 *
 * Messages of 1 to CODEC_FIELDS_MAX fields get a codec if each field is a single number, string or
 * bytes, optional or not. The code grows with each field, but the time that it saves hardly does.
 * libipc handles all other messages with the descriptor.
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

/* Wire type of a field: the lower bits of its tag. */
enum wire { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

/* Only for the types of fields that a codec may have. */
enum wire codec_wire(const Google__Protobuf__FieldDescriptorProto *field);
unsigned int codec_tag(const Google__Protobuf__FieldDescriptorProto *field);

/* Returns the C member that has the case of the field's oneof, such as "_text_case", or NULL. */
const char *codec_case(struct arena *arena, const struct codec *codec,
		       const Google__Protobuf__FieldDescriptorProto *field);

/* The codecs of a file with services, one for each type. */
struct codecs {
	struct codec *list;
	size_t count;
};

/* Returns the codec of a type, and adds it to the list if necessary. If the type gets no codec,
 * returns NULL. The list must have space for it. */
const struct codec *codecs_add(struct arena *arena, struct codecs *codecs,
			       const struct type *type);

#endif /* IDL_CODEC_H */
