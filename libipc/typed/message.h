/* SPDX-License-Identifier: MIT */
/*
 * Received messages in memory, and the encoder of messages to send.
 *
 * A received message owns its memory (the arena) and its objects (the claims). Its bytes are not
 * trusted. Decoding limits the memory that they need, and how deep they nest.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <ipc/ipc.pb-c.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

struct claims;

/* A received field of type bytes stays in the payload if it has at least BORROW_MIN bytes and at
 * least this share of the payload, which it occupies. */
#define BORROW_MIN	((size_t)4 << 10)
#define BORROW_SHARE	32

/*
 * Returns the bytes of memory that a message of size bytes may need. A message of many small
 * fields, of two bytes each, needs nearly 64 times its size. Beyond 4 MiB, a message needs its size
 * mostly for large fields, which need no more than that.
 */
static inline size_t message_budget(size_t size)
{
	size_t most = (size_t)4 << 20;

	return size + 63 * (size < most ? size : most) + (64 << 10);
}

struct message {
	struct arena arena;
	struct claims *claims;		/* NULL: no objects came with it */
	bool borrows;			/* fields point into the payload */
	size_t file_bytes;		/* of the files that came for shared memory */
	ProtobufCMessage *root;
};

/* block is the first memory of the arena; see arena_init(). */
static inline void message_init(struct message *message, void *block, size_t block_size,
				size_t payload_size)
{
	arena_init(&message->arena, block, block_size, message_budget(payload_size));
	message->claims = NULL;
	message->borrows = false;
	message->file_bytes = 0;
	message->root = NULL;
}

/*
 * Decodes a payload (decode.c), takes the frame around its message apart, and sets message->root.
 * With borrow, large fields of type bytes may stay in the payload; then message->borrows is set,
 * and the payload must outlive the message.
 *
 *   -EBADMSG    the bytes are no message of this type, nest too deep, or need more memory than
 *               message_budget()
 *   -ENOMEM
 */
int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   bool borrow, const uint8_t *data, size_t size);

/* The wire type of the values of a protobuf type, and the size of a member or element in C. */
struct field_kind {
	uint8_t wire_type;
	uint8_t size;
};

extern const struct field_kind field_kinds[];

/* Returns whether the text is UTF-8 without NUL bytes, as C's strings are. */
bool text_is_valid(const char *text, size_t size);

/* Frees the memory. The caller has released the claims. */
static inline void message_done(struct message *message)
{
	if (__builtin_expect(message->arena.chunks != NULL, 0))
		arena_done(&message->arena);
}

/* --- Walking over messages -------------------------------------------------------------- */

/* Maximum depth of nested messages, in memory and on the wire. */
#define MESSAGE_MAX_DEPTH	100

static inline const void *field_at(const ProtobufCMessage *message, unsigned int offset)
{
	return (const char *)message + offset;
}

static inline void *member_at(ProtobufCMessage *message, unsigned int offset)
{
	return (char *)message + offset;
}

/*
 * A walk over a message: finds every Ipc__Object, Ipc__Fd and Ipc__Memory in it, at any depth, in
 * the order of the fields' numbers. Sender and receiver walk the same way, which ties the fields to
 * the entries of the object table.
 */
struct visitor {
	/* Each returns 0, or -errno to end the walk with it. NULL: passed over. */
	int (*object)(struct visitor *visitor, uint64_t *id);
	int (*fd)(struct visitor *visitor, int32_t *fd);
	/* After the fd in it. */
	int (*memory)(struct visitor *visitor, Ipc__Memory *memory);
	/* Called for any other message, before the messages in it. */
	int (*message)(struct visitor *visitor, const ProtobufCMessage *message);
};

/* -EBADMSG: deeper than MESSAGE_MAX_DEPTH, or an empty place in an array. */
int message_walk(const ProtobufCMessage *message, struct visitor *visitor);

/* --- Encoding ----------------------------------------------------------------------------- */

/* Maximum number of large fields that are not copied. If a message has more, its first ones are. */
#define ENCODE_LARGE	16

struct encoder {
	/* Set by the caller. */
	uint8_t *data;		/* the output; NULL: the message is only measured */
	size_t left;		/* bytes of data that are not written yet; 0 to measure */
	size_t large_min;	/* of large fields of type bytes; SIZE_MAX: there are none */
	/* Called while writing, instead of copying a large field, the last field first. */
	void (*large)(struct encoder *encoder, const ProtobufCBinaryData *bytes);
	unsigned int depth;	/* initially 0, as are the results */
	size_t large_size;	/* bytes of large fields that are not copied */
	size_t n_large;		/* number of these fields */
	int error;
	const ProtobufCFieldDescriptor *wrong;	/* a field with a string that is not UTF-8 */
};

/* After measuring: the size of the message. */
static inline size_t encoder_measured(const struct encoder *encoder)
{
	return encoder->large_size - encoder->left;
}

/* Measures or writes a message. A message must be measured before it is written. Returns 0, or
 * -EINVAL if a string is not UTF-8, or if messages nest deeper than MESSAGE_MAX_DEPTH. */
int encode(struct encoder *encoder, const ProtobufCMessage *message);

#endif /* IPC_MESSAGE_H */
