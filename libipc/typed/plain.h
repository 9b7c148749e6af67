/* SPDX-License-Identifier: MIT */
/*
 * Plain messages: small ones of single numbers, strings and bytes.
 *
 * Most requests and replies are plain, and protobuf-c does much for them that only others
 * need. These functions make the same messages and the same bytes as protobuf-c, faster. A
 * message with anything else in it is left to protobuf-c.
 */
#ifndef IPC_PLAIN_H
#define IPC_PLAIN_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/* The most bytes of a plain message. */
#define PLAIN_MAX	((size_t)1024)

/*
 * Unpacks a message that protobuf-c would unpack, into the memory that the arena has; the
 * message is its first allocation. NULL: it is not plain, damaged, or needs more memory. Then
 * the arena is as it was, and protobuf-c decides.
 */
ProtobufCMessage *plain_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
			       const uint8_t *data, size_t size);

/* Packs into to, which has space for PLAIN_MAX bytes. False: it is not plain. */
bool plain_pack(const ProtobufCMessage *message, uint8_t *to, size_t *ret_size);

#endif /* IPC_PLAIN_H */
