// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who poll: see poll.h. work.c, space.c and freeze.c wake them.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "poll.h"

/* Whoever has something for them wakes so many, in its own time. */
#define FEW	16

/* Of its time the worker rests for so many times as much. */
#define REST	4

static struct workqueue_struct *queue;

int ipcbus_poll_init(void)
{
	queue = alloc_workqueue("ipcbus_poll", WQ_UNBOUND, 0);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_poll_done(void)
{
	destroy_workqueue(queue);
}

/* Not all of them wait for all of this. They look again. */
static void wake_all(struct work_struct *work)
{
	struct ipcbus_proc *proc = container_of(work, struct ipcbus_proc, poll_many.work);
	u64 took = ktime_get_ns();

	wake_up_interruptible_poll(&proc->poll_wait,
				   EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
	took = ktime_get_ns() - took;
	WRITE_ONCE(proc->poll_rest, jiffies + 1 + nsecs_to_jiffies64(REST * took));
	ipcbus_proc_put(proc);
}

void ipcbus_poll_begin(struct ipcbus_proc *proc)
{
	INIT_DELAYED_WORK(&proc->poll_many, wake_all);
	proc->poll_rest = jiffies;
}

void ipcbus_poll_end(struct ipcbus_proc *proc)
{
	if (cancel_delayed_work_sync(&proc->poll_many))
		ipcbus_proc_put(proc);
}

static bool are_few(wait_queue_head_t *head)
{
	const struct list_head *at;
	unsigned int left = FEW;
	unsigned long flags;

	spin_lock_irqsave(&head->lock, flags);
	for (at = head->head.next; at != &head->head && left; at = at->next)
		left--;
	spin_unlock_irqrestore(&head->lock, flags);
	return left;
}

bool ipcbus_poll_may_wake_slow(struct ipcbus_proc *proc)
{
	long rest;

	if (likely(are_few(&proc->poll_wait)))
		return true;
	rest = READ_ONCE(proc->poll_rest) - jiffies;
	/* Until it is done. If it waits already, it sees what is new. */
	ipcbus_proc_get(proc);
	if (!queue_delayed_work(queue, &proc->poll_many, max(rest, 0L)))
		ipcbus_proc_put(proc);
	return false;
}
