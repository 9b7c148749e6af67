/* SPDX-License-Identifier: MIT */
/*
 * Calls and streams of this process that end together: those with one cancellation, and those
 * that were made for one stream. For request.c, async.c, cancellation.c and stream-call.c.
 *
 * A call is in a list from before it is sent until it ends, with the id that the driver finds
 * it by. Whoever sends it looks once more afterwards, because a cancel in between did not find
 * it. A stream is in a list from its opening until it is closed. Each leaves by itself; a list
 * whose owner goes is emptied, and what was in it goes on.
 */
#ifndef IPC_DEPENDENTS_H
#define IPC_DEPENDENTS_H

#include "call.h"

/* Under ipc->lock. */
struct dependents {
	bool canceled;			/* for good */
	struct call_child *calls;
	struct call_child *streams;	/* each is a struct dependent_stream */
};

/* A stream in a list, or in none. */
struct dependent_stream {
	struct call_child child;
	struct ipc_stream *stream;
};

/* Add what is about to be sent, and a stream that was opened. -ECANCELED: it may not be. */
int dependents_add_call(struct ipc *ipc, struct dependents *list, struct call_child *call);
int dependents_add_stream(struct ipc *ipc, struct dependents *list,
			  struct dependent_stream *dependent);
/* A call was sent: ends it if the list was canceled meanwhile. */
void dependents_sent(struct ipc *ipc, struct dependents *list, uint64_t id);

/* Cancels all, now and for good. Sends cancels to the other ends of streams. Does not wait. */
void dependents_cancel(struct ipc *ipc, struct dependents *list);
bool dependents_canceled(struct ipc *ipc, const struct dependents *list);
/* The owner of the list goes. */
void dependents_release(struct ipc *ipc, struct dependents *list);

#endif /* IPC_DEPENDENTS_H */
