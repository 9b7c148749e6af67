/* SPDX-License-Identifier: MIT */
/*
 * Mutations of protobuf messages by their descriptors: the result is a message
 * of the same type again, other than what changing bytes makes of it.
 */
#ifndef FUZZ_PROTO_H
#define FUZZ_PROTO_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Changes the packed message in data to another one of up to max bytes and
 * returns its size; 0: it is not such a message, or what came out is too large.
 */
size_t proto_mutate(const ProtobufCMessageDescriptor *descriptor, uint8_t *data, size_t size,
		    size_t max, uint32_t seed);

#endif /* FUZZ_PROTO_H */
