/* SPDX-License-Identifier: MIT */
/*
 * The protobuf wire format, as far as protobuf-c does not handle it: protobuf-c recurses without
 * a limit, and fails on groups.
 */
#ifndef IDL_WIRE_H
#define IDL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "arena.h"

/* More nesting than any real .proto file has; the limit of protoc is 32. */
#define WIRE_DEPTH_MAX 100

/*
 * Unpacks a message into the arena, without its groups. In a description only custom options are
 * groups. Returns NULL if the bytes are malformed, or messages nest deeper than WIRE_DEPTH_MAX.
 */
void *wire_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
		  const uint8_t *data, size_t size);

#endif /* IDL_WIRE_H */
