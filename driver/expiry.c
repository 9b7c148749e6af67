// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlines by timer: see expiry.h. Each proc has a tree of calls by deadline and
 * one delayed work for the earliest.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>
#include <linux/workqueue.h>

#include "boost.h"
#include "cancel.h"
#include "expiry.h"
#include "proc.h"
#include "reply.h"
#include "report.h"
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

void ipcbus_expiry_do_later(struct delayed_work *work, unsigned long ticks)
{
	queue_delayed_work(queue, work, ticks);
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
	unsigned long ticks = list_empty(&proc->undropped) ? ipcbus_ticks_until(deadline) : 0;

	/* What is to be dropped is not put off. */
	if (!proc->dead)
		mod_delayed_work(queue, &proc->expire, ticks);
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

/* Has the work drop the request of t, which is off its queue. False: its caller is dead. */
static bool drop_later(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *proc = t->caller;
	bool later;

	spin_lock(&proc->lock);
	later = !proc->dead;
	if (later) {
		/* Nobody notifies the server, which never had it. */
		list_add_tail(&t->canceled_work.entry, &proc->undropped);
		arm_locked(proc, 0);
	}
	spin_unlock(&proc->lock);
	return later;
}

static struct ipcbus_transaction *pop_undropped(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = list_first_entry_or_null(&proc->undropped, struct ipcbus_transaction,
				     canceled_work.entry);
	if (t)
		list_del(&t->canceled_work.entry);
	spin_unlock(&proc->lock);
	return t;
}

static void drop_undropped(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	while ((t = pop_undropped(proc))) {
		ipcbus_transaction_drop_request(t);
		ipcbus_transaction_put(t, NULL);
		cond_resched();
	}
}

static void expire(struct work_struct *work)
{
	struct ipcbus_proc *proc = container_of(work, struct ipcbus_proc, expire.work);
	struct ipcbus_transaction *t;

	drop_undropped(proc);
	while ((t = expire_one(proc))) {
		ipcbus_report_failed(t, NULL, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
		ipcbus_cancel_server(t);
		ipcbus_transaction_put(t, NULL);
		cond_resched();
	}
}

/* Its sender could not end it: the server runs with realtime priority in its place. */
static void end_overdue(struct ipcbus_transaction *t)
{
	int error = t->deadline && ktime_get_ns() >= t->deadline ? -ETIMEDOUT : -ECANCELED;
	struct ipcbus_proc *caller = t->caller;
	bool ended;

	spin_lock(&caller->lock);
	ended = t->state == IPCBUS_PENDING && !caller->dead;
	if (ended)
		ipcbus_reply_fail_locked(t, error, IPCBUS_STAGE_REPLY, 0);
	spin_unlock(&caller->lock);
	if (!ended)
		return;
	ipcbus_report_failed(t, NULL, error, IPCBUS_STAGE_REPLY, 0);
	ipcbus_cancel_server_quickly(t, drop_later);
}

void ipcbus_boost_check(struct kthread_work *work)
{
	struct ipcbus_boost *boost = container_of(work, struct ipcbus_boost, check);
	struct ipcbus_transaction *t = ipcbus_boost_overdue(boost);

	/* Ends one call only: nothing else runs while the worker does, at its priority. */
	if (!t)
		return;
	end_overdue(t);
	ipcbus_transaction_put(t, NULL);
}

void ipcbus_expiry_begin(struct ipcbus_proc *proc)
{
	proc->expiry = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&proc->undropped);
	INIT_DELAYED_WORK(&proc->expire, expire);
}

void ipcbus_expiry_end(struct ipcbus_proc *proc)
{
	cancel_delayed_work_sync(&proc->expire);
	drop_undropped(proc);
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
