/* SPDX-License-Identifier: MIT */
/*
 * The shape of services: the properties on which two programs must agree to understand each other.
 * Numbers, types, and which fields may be missing are part of it. Names of types and fields,
 * comments, and the order in a file are not.
 *
 * The input is the bytes of a google.protobuf.FileDescriptorSet. The functions use neither files
 * nor globals. protoc-gen-ipc computes hashes and compares two files. libipc compares the files
 * from which two running programs were built.
 */
#ifndef IDL_SHAPE_H
#define IDL_SHAPE_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

struct shape;

/* Returns the type with which to unpack the bytes of a set. The caller must first check that they
 * are not nested too deeply. */
const ProtobufCMessageDescriptor *shape_descriptor(void);

/* set must be a message of that type, and must stay valid until shape_free().
 *   -EBADMSG  protoc does not write such a set.
 *   -ENOMEM */
int shape_new(struct shape **ret_shape, const ProtobufCMessage *set);
struct shape *shape_free(struct shape *shape);

/* Computes a hash of the shape of a service ("echo.Echo"). The hash is never 0.
 *   -ENOENT   The set has no such service.
 *   -ENOMEM */
int shape_hash(const struct shape *shape, const char *service, uint64_t *ret_hash);

/*
 * SHAPE_EVOLVE: may new replace old? Removed methods and fields count. SHAPE_TALK: can programs of
 * both versions use the methods and fields that both have?
 */
enum shape_question {
	SHAPE_EVOLVE,
	SHAPE_TALK,
};

/* Called for a difference that breaks compatibility: "echo.Echo/Say: ...". text is valid only
 * during the call. */
typedef void (*shape_report)(void *userdata, const char *text);

/* Reports each difference that breaks compatibility, and returns their number. Compares service, or
 * all services of old if service is NULL.
 *   -E2BIG    There are too many types to compare.
 *   -ENOMEM */
int shape_compare(const struct shape *old, const struct shape *new, const char *service,
		  enum shape_question question, shape_report report, void *userdata);

#endif /* IDL_SHAPE_H */
