/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cancel
 *
 * A call can end before its server replies:
 *
 *   - a thread of the caller cancels it by its cookie (IPCBUS_IOC_CANCEL)
 *   - its deadline passes
 *   - the caller exits or dies (exit.c)
 *
 * First the caller's side ends (reply.h). Then ipcbus_cancel_server() ends the server's
 * side: it takes back a request that nobody has taken. If the server has it, the
 * server is notified by EVENT_CANCELED, and calls that the server waits for on its
 * behalf are cancelled too.
 *
 * A thread that waits for its call watches the deadline itself (wait.c). Where no thread
 * sleeps on a call, a timer ends it: that of an async call, and of a call whose thread is in
 * poll.
 *
 * The driver's deadlines are times of the kernel's own clock. A process in a time namespace
 * reads another one.
 */
#ifndef IPCBUS_CANCEL_H
#define IPCBUS_CANCEL_H

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include "main.h"
#include "node.h"
#include "proc.h"
#include "transaction.h"
#include "work.h"

/* IPCBUS_IOC_CANCEL: struct ipcbus_cancel. */
int ipcbus_cancel(struct ipcbus_proc *proc, void *data);

/* Ends the server's side of t, which is not PENDING any more. The caller holds a
 * reference. May sleep. */
void ipcbus_cancel_server(struct ipcbus_transaction *t);

/* Notifies the server of an open call (node->proc->lock). */
void ipcbus_cancel_notify_locked(struct ipcbus_transaction *t);
/* Withdraws the notification of a call that is not open any more (node->proc->lock). True: the
 * caller puts its reference. */
static inline bool ipcbus_cancel_withdraw_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->node->proc->lock);
	return unlikely(t->canceled) && ipcbus_work_unqueue_locked(&t->canceled_work);
}

/* --- Deadlines -------------------------------------------------------------- */

int ipcbus_expiry_init(void);
void ipcbus_expiry_done(void);

/* Makes a deadline of the current task, which is not 0, the driver's, and says what that of t,
 * which has one, is for the current task. What is before the clock's beginning becomes 1. */
void ipcbus_deadline_from_user(u64 *deadline);
u64 ipcbus_deadline_to_user(const struct ipcbus_transaction *t);

void ipcbus_expiry_begin(struct ipcbus_proc *proc);
/* The proc is dead. Sleeps. */
void ipcbus_expiry_end(struct ipcbus_proc *proc);

/* Lets t fail when its deadline passes, unless it ends before (caller->lock): no
 * earlier, and at most two ticks later. */
void ipcbus_expiry_add_locked(struct ipcbus_transaction *t);
void ipcbus_expiry_remove_locked(struct ipcbus_transaction *t);

/* Until deadline, in nanoseconds of CLOCK_MONOTONIC, and one more, for nobody may
 * give up too early; 0 when it has passed. At most MAX_JIFFY_OFFSET. */
static inline unsigned long ipcbus_ticks_until(u64 deadline)
{
	u64 now = ktime_get_ns();

	if (now >= deadline)
		return 0;
	return min_t(u64, nsecs_to_jiffies64(deadline - now) + 1, MAX_JIFFY_OFFSET);
}

#endif
