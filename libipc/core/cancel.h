/* SPDX-License-Identifier: MIT */
/*
 * Cancellation: calls and streams that this process makes end with the call that it serves, with a
 * stream, or with a cancellation of the program. Each of these owners has one list of dependents.
 *
 * A call is in a list from before it is sent until it ends, with the id that the driver finds it
 * by. The thread that sent the call looks at the list once more, because a cancel in between did
 * not find the call. A stream is in a list from its opening until it is closed. Dependents leave
 * by themselves. A list whose owner goes is emptied, and what was in it goes on.
 */
#ifndef IPC_CANCEL_H
#define IPC_CANCEL_H

#include "private.h"

/* A call or a stream in a list. All of it is under ipc->lock. */
struct dependent {
	struct dependent *next;
	struct dependent **link;	/* NULL: in no list (any more) */
	uint64_t id;			/* of a call, for the driver's cancel */
	struct ipc_stream *stream;	/* NULL: a call */
};

/* Under ipc->lock. */
struct dependents {
	bool canceled;			/* for good */
	struct dependent *first;
};

struct ipc_cancellation {
	atomic_uint refs;
	struct ipc *ipc;		/* held */
	struct dependents dependents;
};

/* Adds a call that is about to be sent, or a stream that was opened. -ECANCELED: the list is
 * canceled already. */
int dependents_add(struct ipc *ipc, struct dependents *list, struct dependent *dependent);
/* The call with this id was sent: cancels it if the list was canceled in the meantime. */
void dependents_sent(struct ipc *ipc, struct dependents *list, uint64_t id);
/* Takes a dependent off its list. Does nothing if it is in none. */
void dependent_remove_locked(struct dependent *dependent);

/* Cancels all dependents, now and for good. Sends cancels to the other ends of streams. Does not
 * wait. */
void dependents_cancel(struct ipc *ipc, struct dependents *list);
bool dependents_canceled(struct ipc *ipc, const struct dependents *list);
/* The owner of the list goes. */
void dependents_release(struct ipc *ipc, struct dependents *list);

/*
 * Adds a call or a stream to the list of a served call. -ECANCELED: the caller no longer waits for
 * the served call. -ECONNRESET: the bus has ended. -EINVAL: the served call has a reply, or is a
 * oneway.
 */
int call_add_dependent(struct ipc_call *parent, struct dependent *dependent);
/* Ends the watch of a served call. Its dependents go on without it. */
void call_unwatch(struct ipc_call *call);
/* Does so only if the caller has the last reference. Returns whether it has. */
bool call_unwatch_last(struct ipc_call *call);

/* A CANCELED event came: the caller no longer waits for the call with this number. */
void call_canceled(struct ipc *ipc, uint64_t number);
/* The bus has ended: the same for all calls. */
void calls_canceled(struct ipc *ipc);

#endif /* IPC_CANCEL_H */
