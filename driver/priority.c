// SPDX-License-Identifier: GPL-2.0-only
/*
 * Priorities: see priority.h.
 */
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>

#include "priority.h"

static bool may_be_nice(int nice)
{
	return nice >= task_nice(current) ||
	       (unsigned long)nice_to_rlimit(nice) <= rlimit(RLIMIT_NICE) || capable(CAP_SYS_NICE);
}

static bool may_be_realtime(u32 priority)
{
	return priority <= current->rt_priority || priority <= rlimit(RLIMIT_RTPRIO) ||
	       capable(CAP_SYS_NICE);
}

int ipcbus_priority_of_node(const struct ipcbus_node *args, int *ret_prio)
{
	bool allowed;

	if (!(args->flags & IPCBUS_NODE_PRIORITY)) {
		*ret_prio = IPCBUS_PRIORITY_NONE;
		return args->policy || args->priority ? -EINVAL : 0;
	}
	if (args->policy == SCHED_NORMAL) {
		if (args->priority < MIN_NICE || args->priority > MAX_NICE)
			return -EINVAL;
		*ret_prio = NICE_TO_PRIO(args->priority);
		allowed = may_be_nice(args->priority);
	} else if (args->policy == SCHED_FIFO || args->policy == SCHED_RR) {
		if (args->priority < 1 || args->priority > MAX_RT_PRIO - 1)
			return -EINVAL;
		*ret_prio = MAX_RT_PRIO - 1 - args->priority;
		allowed = may_be_realtime(args->priority);
	} else {
		return -EINVAL;
	}
	return allowed ? 0 : -EPERM;
}
