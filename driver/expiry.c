// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlines by timer: see expiry.h. Each proc has a tree of calls by deadline and
 * one delayed work for the earliest.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>
#include <linux/workqueue.h>

#include "cancel.h"
#include "expiry.h"
#include "monitor.h"
#include "proc.h"
#include "reply.h"
#include "ticks.h"
#include "transaction.h"

static struct workqueue_struct *queue;

int ipcbus_expiry_init(void)
{
	queue = alloc_workqueue("ipcbus", WQ_UNBOUND, 0);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_expiry_done(void)
{
	destroy_workqueue(queue);
}

/* --- Time namespaces ---------------------------------------------------------- */

/* By how many nanoseconds the current task's clock is ahead of the kernel's. */
static s64 clock_ahead(void)
{
	struct timespec64 ahead = {};

	timens_add_monotonic(&ahead);
	return timespec64_to_ns(&ahead);
}

static u64 shift(u64 deadline, s64 by)
{
	if (by < 0)
		return deadline > (u64)-by ? deadline + by : 1;
	return deadline <= ~0ULL - by ? deadline + by : ~0ULL;
}

void ipcbus_deadline_from_user(u64 *deadline)
{
	*deadline = shift(*deadline, -clock_ahead());
}

u64 ipcbus_deadline_to_user(const struct ipcbus_transaction *t)
{
	return shift(t->deadline, clock_ahead());
}

/* --- The timer ---------------------------------------------------------------- */

static struct ipcbus_transaction *first_locked(struct ipcbus_proc *proc)
{
	lockdep_assert_held(&proc->lock);
	return rb_entry_safe(rb_first_cached(&proc->expiry), struct ipcbus_transaction, expiry);
}

/* For the earliest one. */
static void arm_locked(struct ipcbus_proc *proc, u64 deadline)
{
	if (!proc->dead)
		mod_delayed_work(queue, &proc->expire, ipcbus_ticks_until(deadline));
}

/* Fails one whose time has come; returns it, counted, or NULL. */
static struct ipcbus_transaction *expire_one(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = first_locked(proc);
	if (t && t->deadline > ktime_get_ns()) {
		arm_locked(proc, t->deadline);
		t = NULL;
	}
	if (t) {
		refcount_inc(&t->ref);
		ipcbus_reply_fail_locked(t, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	}
	spin_unlock(&proc->lock);
	return t;
}

static void expire(struct work_struct *work)
{
	struct ipcbus_proc *proc = container_of(work, struct ipcbus_proc, expire.work);
	struct ipcbus_transaction *t;

	while ((t = expire_one(proc))) {
		ipcbus_report_failed(t, NULL, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
		ipcbus_cancel_server(t);
		ipcbus_transaction_put(t, NULL);
		cond_resched();
	}
}

void ipcbus_expiry_begin(struct ipcbus_proc *proc)
{
	proc->expiry = RB_ROOT_CACHED;
	INIT_DELAYED_WORK(&proc->expire, expire);
}

void ipcbus_expiry_end(struct ipcbus_proc *proc)
{
	cancel_delayed_work_sync(&proc->expire);
}

static bool is_earlier(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcbus_transaction, expiry)->deadline <
	       rb_entry(b, struct ipcbus_transaction, expiry)->deadline;
}

void ipcbus_expiry_add_locked(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *proc = t->caller;

	lockdep_assert_held(&proc->lock);
	if (!RB_EMPTY_NODE(&t->expiry))
		return;
	rb_add_cached(&t->expiry, &proc->expiry, is_earlier);
	if (first_locked(proc) == t)
		arm_locked(proc, t->deadline);
}

void ipcbus_expiry_remove_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->caller->lock);
	rb_erase_cached(&t->expiry, &t->caller->expiry);
	RB_CLEAR_NODE(&t->expiry);
}
