/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Priorities: the caller's is lent to the thread that serves its call, and work of
 * a higher one overtakes in a proc's queue.
 *
 * A priority is one number on the scheduler's own scale, lower is better: 0 to 98
 * for the realtime classes (99 minus the priority), 100 to 139 for nice -20 to 19.
 * A message has its sender's, or its node's minimum if that is better. A thread
 * that runs by another one than its message's is marked at delivery, and on its
 * way out of the driver the loan is settled: so nothing is paid where all are equal,
 * and a server of one caller after the other changes only when they differ.
 */
#ifndef IPCBUS_PRIORITY_H
#define IPCBUS_PRIORITY_H

#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/prio.h>
#include <uapi/linux/sched/types.h>

#include "main.h"

/* None of its own: worse than any. */
#define IPCBUS_PRIORITY_NONE	MAX_PRIO

/* How often work may be overtaken by what is no realtime thread's. */
#define IPCBUS_MAX_PASSED	64

/**
 * struct ipcbus_boost - what a thread runs by
 * @lock: only one settles at a time
 * @stale: there is a boost, or there is to be one; the thread's own to change
 * @oneway: of the node of the oneway that it serves, or NONE; likewise
 * @oneway_policy: likewise
 * @inherited: the priority that it was given, or NONE if it has its own (@lock)
 * @inherited_policy: likewise
 * @prio: its own priority (@lock)
 * @own: class and priority to restore (@lock)
 */
struct ipcbus_boost {
	struct mutex lock;
	bool stale;
	int oneway;
	u32 oneway_policy;
	int inherited;
	u32 inherited_policy;
	int prio;
	struct sched_attr own;
};

static inline void ipcbus_boost_init(struct ipcbus_boost *boost)
{
	mutex_init(&boost->lock);
	boost->oneway = IPCBUS_PRIORITY_NONE;
	boost->inherited = IPCBUS_PRIORITY_NONE;
}

/* The current thread's, as the scheduler sees it: with what it was lent. */
static __always_inline int ipcbus_priority_current(void)
{
	return READ_ONCE(current->normal_prio);
}

/* What NODE_CREATE asks for: -EINVAL, -EPERM. */
int ipcbus_priority_of_node(const struct ipcbus_node *args, int *ret_prio);

#endif
