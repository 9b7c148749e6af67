/* SPDX-License-Identifier: MIT */
/*
 * What a call of ours came to: from the event that ends it to the message, or
 * the error, that the user gets. Called by client.c and async.c.
 */
#ifndef IPC_REPLY_H
#define IPC_REPLY_H

#include "errors.h"
#include "thread.h"

/*
 * Takes everything that the event brought, and its buffer: 0 and, if ret_reply, the reply in
 * *ret_reply, to be freed with ipc_rpc_free(); or what went wrong, in error too.
 */
int reply_receive(struct thread *t, const struct ipc_method *method,
		  struct device_event *event, ProtobufCMessage **ret_reply,
		  struct ipc_error *error);

/* Frees a reply, unless ipc_rpc_keep() was called for it. NULL is allowed. */
void reply_release(ProtobufCMessage *message);

#endif /* IPC_REPLY_H */
