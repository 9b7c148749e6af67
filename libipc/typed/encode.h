/* SPDX-License-Identifier: MIT */
/*
 * The encoder: makes the bytes of a message, led by the descriptor, as protobuf's own
 * implementation makes them. A field of proto3 without presence is left out if it is empty or 0,
 * but not if it is -0.
 *
 * A message is measured first, which also finds errors. Then it is written from its end to its
 * beginning, so that the size of a nested message is known when it is needed.
 */
#ifndef IPC_ENCODE_H
#define IPC_ENCODE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Maximum of large fields of a message that are not copied; later fields are. */
#define ENCODE_LARGE	16

/* The space for a message. A field of type bytes is large from large_min bytes on. */
struct measure {
	size_t large_min;	/* set by the caller; SIZE_MAX: none is large */
	size_t size;		/* of the encoded message */
	size_t large;		/* bytes of the first ENCODE_LARGE large fields */
	size_t n_large;		/* all large fields */
};

/* -EINVAL: a string is not UTF-8, or messages nest deeper than MESSAGE_MAX_DEPTH. */
int encode_measure(const ProtobufCMessage *message, struct measure *measure);

/* The output. The message is written downwards from at. */
struct encoder {
	uint8_t *at;
	/* Called instead of copying a large field; NULL: all fields are copied. */
	void (*large)(struct encoder *encoder, const ProtobufCBinaryData *bytes);
	size_t large_min;
	size_t n_large;		/* number of large fields still to write */
	size_t left_out;	/* bytes of large fields that were not copied */
};

void encode(struct encoder *encoder, const ProtobufCMessage *message);

#endif /* IPC_ENCODE_H */
