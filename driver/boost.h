/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boost
 *
 * A thread that serves a message inherits the message's priority (priority.h):
 *
 *   - It runs by the innermost call that it serves and whose caller still waits.
 *   - If there is none, it runs by the node's priority of the oneway that it serves.
 *   - Otherwise it runs by its own priority.
 *
 * Delivery marks a thread that runs by another priority than its message's. On its way
 * out of the driver, or into sleep, the marked thread updates its boost. So nothing is
 * paid where all priorities are equal.
 *
 * When a call ends without its server's doing, whoever ends it updates the server's
 * boost.
 */
#ifndef IPCBUS_BOOST_H
#define IPCBUS_BOOST_H

#include "main.h"

/* Gives the thread the priority that it should have now. Any thread may call it,
 * without a lock. May sleep. */
void ipcbus_boost_update(struct ipcbus_thread *thread);

/* The current thread goes to sleep: it has finished the oneway that it served. */
void ipcbus_boost_sleep(struct ipcbus_thread *thread);
/* The current thread returns to user space with an event of that kind, from an
 * exchange with those flags. It has finished a oneway if it waited for something else. */
void ipcbus_boost_leave(struct ipcbus_thread *thread, u32 flags, u32 kind);

/* Nobody waits for t any more: ends the boost of its server, if there is one. */
void ipcbus_boost_end(struct ipcbus_transaction *t);

#endif
