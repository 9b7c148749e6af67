/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delivery
 *
 * A thread takes a call or oneway off a queue, installs its objects, and gets the event. If a step
 * fails, the message is refused: a call fails for its sender, a oneway is discarded and counted as
 * lost.
 */
#ifndef IPCBUS_DELIVER_H
#define IPCBUS_DELIVER_H

#include "main.h"
#include "transaction.h"

/* The kind of work that calls and oneways are. */
extern const struct ipcbus_work_ops ipcbus_transaction_ops;

/* Returns the transaction that contains the work, or NULL if the work is of another kind. */
static inline struct ipcbus_transaction *ipcbus_transaction_of(struct ipcbus_work *work)
{
	if (work->ops != &ipcbus_transaction_ops)
		return NULL;
	return container_of(work, struct ipcbus_transaction, work);
}

/* The thread has taken work off a queue (proc->lock). If it is a call, the thread is in it now. */
void ipcbus_deliver_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread);

/* Counts a message that waited for a thread in the proc's queue for too long (proc->lock). */
void ipcbus_deliver_count_starved(struct ipcbus_work *work);

/* --- Oneways that follow ---------------------------------------------------- */

/*
 * If a thread takes a oneway with IPCBUS_MORE, it also takes the oneways that are queued behind it
 * for the same node, under the same lock. They are delivered in order, after the first event is
 * written. No other thread could take them now, because a node serves one oneway at a time. The
 * node is busy until all their buffers are released. The thread takes no further work in these
 * cases:
 *
 *   - Other work waits for a thread of the proc. It has its turn first (work.h).
 *   - The next oneway may be replaced by a newer oneway. It must stay replaceable until its turn.
 *   - Calls, ends of async calls, and notifications never follow. Another thread could take them,
 *     and a handler of this thread may wait for them.
 */

/* The thread has taken work: takes the oneways that may follow it (proc->lock). */
void ipcbus_more_take_locked(struct ipcbus_more *more, struct ipcbus_work *work,
			     struct ipcbus_thread *thread);

/* Fills in the event of the first oneway that can be delivered; returns false if there is none. */
bool ipcbus_more_pop(struct ipcbus_more *more, struct ipcbus_thread *thread,
		     struct ipcbus_event *event);

/* Delivers the taken oneways, and writes their events and their number. If an event cannot be
 * written, its oneway is lost and the later ones are put back. */
void ipcbus_more_write(struct ipcbus_more *more, struct ipcbus_thread *thread, u32 __user *count);

/* Puts back oneways that were taken and not delivered. */
void ipcbus_more_put_back(struct ipcbus_more *more);

#endif
