/* SPDX-License-Identifier: MIT */
/*
 * Received messages in memory.
 *
 * A message owns its memory (the arena) and the objects that came with it (the claims). Its
 * bytes are not trusted. Decoding limits the memory that they need, and how deep they nest.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/frame.h"
#include "decode.h"

struct claims;

/*
 * Returns the bytes of memory that a message of size bytes may need. One of many small fields, of
 * two bytes each, needs nearly 64 times its size. Beyond 4 MiB, a message needs its size mostly for
 * large fields, which need no more than that.
 */
static inline size_t message_budget(size_t size)
{
	size_t most = (size_t)4 << 20;

	return size + 63 * (size < most ? size : most) + (64 << 10);
}

struct message {
	struct arena arena;
	struct claims *claims;		/* NULL: no objects came with it */
	bool framed;			/* frame is valid */
	bool borrows;			/* fields point into the payload */
	struct frame frame;		/* blobs and metadata of the payload */
	size_t file_bytes;		/* of files that came for blobs and memory */
	ProtobufCMessage *root;
};

/* block is the first memory of the arena; see arena_init(). */
static inline void message_init(struct message *message, void *block, size_t block_size,
				size_t payload_size)
{
	arena_init(&message->arena, block, block_size, message_budget(payload_size));
	message->claims = NULL;
	message->framed = false;
	message->borrows = false;
	message->file_bytes = 0;
	message->root = NULL;
}

/*
 * Decodes a payload, takes the frame around its message apart, and sets message->root. With
 * borrow, large fields of type bytes may stay in the payload; then message->borrows is set, and
 * the payload must outlive the message.
 *
 *   -EBADMSG    the bytes are no message of this type, nest too deep, or need more memory than
 *               message_budget()
 *   -ETIMEDOUT  the arena's deadline has passed
 *   -ENOMEM
 */
int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   bool borrow, const uint8_t *data, size_t size);

/* Frees the memory. The caller has released the claims. */
static inline void message_done(struct message *message)
{
	if (__builtin_expect(message->arena.chunks != NULL, 0))
		arena_done(&message->arena);
}

#endif /* IPC_MESSAGE_H */
