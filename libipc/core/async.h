/* SPDX-License-Identifier: MIT */
/*
 * Async calls of this process. raw.c and typed/rpc.c send them. The event that ends one
 * arrives at any serving thread.
 */
#ifndef IPC_ASYNC_H
#define IPC_ASYNC_H

#include "call.h"
#include "request.h"

/* The slot of a call, if the program has a handle. */
struct async_slot {
	struct ipc_slot base;
	struct slot_frame frame;	/* while the program is called back */
	uint64_t id;
};

struct channel;

struct async {
	/*
	 * Called when the call ended with a REPLY, ERROR or FAILED. Takes all that came with
	 * the event (request.h) and calls the program back. If the connection is closed, t is NULL
	 * and the event FAILED.
	 */
	void (*end)(struct thread *t, const struct async *async, struct ipcbus_event *event);
	const struct ipc_method *method; /* typed/: NULL for raw calls */
	/* Both are NULL if the program ended the slot, and is not called back. */
	void (*complete)(void);		/* typed/: of generated code; knows the type of cb */
	void (*cb)(void);		/* of the program */
	void *userdata;
	uint64_t *ret_id;		/* gets the id of the call, under ipc->lock; or NULL */
	struct async_slot *slot;	/* or NULL */
	uint64_t deadline;		/* 0: none */
	atomic_bool ready;		/* the sending thread does not use it any more */
	struct ipc_proxy *proxy;	/* a reference, if its channel carries the call; or NULL */
	struct channel *channel;	/* that channel, which is valid as long as the proxy, */
	unsigned int cell;		/* and its cell */
	uint64_t id;
	struct dependence dependence;
};

/*
 * Sends a call whose end is handled by a copy of the model. The call is made for
 * options->parent, or if that is NULL for the call that this thread serves, if any. options may
 * be NULL. *ret_slot is set before the call can end. On failure the call was not sent, and the
 * caller may send it again.
 */
int request_async(struct request *request, const struct async *model,
		  const struct ipc_options *options, struct ipc_slot **ret_slot);

/* The call goes through the bus, and not through a channel any more. Returns the proxy with a
 * reference, or NULL if the call has ended. */
struct ipc_proxy *async_use_bus(struct ipc *ipc, uint64_t id);
/* The driver knows the call now: cancels it if its slot was ended, or an owner canceled, before. */
void async_sent(struct ipc *ipc, uint64_t id);

/* Whether the end of the call calls this function back. */
bool async_calls_back(struct ipc *ipc, uint64_t id, void (*cb)(void));
/* Handles a REPLY, ERROR or FAILED that does not end a call that this thread waits for. */
void async_end(struct thread *t, const struct ipcbus_event *event);
/* Ends all async calls with the error. t is NULL if the connection is closed. A forked child calls
 * no completions, because the calls are the parent's. */
void asyncs_end(struct ipc *ipc, struct thread *t, int error);

#endif /* IPC_ASYNC_H */
