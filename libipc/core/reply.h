/* SPDX-License-Identifier: MIT */
/*
 * What a call of ours came to: from the event that ends it to the reply, or the error,
 * that the program gets. raw.c and typed/reply.c make their messages of it.
 */
#ifndef IPC_REPLY_H
#define IPC_REPLY_H

#include "errors.h"
#include "thread.h"

/* A reply that the program has: the first member of both kinds. */
struct reply {
	size_t size;			/* bytes of memory, this included */
	bool kept;			/* by the callback of an async call */
	struct ipc *ipc;		/* held with the buffer; NULL: neither is */
	uint64_t buffer;
	size_t buffer_size;
};

/* Memory of at least so many bytes, of which this fills in the first. NULL: none. */
struct reply *reply_alloc(struct thread *t, size_t size);
/* The reply lies in the event's buffer: the two stay together. */
void reply_hold(struct reply *reply, struct ipc *ipc, struct ipcbus_event *event);
void reply_free(struct reply *reply);

/*
 * A call ended with an ERROR or FAILED: releases what came with it but for the buffer, and
 * says what went wrong, in error too.
 */
int reply_failed(struct thread *t, const struct ipcbus_event *event, struct ipc_error *error);

#endif /* IPC_REPLY_H */
