// SPDX-License-Identifier: MIT
/*
 * Scheduling attributes of tasks. They have no effect here. Tests read them to see which task got
 * which priority.
 */
#include "shim.h"

#include <linux/cgroup.h>
#include <linux/sched/rt.h>
#include <uapi/linux/sched/types.h>

static bool is_realtime(u32 policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static void set(struct task_struct *task, u32 policy, int nice, u32 rt, bool reset)
{
	bool realtime = is_realtime(policy);

	__atomic_store_n(&task->policy, policy, __ATOMIC_RELAXED);
	__atomic_store_n(&task->rt_priority, realtime ? rt : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&task->sched_reset_on_fork, reset, __ATOMIC_RELAXED);
	if (!realtime)
		__atomic_store_n(&task->nice, nice, __ATOMIC_RELAXED);
	__atomic_store_n(&task->normal_prio,
			 realtime ? MAX_RT_PRIO - 1 - (int)rt : NICE_TO_PRIO(nice),
			 __ATOMIC_RELAXED);
}

int sched_setattr_nocheck(struct task_struct *task, const struct sched_attr *attr)
{
	bool realtime = is_realtime(attr->sched_policy);

	shim_might_sleep("sched_setattr_nocheck");
	BUG_ON(attr->size != sizeof(*attr));
	BUG_ON(realtime && (attr->sched_priority < 1 || attr->sched_priority > 99));
	/* The kernel does not check this, and the task would never run. */
	BUG_ON(realtime && READ_ONCE(task->never_realtime));
	BUG_ON(!realtime && (attr->sched_nice < MIN_NICE || attr->sched_nice > MAX_NICE));
	set(task, attr->sched_policy, attr->sched_nice, attr->sched_priority,
	    attr->sched_flags & SCHED_FLAG_RESET_ON_FORK);
	return 0;
}

int task_nice(const struct task_struct *task)
{
	return __atomic_load_n(&task->nice, __ATOMIC_RELAXED);
}

void shim_set_nice(struct task_struct *task, int nice)
{
	set(task, task->policy, nice, task->rt_priority, task->sched_reset_on_fork);
}

int shim_set_policy(struct task_struct *task, unsigned int policy, unsigned int rt)
{
	if (is_realtime(policy) && READ_ONCE(task->never_realtime))
		return -EPERM;
	set(task, policy, task->nice, rt, task->sched_reset_on_fork);
	return 0;
}

int shim_set_group(struct task_struct *task, bool never_realtime)
{
	if (never_realtime && is_realtime(READ_ONCE(task->policy)))
		return -EINVAL;
	WRITE_ONCE(task->never_realtime, never_realtime);
	return 0;
}

struct cgroup_subsys_state *task_css(struct task_struct *task, int subsys)
{
	static struct cgroup_subsys_state root, group = { .parent = &root };

	(void)subsys;
	return READ_ONCE(task->never_realtime) ? &group : &root;
}
