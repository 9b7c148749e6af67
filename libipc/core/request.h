/* SPDX-License-Identifier: MIT */
/*
 * Requests: target, timeout and parent; sending them and waiting for the reply. Replies and
 * errors: from the event that ends the call to the program's result. raw.c and typed/rpc.c handle
 * the messages.
 */
#ifndef IPC_REQUEST_H
#define IPC_REQUEST_H

#include "errors.h"
#include "payload.h"
#include "conn/thread.h"

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

/* --- Replies and errors -------------------------------------------------------------- */

/* A reply in the program's hands: the first member of raw and typed replies. */
struct reply {
	size_t size;			/* bytes of memory, this included */
	bool kept;			/* by the callback of an async call */
	bool borrowed;			/* its buffer counts in ipc->borrowed */
	bool has_own;			/* its buffer holds references of own objects */
	struct ipc *ipc;		/* a reference, if the reply holds a buffer; or NULL */
	uint64_t buffer;
	size_t buffer_size;
	struct mapping file;		/* the payload, if it came as a file */
};

static inline void borrow_end(struct ipc *ipc, size_t size)
{
	atomic_fetch_sub_explicit(&ipc->borrowed, size, memory_order_relaxed);
}

/* Allocates a reply of at least size bytes. Returns NULL if out of memory. */
struct reply *reply_alloc(struct thread *t, size_t size);
/* Moves the event's buffer or the file, into which the reply points, to the reply. borrowed: the
 * size of the buffer counts in ipc->borrowed already. */
void reply_hold(struct reply *reply, struct ipc *ipc, struct ipcbus_event *event, bool borrowed,
		const struct mapping *file);
void reply_free(struct reply *reply);
/* Releases the buffer of an event that ended a call, unless a reply holds it. */
void reply_release_objects(struct thread *t, const struct ipcbus_event *event);
static inline void reply_release(struct thread *t, const struct ipcbus_event *event)
{
	if (unlikely(event->object_count && event->buffer))
		reply_release_objects(t, event);
	else
		thread_release_later(t, event->buffer, event->data_size);
}

/*
 * Handles the end of a call by ERROR or FAILED: releases the objects of the event but not the
 * buffer, sets *error, and returns the code. deadline is the call's, or that of the call that it
 * is nested in, or 0.
 */
int reply_failed(struct thread *t, const struct ipcbus_event *event, uint64_t deadline,
		 struct ipc_error *error);

#endif /* IPC_REQUEST_H */
