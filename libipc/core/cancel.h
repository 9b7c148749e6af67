/* SPDX-License-Identifier: MIT */
/*
 * Cancellation: calls and streams that this process makes end with the call that it serves, with a
 * stream, or with a cancellation of the program. Each of these owners has a list of dependents.
 *
 * A call is in a list from before it is sent until it ends, with the id that the driver finds it
 * by. The thread that sent the call looks at the list once more, because a cancel in between did
 * not find the call. A stream is in a list from its opening until it is closed. Dependents leave
 * by themselves. When the owner is freed, its list is emptied, and the dependents go on.
 */
#ifndef IPC_CANCEL_H
#define IPC_CANCEL_H

#include "conn/private.h"

/* A call or a stream in a list. All of it is under ipc->lock. */
struct dependent {
	LIST_ENTRY(dependent) link;
	struct dependents *list;	/* it is in this list; or NULL */
	uint64_t id;			/* of a call, for the driver's cancel */
	struct ipc_stream *stream;	/* NULL: a call */
	/* Cancels the stream, without locks, and drops a reference of a user. */
	void (*cancel)(struct ipc_stream *stream);
};

/* Under ipc->lock. */
struct dependents {
	bool canceled;			/* for good */
	LIST_HEAD(, dependent) list;
};

struct ipc_cancellation {
	atomic_uint refs;
	struct ipc *ipc;		/* held */
	struct dependents dependents;
};

/* The places of a call or a stream in the lists of its owners. */
struct dependence {
	struct dependent of_parent;
	struct dependent of_cancellation;
};

/*
 * Adds a call that is about to be sent, or a stream that was opened, to the lists of the owners
 * that the options name. Without a parent, serving is the parent, which may be NULL, a oneway, or
 * a call that has its reply. The caller must call
 * dependence_end_locked() also after a failure:
 *
 *   -ECANCELED   an owner is canceled: the caller no longer waits for the parent, for example
 *   -ECONNRESET  the bus has ended
 *   -EINVAL      the parent of the options has a reply, or is a oneway. Only its list was left
 *                out, so that a stream can go on.
 */
int dependence_begin(struct ipc *ipc, const struct ipc_options *options, struct ipc_call *serving,
		     struct dependence *dependence);
/* Must be checked once the call was sent, which must be canceled then: an owner was canceled. */
bool dependence_is_canceled_locked(const struct dependence *dependence);
void dependence_end_locked(struct dependence *dependence);

/* Cancels all dependents, now and for good. Sends cancels to the other sides of streams. Does not
 * wait. */
void dependents_cancel(struct ipc *ipc, struct dependents *list);
/* The same; may release the lock meanwhile. */
void dependents_cancel_locked(struct ipc *ipc, struct dependents *list);
/* Adds a dependent. -ECANCELED: its owner is canceled. */
int dependents_add(struct ipc *ipc, struct dependents *list, struct dependent *dependent);
void dependents_add_locked(struct dependents *list, struct dependent *dependent);
/* The owner of the list goes. */
void dependents_release(struct ipc *ipc, struct dependents *list);
void dependents_release_locked(struct dependents *list);

/* --- Served calls: watched.c ------------------------------------------------------------- */

/* A CANCELED event came: the caller no longer waits for the call with this number. */
void call_canceled(struct ipc *ipc, uint64_t number);
/* The same for all calls: the bus has ended. Or only for those whose deadline has passed. */
void calls_canceled(struct ipc *ipc, bool late);

#endif /* IPC_CANCEL_H */
