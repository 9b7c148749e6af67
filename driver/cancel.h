/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cancel
 *
 * A call can end before its server replies:
 *
 *   - a thread of the caller cancels it by its cookie (IPCBUS_IOC_CANCEL)
 *   - its deadline passes
 *   - the caller exits (pool.c) or dies (exit.c)
 *
 * The caller's side ends first (result.h). Then ipcbus_cancel_server() ends the server's side: if
 * no thread has taken the request, it is taken back. If the server has taken it, the server gets
 * EVENT_CANCELED, and calls that the server waits for on its behalf are canceled too.
 *
 * A thread that waits for its call watches the deadline itself (wait.c). If no thread sleeps on a
 * call, a timer ends it. This applies to async calls, and to a call whose thread is in poll.
 *
 * The driver's deadlines are times of the kernel's own CLOCK_MONOTONIC. A process in a time
 * namespace has a different offset.
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

/* Abandons the async calls of a dead proc, which must have no threads. */
void ipcbus_asyncs_release(struct ipcbus_proc *proc);

/* Ends the server's side of t, which must not be PENDING. The caller holds a reference. May
 * sleep. */
void ipcbus_cancel_server(struct ipcbus_transaction *t);

/* Notifies the server of an open call that it was canceled (node->proc->lock). */
void ipcbus_cancel_notify_locked(struct ipcbus_transaction *t);
/* Withdraws the notification of a call that is no longer open (node->proc->lock). If it returns
 * true, the caller must put a reference. */
static inline bool ipcbus_cancel_withdraw_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->node->proc->lock);
	return unlikely(t->canceled) && ipcbus_work_unqueue_locked(&t->canceled_work);
}

/* --- Deadlines -------------------------------------------------------------- */

int ipcbus_expiry_init(void);
void ipcbus_expiry_done(void);

/* Convert a deadline, which must not be 0, between the current task's clock and the kernel's clock.
 * A time before the start of the clock becomes 1. */
void ipcbus_deadline_from_user(u64 *deadline);
u64 ipcbus_deadline_to_user(const struct ipcbus_transaction *t);

void ipcbus_expiry_begin(struct ipcbus_proc *proc);
/* Stops the timer of a dead proc. Sleeps. */
void ipcbus_expiry_end(struct ipcbus_proc *proc);

/* Makes t fail at its deadline, never early, at most two ticks late (caller->lock). */
void ipcbus_expiry_add_locked(struct ipcbus_transaction *t);

/* Returns the ticks until deadline (nanoseconds of CLOCK_MONOTONIC), rounded up by one tick so that
 * no call ends early; 0 if it has passed. At most MAX_JIFFY_OFFSET. */
static inline unsigned long ipcbus_ticks_until(u64 deadline)
{
	u64 now = ktime_get_ns();

	if (now >= deadline)
		return 0;
	return min_t(u64, nsecs_to_jiffies64(deadline - now) + 1, MAX_JIFFY_OFFSET);
}

#endif
