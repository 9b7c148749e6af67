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

#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/mutex.h>
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
 * struct ipcbus_boost - by what one task runs, whatever files it uses
 * @ref: its threads
 * @entry: in the table of all tasks
 * @files: how many @threads there are, and soon will be (tasks_lock)
 * @pid: the task, counted by @threads; constant
 * @lock: one update at a time; protects the rest. See ipcbus_boost_lock().
 * @asked: somebody found it held, and leaves an update to the holder
 * @hurry: lets the holder finish
 * @threads: what the task is in each proc, by boost_entry
 * @task: counted while it has a boost, else NULL
 * @inherited: the priority that it inherited, or NONE if it has its own
 * @inherited_policy: likewise
 * @prio: its own priority
 * @own: class and priority to restore
 * @check: looks whether a realtime boost is over
 * @timer: begins that
 * @check_at: when, in ns of CLOCK_MONOTONIC; 0: never
 */
struct ipcbus_boost {
	struct kref ref;
	struct rb_node entry;
	unsigned int files;
	struct pid *pid;
	struct mutex lock;
	bool asked;
	struct kthread_work hurry;
	struct list_head threads;
	struct task_struct *task;
	int inherited;
	u32 inherited_policy;
	int prio;
	struct sched_attr own;
	struct kthread_work check;
	struct hrtimer timer;
	u64 check_at;
};

/* Finds or makes the boost of the current task, counted, and adds the task's thread in one
 * more proc to its threads. NULL: no memory. */
struct ipcbus_boost *ipcbus_boost_join(struct list_head *entry, bool *ret_boosted);
/* Takes the thread out of them. */
void ipcbus_boost_part(struct ipcbus_boost *boost, struct list_head *entry);
void ipcbus_boost_put(struct ipcbus_boost *boost);

/*
 * For what the current task is, whose boost it is. Others only try the lock: a class that hardly
 * runs, beside a program that never sleeps, could keep them from the CPU while they hold it or
 * come before the task in the queue for it. If one of these has it, a realtime thread of the
 * driver's waits for it, too, so that the holder runs.
 */
void ipcbus_boost_lock(struct ipcbus_boost *boost);
/* Does what others ask for. */
void ipcbus_boost_unlock(struct ipcbus_boost *boost);

/* Lets boost be checked, and ends that; see boost.c. */
void ipcbus_boost_checks_begin(struct ipcbus_boost *boost);
void ipcbus_boost_checks_end(struct ipcbus_boost *boost);
/* What check does; see expiry.c. */
void ipcbus_boost_check(struct kthread_work *work);

/* The current thread's, as the scheduler sees it: with what it inherited. */
static __always_inline int ipcbus_priority_current(void)
{
	return READ_ONCE(current->normal_prio);
}

/* Checks the priority that NODE_CREATE asks for, and returns it. -EINVAL; -EPERM: the
 * caller could not have it itself. What the caller inherited does not count. */
int ipcbus_priority_of_node(const struct ipcbus_node *args, int *ret_prio);

#endif
