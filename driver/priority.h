/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Priority
 *
 * A priority is one number on the scheduler's own scale. Lower is better: 0 to 98 for
 * the realtime classes (99 minus the priority), 100 to 139 for nice -20 to 19. A message
 * has its sender's priority, or its node's if that is better. By it
 *
 *   - the message overtakes others in its target's queue (work.c), and
 *   - the thread that serves a call runs meanwhile.
 */
#ifndef IPCBUS_PRIORITY_H
#define IPCBUS_PRIORITY_H

#include <linux/sched.h>
#include <linux/sched/prio.h>
#include <uapi/linux/sched/types.h>

#include "main.h"

/* No priority of its own. It is worse than any. */
#define IPCBUS_PRIORITY_NONE	MAX_PRIO

/* Who has so many messages in another user's queue floods it (work.h). */
#define IPCBUS_FLOOD	16

/* After so many better ones that are not realtime the oldest work is taken. */
#define IPCBUS_MAX_PASSED	64

/**
 * struct ipcbus_boost - the boost of one thread; all of it is the thread's own
 * @prio: of the message that it serves, or NONE while there is no boost
 * @policy: SCHED_FIFO or SCHED_RR, if @prio is realtime
 * @own: class and priority to restore
 * @set: what they became by the boost, which may be less than @prio
 */
struct ipcbus_boost {
	int prio;
	u32 policy;
	struct sched_attr own;
	struct sched_attr set;
};

/* The current thread's priority, as the scheduler sees it: with its boost. */
static __always_inline int ipcbus_priority_current(void)
{
	return READ_ONCE(current->normal_prio);
}

/* --- Boost ------------------------------------------------------------------ */

/*
 * A thread runs with the best priority among the calls that it serves, the node's
 * priority of the oneway that it serves, and its own. The rules:
 *
 *   - A boost never exceeds what RLIMIT_NICE, RLIMIT_RTPRIO or CAP_SYS_NICE allow the thread
 *     itself. So a boost grants nothing, and the driver need not take it away from a thread that
 *     does not come back.
 *   - Only the thread itself begins and ends its boost: on its way out of an exchange, before it
 *     sleeps in one, and when it leaves its file.
 *   - A call that a boosted thread makes has the thread's priority at that time.
 *   - What is set for the thread during a boost stays. The driver can tell only that the thread
 *     does not run as the driver set it.
 *   - A boosted thread has SCHED_RESET_ON_FORK, so that its children do not inherit the boost. A
 *     thread that has it already is not boosted: it may be boosted through another file, which
 *     must restore what the thread owned.
 *
 * Delivery marks a thread whose message has a better priority. So nothing is paid where all
 * priorities are equal.
 */

/* Gives the current thread the priority that it should have now. Takes proc->lock. May sleep. */
void ipcbus_boost_update(struct ipcbus_thread *thread);

#endif
