/* SPDX-License-Identifier: MIT */
/*
 * The protobuf wire format where protobuf-c does not handle it: protobuf-c recurses without a
 * limit, and fails on groups.
 */
#ifndef IDL_WIRE_H
#define IDL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "arena.h"

/* Exceeds the nesting of any real .proto file; protoc's limit is 32. */
#define WIRE_DEPTH_MAX 100

/*
 * Unpacks a message into the arena, without its groups. In a description only custom options are
 * groups. If the bytes are malformed, or messages nest deeper than WIRE_DEPTH_MAX, returns NULL.
 */
void *wire_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
		  const uint8_t *data, size_t size);

#endif /* IDL_WIRE_H */
