/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boost
 *
 * A thread that serves a message inherits the message's priority (priority.h):
 *
 *   - It runs by the innermost call that it serves and whose caller still waits.
 *   - If there is none, it runs by the node's priority of the oneway that it serves.
 *   - If a call with a better priority than that waits until the thread has time for it,
 *     the thread runs by that one.
 *   - Otherwise it runs by its own priority.
 *
 * A boost belongs to one call. What a boosted thread calls inherits from that call, its
 * root, not from the thread: when the root ends, each of its heirs has the priority again
 * that its sender owned. No permission is granted by a boost.
 *
 * Delivery marks a thread that runs by another priority than its message's. On its way
 * out of the driver, or into sleep, the marked thread updates its boost. So nothing is
 * paid where all priorities are equal.
 *
 * When a call ends without its server's doing, whoever ends it updates the server's
 * boost. With a realtime boost a server can keep the caller from running to end it. So a
 * thread of the driver's, whose priority is better than any boost, looks for deadlines and
 * dying callers (expiry.c).
 */
#ifndef IPCBUS_BOOST_H
#define IPCBUS_BOOST_H

#include "main.h"

int ipcbus_boost_init(void);
void ipcbus_boost_done(void);

/* Gives the thread the priority that it should have now. Any thread may call it,
 * without a lock. May sleep. */
void ipcbus_boost_update(struct ipcbus_thread *thread);

/* The current thread goes to sleep: it has finished the oneway that it served. */
void ipcbus_boost_sleep(struct ipcbus_thread *thread);
/* The current thread returns to user space with an event of that kind, from an
 * exchange with those flags. It has finished a oneway if it waited for something else. */
void ipcbus_boost_leave(struct ipcbus_thread *thread, u32 flags, u32 kind);

/* A boosted thread sends t, which is not queued yet: t gets the thread's own priority, and a call
 * the boost, too, for as long as that lasts. */
void ipcbus_boost_pass(struct ipcbus_thread *thread, struct ipcbus_transaction *t);
/* A call of that priority was queued, because all threads are busy: returns the thread whose
 * boost is to be updated afterwards, counted, or NULL (proc->lock). */
struct ipcbus_thread *ipcbus_boost_of_taker_locked(struct ipcbus_proc *proc, int prio);
/* thread takes what waited for other: on its way out it updates the boost of that
 * (proc->lock). */
void ipcbus_boost_relieve_locked(struct ipcbus_thread *thread, struct ipcbus_thread *other);

/* Nobody waits for t any more: ends the boost of its server, if there is one, and of all
 * to which it was passed on. */
void ipcbus_boost_end(struct ipcbus_transaction *t);

/* A call whose time is over, or whose sender is dying, while the task is boosted by it and
 * may keep others from seeing to that; counted. NULL: there is none. Looks again later. */
struct ipcbus_transaction *ipcbus_boost_overdue(struct ipcbus_boost *boost);

#endif
