// SPDX-License-Identifier: GPL-2.0-only
/*
 * Priorities: see priority.h.
 */
#include <linux/capability.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "priority.h"

/* --- What tasks have of their own ------------------------------------------------ */

/*
 * A task may use several files, and inherits by each. What it owns is remembered once,
 * else one of them would take for its own what it inherited by another.
 *
 * The lock is everybody's, so who holds it neither sleeps nor is preempted.
 */
static struct rb_root tasks = RB_ROOT;
static DEFINE_SPINLOCK(tasks_lock);

static int compare(const void *pid, const struct rb_node *node)
{
	const struct ipcbus_boost *boost = rb_entry(node, struct ipcbus_boost, entry);

	return pid < (void *)boost->pid ? -1 : pid > (void *)boost->pid;
}

static bool is_less(struct rb_node *a, const struct rb_node *b)
{
	return compare(rb_entry(a, struct ipcbus_boost, entry)->pid, b) < 0;
}

/* The current task's, counted, or NULL. Nobody but the task itself adds it. */
static struct ipcbus_boost *find_own(unsigned int further_files)
{
	struct ipcbus_boost *boost;

	spin_lock(&tasks_lock);
	boost = rb_entry_safe(rb_find(task_pid(current), &tasks, compare), struct ipcbus_boost,
			      entry);
	if (boost) {
		kref_get(&boost->ref);
		boost->files += further_files;
	}
	spin_unlock(&tasks_lock);
	return boost;
}

static struct ipcbus_boost *add_own(void)
{
	struct ipcbus_boost *boost;

	boost = kzalloc(sizeof(*boost), GFP_KERNEL_ACCOUNT);
	if (!boost)
		return NULL;
	kref_init(&boost->ref);
	boost->pid = task_pid(current);
	mutex_init(&boost->lock);
	INIT_LIST_HEAD(&boost->threads);
	boost->inherited = IPCBUS_PRIORITY_NONE;
	boost->files = 1;
	ipcbus_boost_checks_begin(boost);
	spin_lock(&tasks_lock);
	rb_add(&boost->entry, &tasks, is_less);
	spin_unlock(&tasks_lock);
	return boost;
}

struct ipcbus_boost *ipcbus_boost_join(struct list_head *entry, bool *ret_boosted)
{
	struct ipcbus_boost *boost;

	boost = find_own(1);
	if (!boost)
		boost = add_own();
	if (!boost)
		return NULL;
	ipcbus_boost_lock(boost);
	*ret_boosted = boost->inherited != IPCBUS_PRIORITY_NONE;
	/* Behind the one by which it is boosted, if it is: see boost.c. */
	list_add(entry, *ret_boosted ? boost->threads.next : &boost->threads);
	ipcbus_boost_unlock(boost);
	return boost;
}

void ipcbus_boost_part(struct ipcbus_boost *boost, struct list_head *entry)
{
	bool last;

	ipcbus_boost_lock(boost);
	list_del_init(entry);
	ipcbus_boost_unlock(boost);
	spin_lock(&tasks_lock);
	last = !--boost->files;
	if (last)
		rb_erase(&boost->entry, &tasks);
	spin_unlock(&tasks_lock);
	if (last)
		ipcbus_boost_checks_end(boost);
}

static void boost_free(struct kref *ref)
{
	kfree(container_of(ref, struct ipcbus_boost, ref));
}

void ipcbus_boost_put(struct ipcbus_boost *boost)
{
	kref_put(&boost->ref, boost_free);
}

/* The current task's own priority. */
static void get_own(struct sched_attr *ret_own)
{
	struct ipcbus_boost *boost = find_own(0);

	if (!boost) {
		ipcbus_sched_get(current, ret_own);
		return;
	}
	ipcbus_boost_lock(boost);
	if (boost->inherited != IPCBUS_PRIORITY_NONE)
		*ret_own = boost->own;
	else
		ipcbus_sched_get(current, ret_own);
	ipcbus_boost_unlock(boost);
	ipcbus_boost_put(boost);
}

/* --- What a node may ask for ------------------------------------------------------ */

static bool may_be_nice(const struct sched_attr *own, int nice)
{
	return nice >= own->sched_nice ||
	       (unsigned long)nice_to_rlimit(nice) <= rlimit(RLIMIT_NICE) || capable(CAP_SYS_NICE);
}

static bool may_be_realtime(const struct sched_attr *own, u32 priority)
{
	return priority <= own->sched_priority || priority <= rlimit(RLIMIT_RTPRIO) ||
	       capable(CAP_SYS_NICE);
}

int ipcbus_priority_of_node(const struct ipcbus_node *args, int *ret_prio)
{
	struct sched_attr own;
	bool allowed;

	if (!(args->flags & IPCBUS_NODE_PRIORITY)) {
		*ret_prio = IPCBUS_PRIORITY_NONE;
		return args->policy || args->priority ? -EINVAL : 0;
	}
	get_own(&own);
	if (args->policy == SCHED_NORMAL) {
		if (args->priority < MIN_NICE || args->priority > MAX_NICE)
			return -EINVAL;
		*ret_prio = NICE_TO_PRIO(args->priority);
		allowed = may_be_nice(&own, args->priority);
	} else if (args->policy == SCHED_FIFO || args->policy == SCHED_RR) {
		if (args->priority < 1 || args->priority > MAX_RT_PRIO - 1)
			return -EINVAL;
		*ret_prio = MAX_RT_PRIO - 1 - args->priority;
		allowed = may_be_realtime(&own, args->priority);
	} else {
		return -EINVAL;
	}
	return allowed ? 0 : -EPERM;
}
