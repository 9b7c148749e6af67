/* SPDX-License-Identifier: MIT */
/*
 * The shape of services: what two programs must agree about to understand each
 * other. Names of types and fields, comments and the order in a file are not
 * part of it; numbers, kinds and who may leave what out are.
 *
 * Works on the bytes of a google.protobuf.FileDescriptorSet. Pure: no streams,
 * no globals. protoc-gen-ipc hashes and compares with it (shape of two files on
 * disk); libipc compares what two running programs were built from.
 */
#ifndef IDL_SHAPE_H
#define IDL_SHAPE_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

struct shape;

/* What the bytes of a set are to be unpacked as, once they are known not to nest
 * too deeply: that is the caller's to check. */
const ProtobufCMessageDescriptor *shape_descriptor(void);

/* set is such a message and must stay until shape_free(). -ENOMEM; -EBADMSG: not
 * what protoc writes. */
int shape_new(struct shape **ret_shape, const ProtobufCMessage *set);
struct shape *shape_free(struct shape *shape);

/* A hash of the shape of a service ("echo.Echo"), never 0. -ENOENT: the set has no
 * such service; -ENOMEM. */
int shape_hash(const struct shape *shape, const char *service, uint64_t *ret_hash);

/*
 * SHAPE_EVOLVE: may new take the place of old? What disappears counts.
 * SHAPE_TALK: can programs of both understand each other in what both have?
 */
enum shape_question {
	SHAPE_EVOLVE,
	SHAPE_TALK,
};

/* One difference that breaks something: "echo.Echo/Say: ...". Valid in the call. */
typedef void (*shape_report)(void *userdata, const char *text);

/* How many differences break something; each is reported. service: the only one
 * to look at, or NULL for all that old has. -ENOMEM; -E2BIG: too large to tell. */
int shape_compare(const struct shape *old, const struct shape *new, const char *service,
		  enum shape_question question, shape_report report, void *userdata);

#endif /* IDL_SHAPE_H */
