/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Priority
 *
 * A priority is a number on the scheduler's own scale, where lower is better: 0 to 98 for the
 * realtime classes (99 minus the priority), 100 to 139 for nice -20 to 19. A message has the better
 * of its sender's and its node's priority. This priority determines
 *
 *   - the order of messages in the target's queue (work.c), and
 *   - with which priority a thread serves a call.
 */
#ifndef IPCBUS_PRIORITY_H
#define IPCBUS_PRIORITY_H

#include <linux/sched.h>
#include <linux/sched/prio.h>
#include <uapi/linux/sched/types.h>

#include "main.h"

/* No priority; worse than any priority. */
#define IPCBUS_PRIORITY_NONE	MAX_PRIO

/* If a user has this many messages in another user's queue, its next ones flood it (work.h). */
#define IPCBUS_FLOOD	16

/* After this many works that are better and not realtime, the oldest work is taken. */
#define IPCBUS_MAX_PASSED	64

/**
 * struct ipcbus_boost - the boost of a thread; only the thread itself uses it
 * @prio: priority of the boost, or NONE
 * @policy: SCHED_FIFO or SCHED_RR, if @prio is realtime
 * @own: scheduling attributes to restore
 * @set: attributes during the boost, which may be less than @prio
 */
struct ipcbus_boost {
	int prio;
	u32 policy;
	struct sched_attr own;
	struct sched_attr set;
};

/* Returns the current thread's effective priority, including its boost. */
static __always_inline int ipcbus_priority_current(void)
{
	return READ_ONCE(current->normal_prio);
}

/* --- Boost ------------------------------------------------------------------ */

/*
 * A thread runs with the best of these priorities: its own, the priorities of calls that it serves,
 * and the priority of a node whose oneway it serves. The rules:
 *
 *   - A boost never exceeds the priority that the thread may set for itself by RLIMIT_NICE,
 *     RLIMIT_RTPRIO or CAP_SYS_NICE. So a boost grants no new rights, and the driver need not end
 *     the boost of a thread that never returns.
 *   - Only the thread itself begins and ends its boost: when it returns from an exchange, before it
 *     sleeps in an exchange, and when it leaves its file.
 *   - A call that a boosted thread makes has the boosted priority.
 *   - If the priority of the thread is set during a boost, the new value stays. The driver detects
 *     this only by comparing the thread's attributes with @set.
 *   - A boosted thread has SCHED_RESET_ON_FORK, so its children do not inherit the boost. If a
 *     thread already has this flag, it is not boosted: it may be boosted through another file,
 *     which must restore the thread's own priority.
 *
 * Delivery marks a thread whose message has a better priority. Equal priorities cost no time.
 */

/* Updates the boost of the current thread. Takes proc->lock. May sleep. */
void ipcbus_boost_update(struct ipcbus_thread *thread);

#endif
