/* SPDX-License-Identifier: MIT */
/*
 * The shape of services: the properties on which two programs must agree to understand each other.
 * Numbers, types, and which fields may be missing are part of it. Names of types and fields,
 * comments, and the order in a file are not.
 *
 * The input is the bytes of a google.protobuf.FileDescriptorSet. The functions use neither files
 * nor globals.
 */
#ifndef IDL_SHAPE_H
#define IDL_SHAPE_H

#include <protobuf-c/protobuf-c.h>

struct shape;

/* Returns the type with which to unpack the bytes of a set. The caller must first check that they
 * are not nested too deeply. */
const ProtobufCMessageDescriptor *shape_descriptor(void);

/* set must be a message of that type, and must stay valid until shape_free().
 *   -EBADMSG  protoc does not write such a set.
 *   -ENOMEM */
int shape_new(struct shape **ret_shape, const ProtobufCMessage *set);
struct shape *shape_free(struct shape *shape);

/* Called for a difference that breaks compatibility: "echo.Echo/Say: ...". text is valid only
 * during the call. */
typedef void (*shape_report)(const char *text);

/* May new replace old? Reports each difference that breaks programs built from old, and returns
 * their number. Removed methods and fields count.
 *   -E2BIG    There are too many types to compare.
 *   -ENOMEM */
int shape_compare(const struct shape *old, const struct shape *new, shape_report report);

#endif /* IDL_SHAPE_H */
