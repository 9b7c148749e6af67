/* SPDX-License-Identifier: MIT */
/*
 * Requests: target, time limit and parent; sending them and waiting for the reply. Called by
 * raw.c and typed/rpc.c, which fill in the message, and by async.c.
 */
#ifndef IPC_REQUEST_H
#define IPC_REQUEST_H

#include "thread.h"

struct payload_file;

struct request {
	struct thread *t;
	struct ipcbus_exchange x;	/* send: the request. event: how it ended */
};

/*
 * Sets all but the message, and makes the thread's scratch buffer free for it. kind is CALL
 * or ONEWAY. timeout_usec is the method's, or 0. options may be NULL. There is nothing to
 * undo afterwards.
 *
 *   -EINVAL  the options are not valid, or the connection of the proxy is closed
 *   -ECHILD  this is a forked child
 *   -ENOMEM
 */
int request_init(struct request *request, uint32_t kind, struct ipc_proxy *proxy, uint32_t code,
		 uint64_t timeout_usec, const struct ipc_options *options);

/* Sends a call and blocks until it ends; request->x.event says how. Serves other requests
 * meanwhile. options are those of request_init(). On failure nothing was sent, and the caller
 * may send it again. */
int request_call(struct request *request, const struct ipc_options *options);
/* Returns who refused a call that request_call() could not send. */
static inline enum ipc_origin request_origin(const struct request *request)
{
	return request->x.event.stage ? IPC_ORIGIN_BUS : IPC_ORIGIN_HERE;
}

/* A signal handler has run on a thread that waits: 0, or the errno with which the wait ends. */
int request_interrupted(struct ipc *ipc);

/* Sends a oneway. With a deadline, blocks until the receiver has space for it. file may be NULL. If
 * not, and the message travels as a file, the file stays in *file, for the next try of the same
 * message. The caller must close it. */
int request_oneway(struct request *request, struct payload_file *file);

#endif /* IPC_REQUEST_H */
