/* SPDX-License-Identifier: MIT */
/*
 * Calls of ours that nobody waits for: sent by raw.c and typed/rpc.c, ended by an event
 * that any serving thread takes.
 */
#ifndef IPC_ASYNC_H
#define IPC_ASYNC_H

#include "call.h"
#include "request.h"

struct async {
	struct async *next;		/* of the spare ones */
	/*
	 * The call ended with a REPLY, ERROR or FAILED: takes all that the event brought
	 * (reply.h) and calls back. Returns how it ended. t is NULL, and the event
	 * FAILED, if the connection is closed.
	 */
	int (*end)(struct thread *t, const struct async *async, struct ipcbus_event *event);
	const struct ipc_method *method; /* typed/: of which, and who knows its types */
	void (*complete)(void);
	void (*cb)(void);		/* the program's, of whatever type */
	void *userdata;
	const char *name;		/* of the method, for interceptors; or NULL */
	bool intercepted;
	struct call_child child;	/* with its id; on a list or not */
};

/*
 * Sends a call that ends as the model says. parent: it is made for that call, NULL: for
 * the one that this thread serves, if any. *ret_id is set before it can end. On failure
 * nothing was sent, and it may be sent again.
 */
int request_async(struct request *request, const struct async *model, struct ipc_call *parent,
		  uint64_t *ret_id);

/* A REPLY, ERROR or FAILED that is not of a call that this thread waits for. */
void async_end(struct thread *t, const struct ipcbus_event *event);
/* The connection is closed: ends those that are left with -ECANCELED. */
void asyncs_close(struct ipc *ipc);

#endif /* IPC_ASYNC_H */
