/* SPDX-License-Identifier: MIT */
/*
 * Packs messages to send. A large field of type bytes may stay where the program has it: the
 * driver copies it from there into its place among the packed bytes. The receiver cannot see the
 * difference.
 */
#ifndef IPC_GATHER_H
#define IPC_GATHER_H

#include <protobuf-c/protobuf-c.h>

#include "core/thread.h"
#include "encode.h"

/*
 * Bytes of a field that is not copied. A part of its own costs the driver and the library some
 * 530 instructions, as much as copying 6 KB.
 */
#define GATHER_MIN		((size_t)8 << 10)
/* The same in the reply of a handler that is running: such a reply cannot wait for the thread's
 * next exchange, and costs one of its own. */
#define GATHER_REPLY_MIN	((size_t)16 << 10)
/* Copies all fields. */
#define GATHER_NOTHING		SIZE_MAX

/* A part for each large field, and for the bytes before and behind. */
#define GATHER_PARTS		(2 * ENCODE_LARGE + 1)

/*
 * Packs a message without objects and blobs, and makes it the content of *send. If most of it is
 * in fields of type bytes that have at least min bytes, *send refers to parts, which has
 * GATHER_PARTS elements, and has IPCBUS_SEND_IOV set; parts refer to the fields. Everything else
 * goes into the thread's scratch buffer, which must not hold a stashed reply.
 *
 *   -EINVAL  a string is not UTF-8, or messages nest too deep
 *   -ENOMEM
 */
int message_pack(struct thread *t, const ProtobufCMessage *message, size_t min,
		 struct ipcbus_iovec *parts, struct ipcbus_send *send);

#endif /* IPC_GATHER_H */
