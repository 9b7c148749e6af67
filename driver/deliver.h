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
 * A thread that takes a oneway, and asked for more, also takes the oneways that wait behind it for
 * the same node, under the same lock. They are delivered in order, after the first event is
 * written. No other thread could take them now, because a node serves one oneway at a time. The
 * node is busy until all their buffers are released. These do not follow:
 *
 *   - anything, while other work waits for a thread of the proc: it has its turn first (work.h);
 *   - a oneway that a newer one may replace: it may be replaced until a thread takes it;
 *   - calls, ends of async calls, and notifications: another thread could take them, and a handler
 *     of this thread may wait for them.
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
