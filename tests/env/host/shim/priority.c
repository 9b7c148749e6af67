// SPDX-License-Identifier: MIT
/*
 * What tasks are scheduled by. Nothing here is: the numbers are kept, so that
 * tests see who was given what.
 */
#include "shim.h"

#include <linux/sched/rt.h>
#include <uapi/linux/sched/types.h>

static void set(struct task_struct *task, u32 policy, int nice, u32 rt, bool reset)
{
	bool realtime = policy == SCHED_FIFO || policy == SCHED_RR;

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
	bool realtime = attr->sched_policy == SCHED_FIFO || attr->sched_policy == SCHED_RR;

	shim_might_sleep("sched_setattr_nocheck");
	BUG_ON(attr->size != sizeof(*attr));
	BUG_ON(realtime && (attr->sched_priority < 1 || attr->sched_priority > 99));
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

void shim_set_policy(struct task_struct *task, unsigned int policy, unsigned int rt)
{
	set(task, policy, task->nice, rt, task->sched_reset_on_fork);
}
