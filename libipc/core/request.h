/* SPDX-License-Identifier: MIT */
/*
 * Requests: target, timeout and parent; sending them and waiting for the reply. raw.c and
 * typed/rpc.c handle the messages.
 */
#ifndef IPC_REQUEST_H
#define IPC_REQUEST_H

#include "conn/thread.h"
#include "reply.h"

struct request {
	struct thread *t;
	struct ipc_proxy *proxy;
	struct channel *channel;	/* that may carry the message, or NULL */
	struct ipcbus_exchange x;	/* send: the request. event: the end of the call */
};

/* Kind of a request for request_async(). */
#define REQUEST_ASYNC (1U << 31)

/*
 * Sets all but the message, and makes the thread's scratch buffer free for it. kind is CALL,
 * ONEWAY or REQUEST_ASYNC. timeout_usec is the method's, or 0. options may be NULL. The request
 * needs no cleanup.
 *
 *   -EINVAL  the options are not valid, or the connection of the proxy is closed
 *   -ECHILD  this is a forked child
 *   -ENOMEM
 */
int request_init(struct request *request, uint32_t kind, struct ipc_proxy *proxy, uint32_t code,
		 uint64_t timeout_usec, const struct ipc_options *options);

/* Sends a call and blocks until its end, which is in request->x.event. Serves other requests
 * meanwhile. options are those of request_init(). On failure the call was not sent, except with
 * -ECONNRESET: if the bus ended meanwhile, the call may have been served. */
int request_call(struct request *request, const struct ipc_options *options);
/* The origin of an error that request_call() returned. */
static inline enum ipc_origin request_origin(const struct request *request, int error)
{
	return request->x.event.stage || error == -ECONNRESET ? IPC_ORIGIN_BUS : IPC_ORIGIN_HERE;
}

/* Must be called when a signal handler has run on a waiting thread. Returns 0, or the -errno with
 * which the wait must end. */
int request_interrupted(struct ipc *ipc);

/* Sends a oneway. With a deadline, tries again until the receiver has space for it. */
int request_oneway(struct request *request);

#endif /* IPC_REQUEST_H */
