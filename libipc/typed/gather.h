/* SPDX-License-Identifier: MIT */
/*
 * Messages that are sent from several places. A field of type bytes that is large is not
 * copied into the packed message. The driver copies it from where the program has it, into the
 * place that it has among the packed bytes. The receiver cannot see the difference.
 */
#ifndef IPC_GATHER_H
#define IPC_GATHER_H

#include "core/thread.h"
#include "typed.h"

/*
 * Bytes of a field that is not copied. A part of its own costs the driver and the library some
 * 530 instructions, as much as copying 6 KB.
 */
#define GATHER_MIN		((size_t)8 << 10)
/* The same in the reply of a handler that is running: such a reply cannot wait for the thread's
 * next exchange, and costs one of its own. */
#define GATHER_REPLY_MIN	((size_t)16 << 10)

/* So many fields of a message are not copied; others are. */
#define GATHER_FIELDS		16
/* One for each of them, and what lies before and behind. */
#define GATHER_PARTS		(2 * GATHER_FIELDS + 1)

/*
 * Packs a message, of size bytes when packed, if most of them are in fields of type bytes that
 * have at least min bytes. Other fields go into the thread's scratch buffer, as with
 * message_pack(). parts has GATHER_PARTS elements. Returns:
 *
 *   1        *send refers to parts, which refer to the scratch buffer and to the fields
 *   0        they are not: *send was not changed
 *   -ENOMEM
 */
int message_gather(struct thread *t, const ProtobufCMessage *message, size_t size, size_t min,
		   struct ipcbus_iovec *parts, struct ipcbus_send *send);

#endif /* IPC_GATHER_H */
