/* SPDX-License-Identifier: MIT */
/*
 * A walk over a message: finds every Ipc__Object, Ipc__Fd and Ipc__Memory in it, at any
 * depth, in the order of the fields' numbers. Sender and receiver walk the
 * same way, which ties the fields to the entries of the object table.
 */
#ifndef IPC_WALK_H
#define IPC_WALK_H

#include <ipc/ipc.pb-c.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/* The deepest that messages may lie in each other, here and on the wire. */
#define MESSAGE_MAX_DEPTH	100

/* What a descriptor's offset says. */
static inline const void *field_at(const ProtobufCMessage *message, unsigned int offset)
{
	return (const char *)message + offset;
}

static inline void *member_at(ProtobufCMessage *message, unsigned int offset)
{
	return (char *)message + offset;
}

struct visitor {
	/* Each returns 0, or -errno to end the walk with it. NULL: passed over. */
	int (*object)(struct visitor *visitor, uint64_t *id);
	int (*fd)(struct visitor *visitor, int32_t *fd);
	/* After the fd in it. */
	int (*memory)(struct visitor *visitor, Ipc__Memory *memory);
	/* Any other message, before those in it. */
	int (*message)(struct visitor *visitor, const ProtobufCMessage *message);
};

/* -EBADMSG: deeper than MESSAGE_MAX_DEPTH, or an empty place in an array. */
int message_walk(const ProtobufCMessage *message, struct visitor *visitor);

#endif /* IPC_WALK_H */
