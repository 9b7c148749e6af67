/* SPDX-License-Identifier: MIT */
/*
 * The protobuf wire format, as far as protobuf-c does not parse it: checks of bytes before
 * they are unpacked, and options that it keeps as unknown fields. Pure functions.
 */
#ifndef IDL_WIRE_H
#define IDL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* More nesting than any real .proto file has; the limit of protoc is 32. */
#define WIRE_DEPTH_MAX 100

/*
 * Returns whether the bytes are well-formed and messages nest no deeper than depth. Call it
 * before protobuf-c unpacks them, which recurses without a limit.
 */
bool wire_is_sound(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		   size_t size, unsigned int depth);

/* Get the value of an unknown field. Return false if it has another wire type. */
bool wire_varint(const ProtobufCMessageUnknownField *field, uint64_t *ret_value);
bool wire_bytes(const ProtobufCMessageUnknownField *field, const uint8_t **ret_data,
		size_t *ret_size);

/* Finds the last length-delimited field with that number in packed bytes. Returns false if
 * there is none. */
bool wire_find_bytes(const uint8_t *data, size_t size, uint32_t number,
		     const uint8_t **ret_data, size_t *ret_size);

#endif /* IDL_WIRE_H */
