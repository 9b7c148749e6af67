/* SPDX-License-Identifier: MIT */
/*
 * The protobuf wire format, as far as protobuf-c does not do it for us: a look
 * at bytes before they are unpacked, and at options that it keeps as unknown
 * fields. Pure: bytes in, answers out.
 */
#ifndef IDL_WIRE_H
#define IDL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* Deeper nesting than any real .proto has (protoc itself stops at 32). */
#define WIRE_DEPTH_MAX 100

/*
 * Is it well-formed, and its messages nested no deeper than depth? protobuf-c
 * recurses without a limit, so this comes first.
 */
bool wire_is_sound(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		   size_t size, unsigned int depth);

/* The value of an unknown field; false if it is of another kind. */
bool wire_varint(const ProtobufCMessageUnknownField *field, uint64_t *ret_value);
bool wire_bytes(const ProtobufCMessageUnknownField *field, const uint8_t **ret_data,
		size_t *ret_size);

/* The last field of that number in a message that is not unpacked; false if it
 * has none that is length-delimited. */
bool wire_find_bytes(const uint8_t *data, size_t size, uint32_t number,
		     const uint8_t **ret_data, size_t *ret_size);

#endif /* IDL_WIRE_H */
