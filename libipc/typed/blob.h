/* SPDX-License-Identifier: MIT */
/*
 * Blobs in received messages. The bytes of a blob lie in the frame of the payload (core/frame.h),
 * or in the message itself.
 */
#ifndef IPC_BLOBS_H
#define IPC_BLOBS_H

#include "message.h"

/* Gives each blob of a received message its bytes. -EBADMSG: a blob's bytes are missing. */
int blobs_bind(struct message *message);

#endif /* IPC_BLOBS_H */
