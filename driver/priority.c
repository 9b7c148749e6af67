// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boosts: see priority.h. exchange.c and wait.c update the current thread's boost.
 */
#include <linux/capability.h>
#include <linux/minmax.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "compat.h"
#include "priority.h"
#include "proc.h"
#include "thread.h"
#include "transaction.h"

/* Returns the best priority of all messages that the thread serves, or NONE. */
static int find_best(struct ipcbus_thread *thread, u32 *ret_policy)
{
	struct ipcbus_transaction *t;
	int prio = thread->oneway;

	*ret_policy = thread->oneway_policy;
	spin_lock(&thread->proc->lock);
	for (t = thread->top; t; t = *ipcbus_transaction_below(t, thread)) {
		if (t->from == thread || t->work.prio >= prio)
			continue;
		prio = t->work.prio;
		*ret_policy = t->flags & IPCBUS_ROUND_ROBIN ? SCHED_RR : SCHED_FIFO;
	}
	spin_unlock(&thread->proc->lock);
	return prio;
}

/* Returns the priority of a thread with these attributes. */
static int priority_of(const struct sched_attr *attr)
{
	if (attr->sched_policy == SCHED_DEADLINE)
		return -1;
	if (attr->sched_policy == SCHED_FIFO || attr->sched_policy == SCHED_RR)
		return MAX_RT_PRIO - 1 - (int)attr->sched_priority;
	return NICE_TO_PRIO(attr->sched_nice);
}

/* Raises attr, the current thread's own attributes, to prio or as far as the thread itself may set
 * it. Returns whether the result is better. */
static bool raise_attr(struct sched_attr *attr, int prio, u32 policy)
{
	bool may_all = ns_capable_noaudit(&init_user_ns, CAP_SYS_NICE);
	int own = priority_of(attr), best, nice;
	unsigned long priority = 0;

	/* A realtime thread in a group without realtime runtime would never run. */
	if (rt_prio(prio) && (rt_prio(own) || ipcbus_sched_may_be_realtime(current)))
		priority = MAX_RT_PRIO - 1 - prio;
	if (!may_all)
		priority = min(priority, rlimit(RLIMIT_RTPRIO));
	if (priority) {
		attr->sched_policy = policy;
		attr->sched_priority = priority;
		attr->sched_runtime = 0;
	} else if (own >= MAX_RT_PRIO) {
		nice = PRIO_TO_NICE(max(prio, NICE_TO_PRIO(MIN_NICE)));
		best = rlimit_to_nice((int)min_t(unsigned long, NICE_WIDTH, rlimit(RLIMIT_NICE)));
		attr->sched_nice = may_all ? nice : max(nice, best);
	}
	return priority_of(attr) < own;
}

/* Updates boost->own. Attributes that were set during the boost become the thread's own. */
static void get_own(struct ipcbus_boost *boost)
{
	struct sched_attr now;

	ipcbus_sched_get(current, &now);
	if (boost->prio == IPCBUS_PRIORITY_NONE) {
		boost->own = now;
	} else if (memcmp(&now, &boost->set, sizeof(now))) {
		now.sched_flags = boost->own.sched_flags;
		boost->own = now;
	}
}

/* Sets the boost to prio. If the scheduler refuses, the thread keeps its priority. */
static void change(struct ipcbus_boost *boost, int prio, u32 policy)
{
	bool was_boosted = boost->prio != IPCBUS_PRIORITY_NONE, boosted;
	struct sched_attr attr;

	get_own(boost);
	attr = boost->own;
	boosted = !(attr.sched_flags & SCHED_FLAG_RESET_ON_FORK) &&
		  prio != IPCBUS_PRIORITY_NONE && raise_attr(&attr, prio, policy);
	if (boosted)
		attr.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	else
		attr = boost->own;
	boost->prio = IPCBUS_PRIORITY_NONE;
	if (!(boosted || was_boosted) || sched_setattr_nocheck(current, &attr) || !boosted)
		return;
	ipcbus_sched_get(current, &boost->set);
	boost->prio = prio;
	boost->policy = policy;
}

void ipcbus_boost_update(struct ipcbus_thread *thread)
{
	struct ipcbus_boost *boost = &thread->boost;
	u32 policy;
	int prio;

	prio = find_best(thread, &policy);
	if (prio != boost->prio || (rt_prio(prio) && policy != boost->policy))
		change(boost, prio, policy);
	thread->stale = boost->prio != IPCBUS_PRIORITY_NONE;
}
