// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work queue and the wake-up: see work.h. This is the only file that wakes threads
 * and those who poll for events.
 */
#include <linux/poll.h>
#include <linux/wait.h>

#include "compat.h"
#include "priority.h"
#include "proc.h"
#include "thread.h"
#include "work.h"

/* --- The order of a queue ------------------------------------------------------- */

/*
 * Seldom used, and each step is one that the work there is overtaken: so with all
 * the others it comes to at most IPCBUS_MAX_PASSED for each work that is queued, but
 * for the privileged's.
 */
static void overtake(struct list_head *queue, struct ipcbus_work *work)
{
	struct ipcbus_work *before;

	work->rank = work->prio;
	list_for_each_entry_reverse(before, queue, entry) {
		if (before->rank <= work->rank)
			break;
		if (before->passed == IPCBUS_MAX_PASSED && work->rank >= MAX_RT_PRIO)
			break;
		before->passed = min(before->passed + 1, IPCBUS_MAX_PASSED);
	}
	list_add(&work->entry, &before->entry);
}

/*
 * Queues work by its priority (proc->lock). Events have none: each comes after all
 * that was there before.
 */
static inline void add_by_priority(struct list_head *queue, struct ipcbus_work *work)
{
	struct ipcbus_work *last = list_last_entry(queue, struct ipcbus_work, entry);
	int rank = work->prio;

	work->passed = 0;
	if (list_empty(queue)) {
		if (rank == IPCBUS_PRIORITY_NONE)
			rank = DEFAULT_PRIO;
	} else if (rank == IPCBUS_PRIORITY_NONE) {
		rank = last->rank;
	} else if (unlikely(rank < last->rank)) {
		overtake(queue, work);
		return;
	}
	work->rank = rank;
	list_add_tail(&work->entry, queue);
}

bool ipcbus_work_unqueue_locked(struct ipcbus_work *work)
{
	if (work->thread) {
		work->thread->given = NULL;
		work->thread = NULL;
		return true;
	}
	if (list_empty(&work->entry))
		return false;
	list_del_init(&work->entry);
	return true;
}

/* --- Waking --------------------------------------------------------------------- */

static void wake_pollers(struct ipcbus_proc *proc)
{
	if (wq_has_sleeper(&proc->poll_wait))
		wake_up_interruptible_sync_poll(&proc->poll_wait, EPOLLIN | EPOLLRDNORM);
}

void ipcbus_thread_kick_locked(struct ipcbus_thread *thread)
{
	lockdep_assert_held(&thread->proc->lock);
	WRITE_ONCE(thread->kick, true);
	/* Against the same in the thread: it sees the kick, or we see it sleep. */
	smp_mb();
	if (READ_ONCE(thread->asleep))
		ipcbus_wake_sync(&thread->waiter);
	else
		wake_pollers(thread->proc);
}

/* --- Queueing ------------------------------------------------------------------- */

void ipcbus_proc_queue_locked(struct ipcbus_proc *proc, struct ipcbus_work *work)
{
	struct ipcbus_thread *thread;

	lockdep_assert_held(&proc->lock);
	if (hlist_empty(&proc->idle)) {
		add_by_priority(&proc->work, work);
		wake_pollers(proc);
		return;
	}
	thread = hlist_entry(proc->idle.first, struct ipcbus_thread, idle);
	hlist_del_init(&thread->idle);
	thread->given = work;
	work->thread = thread;
	ipcbus_thread_kick_locked(thread);
}

void ipcbus_proc_discard(struct ipcbus_proc *proc, struct list_head *queue)
{
	struct ipcbus_work *work;

	for (;;) {
		spin_lock(&proc->lock);
		work = list_first_entry_or_null(queue, struct ipcbus_work, entry);
		if (work)
			list_del_init(&work->entry);
		spin_unlock(&proc->lock);
		if (!work)
			return;
		work->ops->discard(work);
	}
}
