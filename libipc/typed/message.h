/* SPDX-License-Identifier: MIT */
/*
 * Protobuf bytes and messages in memory.
 *
 * A received message owns its memory (the arena) and what came with it (the
 * claims). The bytes are a stranger's: unpacking bounds both the memory and
 * the depth that they can cause.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "core/frame.h"

struct claims;

/*
 * A message may take this many times its bytes in memory, plus a constant:
 * what a message of many small fields needs while protobuf-c unpacks it.
 */
#define MESSAGE_BUDGET(size)	((size) * 64 + (64 << 10))

struct message {
	struct arena arena;
	struct claims *claims;		/* NULL: no objects came with it */
	bool framed;			/* there is more in the payload: */
	struct frame frame;
	ProtobufCMessage *root;
};

/* block: the first memory of the arena, 8-byte aligned. */
static inline void message_init(struct message *message, void *block, size_t block_size,
				size_t payload_size)
{
	arena_init(&message->arena, block, block_size, MESSAGE_BUDGET(payload_size));
	message->claims = NULL;
	message->framed = false;
	message->root = NULL;
}

/*
 * Sets message->root; it lies where the arena began if that had space for it.
 * recursive: the type can hold itself. -EBADMSG: not such a message, or more
 * than it may be; -ENOMEM. A frame around it is taken apart.
 */
int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   bool recursive, const uint8_t *data, size_t size);

/* Frees the memory; what the claims hold must have been released. */
static inline void message_done(struct message *message)
{
	if (__builtin_expect(message->framed, 0))
		frame_done(&message->frame);
	arena_done(&message->arena);
}

/*
 * How deep the messages in these bytes lie in each other, as far as their
 * types are known: 0 or -EBADMSG when it is too deep or cannot be parsed.
 */
int wire_check_depth(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
		     size_t size);

#endif /* IPC_MESSAGE_H */
