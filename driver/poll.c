// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who poll: see poll.h. work.c, space.c and freeze.c wake them.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "poll.h"
#include "user.h"

/* Whoever has something for them wakes so many, in its own time. */
#define FEW	16

/* The worker wakes so many at once, or begins no other after this time, in ns. Interrupts are off
 * meanwhile. */
#define PIECE	64
#define PIECE_TIME	(50 * NSEC_PER_USEC)

/*
 * One of a few can be an epoll file, which itself has any number of those who poll it: that is not
 * to be seen from here, only how long it takes. Where it took as long as this, in ns, the worker
 * does so for all that the same account has, for as long as that.
 */
#define SLOW	(100 * NSEC_PER_USEC)
#define SLOW_FOR	(60ULL * NSEC_PER_SEC)

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

/* Of the mark: nobody waits by it. */
static int wake_nobody(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	return 0;
}

/* The wake-up of some who poll the proc took from began until now. */
static void note_time(struct ipcbus_proc *proc, u64 began, u64 now)
{
	if (unlikely(now - began > SLOW))
		WRITE_ONCE(proc->user->payer.outermost->slow_polls_until, now + SLOW_FOR);
}

/*
 * Wakes some behind the mark, and moves that. Who comes meanwhile comes before it, and has looked.
 * Returns whether there are others: not if one who wants to be the only one was woken.
 */
static bool wake_some(struct ipcbus_proc *proc, wait_queue_entry_t *mark)
{
	wait_queue_head_t *head = &proc->poll_wait;
	/* Not all of them wait for all of this. They look again. */
	void *key = poll_to_key(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
	wait_queue_entry_t *entry;
	u64 began = ktime_get_ns(), now = began;
	unsigned int left = PIECE;
	bool more, exclusive;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&head->lock, flags);
	while ((more = !list_is_last(&mark->entry, &head->head)) && left-- &&
	       now - began < PIECE_TIME) {
		entry = list_next_entry(mark, entry);
		exclusive = entry->flags & WQ_FLAG_EXCLUSIVE;
		list_move(&mark->entry, &entry->entry);
		ret = entry->func(entry, TASK_INTERRUPTIBLE, 0, key);
		if (ret < 0 || (ret && exclusive)) {
			more = false;
			break;
		}
		now = ktime_get_ns();
	}
	if (!more)
		list_del(&mark->entry);
	spin_unlock_irqrestore(&head->lock, flags);
	note_time(proc, began, ktime_get_ns());
	return more;
}

/* Less than a tick is put together with that of the next time. */
static void rest_for(struct ipcbus_proc *proc, u64 took)
{
	unsigned long ticks;

	proc->poll_debt += REST * took;
	ticks = nsecs_to_jiffies(proc->poll_debt);
	if (!ticks)
		return;
	proc->poll_debt = 0;
	WRITE_ONCE(proc->poll_rest, jiffies + ticks + 1);
}

static void wake_all(struct work_struct *work)
{
	struct ipcbus_proc *proc = container_of(work, struct ipcbus_proc, poll_many.work);
	wait_queue_entry_t mark;
	u64 took = 0, begin;
	bool more;

	init_waitqueue_func_entry(&mark, wake_nobody);
	add_wait_queue(&proc->poll_wait, &mark);
	do {
		begin = ktime_get_ns();
		more = wake_some(proc, &mark);
		took += ktime_get_ns() - begin;
		cond_resched();
	} while (more);
	rest_for(proc, took);
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

static void wake_later(struct ipcbus_proc *proc)
{
	long rest = READ_ONCE(proc->poll_rest) - jiffies;

	/* Until it is done. If it waits already, it sees what is new. */
	ipcbus_proc_get(proc);
	if (!queue_delayed_work(queue, &proc->poll_many, max(rest, 0L)))
		ipcbus_proc_put(proc);
}

void ipcbus_poll_wake_some(struct ipcbus_proc *proc, __poll_t events, bool sync)
{
	u64 began = ktime_get_ns();

	if (unlikely(began < READ_ONCE(proc->user->payer.outermost->slow_polls_until) ||
		     !are_few(&proc->poll_wait))) {
		wake_later(proc);
		return;
	}
	if (sync)
		wake_up_interruptible_sync_poll(&proc->poll_wait, events);
	else
		wake_up_interruptible_poll(&proc->poll_wait, events);
	note_time(proc, began, ktime_get_ns());
}
