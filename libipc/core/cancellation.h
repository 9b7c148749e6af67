/* SPDX-License-Identifier: MIT */
/*
 * Cancellations: what ends calls that this process makes, for request.c and async.c.
 *
 * A call with a cancellation is in its list from before it is sent until it ends, with the id
 * that the driver finds it by. Whoever sends it looks once more afterwards, because a
 * cancellation that was canceled in between did not find it.
 */
#ifndef IPC_CANCELLATION_H
#define IPC_CANCELLATION_H

#include "call.h"

struct ipc_cancellation {
	atomic_uint refs;
	struct ipc *ipc;		/* held */
	/* Under ipc->lock. */
	bool canceled;
	struct call_child *calls;
};

/* Adds a call that is about to be sent. -ECANCELED: it may not be. */
int cancellation_add(struct ipc_cancellation *cancellation, struct call_child *call);
/* It was sent: ends it if the cancellation was canceled meanwhile. */
void cancellation_sent(struct ipc_cancellation *cancellation, uint64_t id);

#endif /* IPC_CANCELLATION_H */
