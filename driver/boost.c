// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boosts: see boost.h. exchange.c and wait.c update them for the current thread. reply.c
 * and cancel.c do it for the server of a call that ended without its doing.
 */
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>

#include "boost.h"
#include "compat.h"
#include "node.h"
#include "proc.h"
#include "thread.h"
#include "transaction.h"

/* --- What a thread should run by ----------------------------------------------- */

static bool is_served_locked(const struct ipcbus_transaction *t, const struct ipcbus_thread *thread)
{
	/* Whoever ends the caller's wait updates once more afterwards. */
	return t->from != thread && READ_ONCE(t->state) == IPCBUS_PENDING;
}

/* Round robin or not is all that matters of the caller after it sent. */
static u32 policy_of(const struct ipcbus_transaction *t)
{
	return t->from ? READ_ONCE(t->from->task->policy) : SCHED_FIFO;
}

static int wanted_locked(struct ipcbus_thread *thread, u32 *ret_policy)
{
	struct ipcbus_transaction *t = thread->top;

	lockdep_assert_held(&thread->proc->lock);
	while (t && !is_served_locked(t, thread))
		t = *ipcbus_transaction_below(t, thread);
	if (!t) {
		*ret_policy = READ_ONCE(thread->boost.oneway_policy);
		return READ_ONCE(thread->boost.oneway);
	}
	*ret_policy = t->work.prio == t->node->prio ? t->node->policy : policy_of(t);
	/* A deadline cannot be inherited. */
	return t->work.prio < 0 ? t->node->prio : t->work.prio;
}

/* --- Inheriting and restoring ------------------------------------------------------ */

static void remember_own(struct ipcbus_boost *boost)
{
	lockdep_assert_held(&boost->lock);
	boost->prio = ipcbus_priority_current();
	ipcbus_sched_get(current, &boost->own);
}

/*
 * Only the thread itself inherits: its children start as ordinary ones. If that fails
 * the thread goes on as it is, for nobody can do anything about it.
 */
static void inherit(struct ipcbus_boost *boost, struct task_struct *task, int prio, u32 policy)
{
	struct sched_attr attr = boost->own;

	lockdep_assert_held(&boost->lock);
	attr.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	if (rt_prio(prio)) {
		attr.sched_policy = policy == SCHED_RR ? SCHED_RR : SCHED_FIFO;
		attr.sched_priority = MAX_RT_PRIO - 1 - prio;
		attr.sched_runtime = 0;
	} else {
		attr.sched_nice = PRIO_TO_NICE(prio);
	}
	if (!sched_setattr_nocheck(task, &attr)) {
		boost->inherited = prio;
		boost->inherited_policy = attr.sched_policy;
	}
}

static void restore(struct ipcbus_boost *boost, struct task_struct *task)
{
	lockdep_assert_held(&boost->lock);
	if (boost->inherited != IPCBUS_PRIORITY_NONE && !(READ_ONCE(task->flags) & PF_EXITING))
		sched_setattr_nocheck(task, &boost->own);
	boost->inherited = IPCBUS_PRIORITY_NONE;
}

void ipcbus_boost_update(struct ipcbus_thread *thread)
{
	struct ipcbus_boost *boost = &thread->boost;
	u32 policy;
	int prio;

	mutex_lock(&boost->lock);
	if (boost->inherited == IPCBUS_PRIORITY_NONE) {
		/* Only the thread itself inherits. */
		if (thread->task != current)
			goto out;
		remember_own(boost);
	}
	spin_lock(&thread->proc->lock);
	prio = wanted_locked(thread, &policy);
	spin_unlock(&thread->proc->lock);

	/* A realtime thread is never lowered. */
	if (prio == boost->prio || (boost->prio < MAX_RT_PRIO && prio > boost->prio))
		prio = IPCBUS_PRIORITY_NONE;
	if (prio == IPCBUS_PRIORITY_NONE)
		restore(boost, thread->task);
	else if (prio != boost->inherited || (rt_prio(prio) && policy != boost->inherited_policy))
		inherit(boost, thread->task, prio, policy);
	if (thread->task == current)
		WRITE_ONCE(boost->stale, boost->inherited != IPCBUS_PRIORITY_NONE);
out:
	mutex_unlock(&boost->lock);
}

/* Unless it is in a call that it made on behalf of the oneway. */
static void end_oneway(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;

	spin_lock(&thread->proc->lock);
	t = thread->top;
	while (t && t->from != thread)
		t = t->to_below;
	if (!t)
		WRITE_ONCE(thread->boost.oneway, IPCBUS_PRIORITY_NONE);
	spin_unlock(&thread->proc->lock);
}

void ipcbus_boost_sleep(struct ipcbus_thread *thread)
{
	end_oneway(thread);
	ipcbus_boost_update(thread);
}

void ipcbus_boost_leave(struct ipcbus_thread *thread, u32 flags, u32 kind)
{
	switch (kind) {
	case IPCBUS_EVENT_ONEWAY:
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		/* A oneway begins, or a thread goes on serving one after its own call. */
		break;
	default:
		if (flags & IPCBUS_WAIT)
			end_oneway(thread);
	}
	ipcbus_boost_update(thread);
}

void ipcbus_boost_end(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *proc = t->node->proc;
	struct ipcbus_thread *server;

	spin_lock(&proc->lock);
	/* Once it is claimed the server may be gone. */
	server = hlist_unhashed(&t->open) ? NULL : t->server;
	if (server && READ_ONCE(server->boost.stale))
		ipcbus_thread_get(server);
	else
		server = NULL;
	spin_unlock(&proc->lock);
	if (!server)
		return;
	ipcbus_boost_update(server);
	ipcbus_thread_put(server);
}
