/* SPDX-License-Identifier: MIT */
/*
 * Packs messages to send. A large field of type bytes may stay in the program's memory: the driver
 * copies it from there into its place among the packed bytes. Objects go into the object table,
 * metadata into a frame (core/frame.h).
 */
#ifndef IPC_PACK_H
#define IPC_PACK_H

#include <protobuf-c/protobuf-c.h>

#include "conn/thread.h"
#include "message.h"
#include "table.h"
#include "typed.h"

/*
 * Minimum size of a field that is not copied. A separate part costs the driver and the library some
 * 530 instructions, as much as copying 6 KB.
 */
#define GATHER_MIN		((size_t)8 << 10)
/* The same in the reply of a handler that is running: such a reply must be sent at once, by a
 * separate exchange. */
#define GATHER_REPLY_MIN	((size_t)16 << 10)

/* A part for each large field, and for the bytes before and behind it. */
#define GATHER_PARTS		(2 * ENCODE_LARGE + 1)

/* A packed message, except for the bytes in the thread's scratch buffer. */
struct packed {
	struct table table;
	struct ipcbus_iovec parts[GATHER_PARTS];
};

/*
 * Packs a message and makes it the content of *send. flags describe its type:
 * IPC_METHOD_REQUEST_OBJECTS and _BYTES. If most of the message is in fields of type bytes that
 * have at least min bytes, these are not copied. *send refers to *packed, to the thread's scratch
 * buffer, which must not hold a stashed reply, and to the caller's large fields. If the message is
 * not sent, the caller must call table_unsent(). On failure there is nothing to undo:
 *
 *   -EBADF     a field has a negative fd, or an object of another connection
 *   -EINVAL    a string is not UTF-8, or messages nest too deep
 *   -E2BIG     there are too many objects
 *   -EMSGSIZE  with metadata (NULL: none): this exceeds METADATA_MAX, or the message 4 GiB
 *   -ENOMEM
 */
int message_pack(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		 uint32_t flags, const char *const *metadata, size_t min,
		 struct ipcbus_send *send);

/* Sets *error to r, the error of a request that could not be sent, and returns r. If a string is
 * not UTF-8, the error's message names the field. */
int request_unsent(struct ipc_error *error, int r, const struct ipc_method *method,
		   const ProtobufCMessage *request);

/* For functions without an error: logs the field, and returns r. name is that of the method. */
int message_unsent(int r, const char *name, const ProtobufCMessage *message);

#endif /* IPC_PACK_H */
