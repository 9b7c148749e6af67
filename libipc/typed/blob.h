/* SPDX-License-Identifier: MIT */
/*
 * Blobs in received messages. The bytes of a blob lie in the frame of the payload (core/frame.h),
 * in the message itself, or in a sealed file of their own.
 */
#ifndef IPC_BLOBS_H
#define IPC_BLOBS_H

#include "memory.h"
#include "message.h"

/* Gives each blob of a received message its bytes: before claims_bind(). -EMSGSIZE: the files
 * are larger than ipc_set_message_max() allows. -EBADMSG: a blob's bytes are missing, or its file
 * has holes. */
int blobs_bind(struct ipc *ipc, struct message *message);

#endif /* IPC_BLOBS_H */
