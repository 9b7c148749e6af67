/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delivery
 *
 * A thread takes a call or oneway off a queue, installs its objects, and gets the
 * event. If anything fails, the message is refused: its sender gets the failure of a
 * call, and a oneway is lost and counted.
 */
#ifndef IPCBUS_DELIVER_H
#define IPCBUS_DELIVER_H

#include "main.h"

/* Work was taken off a queue for thread (proc->lock). If it is a call, the thread is
 * in it from here on. */
void ipcbus_deliver_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread);

/* Counts a message that waited long in the proc's queue until a thread took it (proc->lock). */
void ipcbus_deliver_count_starved(struct ipcbus_work *work);

/* --- Oneways that follow ---------------------------------------------------- */

/*
 * A thread that takes a oneway, and asked for more, also takes those that wait behind it for the
 * same node. All are taken in one look: so nothing else that is done to the node comes between
 * two of them. They are delivered after the first event was written, in their order.
 *
 * Only these follow, because no other thread could take them now: of a node one is served at a
 * time. A handler that is slow or sleeps holds back what it holds back anyway. The node is busy
 * until the buffers of all are released, so its order is that of one thread. What does not follow:
 *
 *   - anything while other work waits for a thread of the proc: what waits has its turn first, by
 *     its rank (work.h). What comes later waits for one thread that serves what it has, or for
 *     another one;
 *   - a oneway that a newer one may replace, for it is replaced as long as nobody took it;
 *   - a call: another thread could take it, and a thread inherits deadline and priority of one;
 *   - the end of an async call, or a notification: another thread could take it, while this one
 *     waits in a handler for just that.
 */

/* thread has taken work: takes what may follow it (proc->lock). */
void ipcbus_more_take_locked(struct ipcbus_more *more, struct ipcbus_work *work,
			     struct ipcbus_thread *thread);

/* Fills in the event of the first that can be delivered; false: there is none. */
bool ipcbus_more_pop(struct ipcbus_more *more, struct ipcbus_thread *thread,
		     struct ipcbus_event *event);

/* Delivers and writes one after the other, and their number. One that cannot be written is lost;
 * those behind it are put back. */
void ipcbus_more_write(struct ipcbus_more *more, struct ipcbus_thread *thread, u32 __user *count);

/* Those that are not delivered are not taken after all. */
void ipcbus_more_put_back(struct ipcbus_more *more);

#endif
