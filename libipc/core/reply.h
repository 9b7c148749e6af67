/* SPDX-License-Identifier: MIT */
/* Replies and errors: from the event that ends a call to the program's result. */
#ifndef IPC_REPLY_H
#define IPC_REPLY_H

#include "conn/thread.h"
#include "errors.h"
#include "payload.h"

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

#endif /* IPC_REPLY_H */
