/* SPDX-License-Identifier: MIT */
/*
 * Replies and errors of calls that this process made: from the event that ends the call to
 * what the program gets. raw.c and typed/rpc.c make their messages of it.
 */
#ifndef IPC_REPLY_H
#define IPC_REPLY_H

#include "errors.h"
#include "payload.h"
#include "thread.h"

/* A reply that the program has: the first member of raw and typed replies. */
struct reply {
	size_t size;			/* bytes of memory, this included */
	bool kept;			/* by the callback of an async call */
	bool borrowed;			/* its buffer counts in ipc->borrowed */
	struct ipc *ipc;		/* a reference, if the reply holds a buffer; or NULL */
	uint64_t buffer;
	size_t buffer_size;
	struct mapping file;		/* the payload, if it came as a file */
};

/* So many bytes are borrowed no longer. */
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
/* Frees the reply and releases its buffer. */
void reply_free(struct reply *reply);

/* In the flags of an event that ends a call: the call has no deadline but its own. The driver does
 * not set it. */
#define EVENT_DETACHED	(1U << 31)

/* Returns the deadline of a call that has ended by event: the earlier of its own (0: none) and that
 * of the call that this thread serves. 0: none. */
uint64_t reply_deadline(const struct thread *t, const struct ipcbus_event *event,
			uint64_t deadline);

/*
 * Handles the end of a call by ERROR or FAILED: releases what came with the event but for
 * the buffer, sets *error, and returns the code. deadline is the call's, or 0.
 */
int reply_failed(struct thread *t, const struct ipcbus_event *event, uint64_t deadline,
		 struct ipc_error *error);

#endif /* IPC_REPLY_H */
