/* SPDX-License-Identifier: MIT */
/*
 * The encoder: makes the bytes of a message, led by the descriptor, as protobuf's own
 * implementation makes them. A field of proto3 without presence is left out if it is empty or 0,
 * but not if it is -0.
 *
 * A message is written from its end to its beginning, so that the size of a nested message is known
 * when it is needed. First it is measured: the same functions run without memory.
 */
#ifndef IPC_ENCODE_H
#define IPC_ENCODE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

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

#endif /* IPC_ENCODE_H */
