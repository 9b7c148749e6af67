/* SPDX-License-Identifier: MIT */
/*
 * The protobuf wire format, as far as protobuf-c does not check it before it parses.
 */
#ifndef IDL_WIRE_H
#define IDL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "arena.h"

/* More nesting than any real .proto file has; the limit of protoc is 32. */
#define WIRE_DEPTH_MAX 100

/*
 * Returns whether the bytes are well-formed and messages nest no deeper than depth. Call it
 * before protobuf-c unpacks them, which recurses without a limit.
 */
bool wire_is_sound(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		   size_t size, unsigned int depth);

/*
 * Copies sound bytes without groups, which protobuf-c cannot unpack. Of a description only custom
 * options are groups.
 */
const uint8_t *wire_without_groups(struct arena *arena,
				   const ProtobufCMessageDescriptor *descriptor,
				   const uint8_t *data, size_t size, size_t *ret_size);

#endif /* IDL_WIRE_H */
