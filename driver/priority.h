/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Priority
 *
 * A priority is one number on the scheduler's own scale. Lower is better: 0 to 98 for
 * the realtime classes (99 minus the priority), 100 to 139 for nice -20 to 19. A message
 * has its sender's priority, or its node's minimum if that is better. By it
 *
 *   - the message overtakes others in its target's queue (work.c), and
 *   - the thread that serves the message runs meanwhile (boost.h).
 */
#ifndef IPCBUS_PRIORITY_H
#define IPCBUS_PRIORITY_H

#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/prio.h>
#include <uapi/linux/sched/types.h>

#include "main.h"

/* No priority of its own. It is worse than any. */
#define IPCBUS_PRIORITY_NONE	MAX_PRIO

/* How often work may be overtaken by work of threads that are not realtime. */
#define IPCBUS_MAX_PASSED	64

/**
 * struct ipcbus_boost - what a thread runs by
 * @lock: one update at a time
 * @stale: there is a boost, or there should be one; the thread's own to change
 * @oneway: the priority of the node whose oneway it serves, or NONE; likewise
 * @oneway_policy: likewise
 * @inherited: the priority that it inherited, or NONE if it has its own (@lock)
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

/* The current thread's, as the scheduler sees it: with what it inherited. */
static __always_inline int ipcbus_priority_current(void)
{
	return READ_ONCE(current->normal_prio);
}

/* Checks the priority that NODE_CREATE asks for, and returns it. -EINVAL; -EPERM: the
 * caller could not have it itself. */
int ipcbus_priority_of_node(const struct ipcbus_node *args, int *ret_prio);

#endif
