/* SPDX-License-Identifier: MIT */
/*
 * A request on its way out: its target, how long it may take, for which call it is
 * made. Then it is sent, and waited for. Called by raw.c and by typed/rpc.c, which fill
 * in the message, and by async.c.
 */
#ifndef IPC_REQUEST_H
#define IPC_REQUEST_H

#include "thread.h"

struct request {
	struct thread *t;
	struct ipcbus_exchange x;	/* send: the request. event: how it ended */
};

/*
 * Sets all but the message; the thread's scratch is free then. kind: CALL or ONEWAY.
 * timeout_usec: what the method says, 0: nothing; options may be NULL. -EINVAL: options
 * that are none; -ECHILD, -ENOMEM. Nothing is held.
 */
int request_init(struct request *request, uint32_t kind, struct ipc_proxy *proxy, uint32_t code,
		 uint64_t timeout_usec, const struct ipc_options *options);

/* Sends a call and waits for its end; parent may be NULL. On failure nothing was sent, and
 * it may be sent again. */
int request_call(struct request *request, struct ipc_call *parent);
/* Sends a oneway. */
int request_oneway(struct request *request);

#endif /* IPC_REQUEST_H */
