// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work queue and wake-ups: see work.h. Only this file wakes threads. It also wakes the pollers
 * of events, as freeze.c does after a thaw.
 */
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "compat.h"
#include "mem/quota.h"
#include "priority.h"
#include "proc.h"
#include "thread.h"
#include "work.h"

/* --- The order of a queue ------------------------------------------------------- */

#define IS_FLOOD 1 /* bit of a rank */

static inline bool is_realtime(int rank)
{
	return rank < 2 * MAX_RT_PRIO;
}

/* Returns whether work is the first of its rank in the queue. */
static inline bool is_first(const struct ipcbus_queue *queue, const struct ipcbus_work *work)
{
	return list_is_first(&work->entry, &queue->list) ||
	       list_prev_entry(work, entry)->rank != work->rank;
}

static inline struct ipcbus_work *best(const struct ipcbus_queue *queue)
{
	return list_first_entry(&queue->list, struct ipcbus_work, entry);
}

/* Returns the first work with a worse rank. The queue must contain such work. */
static struct ipcbus_work *first_behind(const struct ipcbus_queue *queue, int rank)
{
	struct ipcbus_work *first, *behind = NULL;

	if (best(queue)->rank > rank)
		return best(queue);
	list_for_each_entry_reverse(first, &queue->levels, level) {
		if (first->rank <= rank)
			break;
		behind = first;
	}
	return behind;
}

/* Counts work that is charged to the quota. Returns whether the quota's user floods the queue. */
static bool count_queued(struct ipcbus_quota *quota)
{
	if (quota->queued++ >= IPCBUS_FLOOD)
		quota->floods = true;
	return quota->floods;
}

static void uncount_queued(struct ipcbus_quota *quota)
{
	if (!--quota->queued)
		quota->floods = false;
}

/* Queues work before another work of a worse rank, or at the end if before is NULL. */
static inline void insert(struct ipcbus_queue *queue, struct ipcbus_work *work,
			  struct ipcbus_work *before)
{
	if (likely(!before)) {
		list_add_tail(&work->entry, &queue->list);
		if (unlikely(best(queue)->rank != work->rank) && is_first(queue, work))
			list_add_tail(&work->level, &queue->levels);
	} else {
		list_add_tail(&work->entry, &before->entry);
		if (best(queue) == work)
			list_add(&before->level, &queue->levels);
		else if (is_first(queue, work))
			list_add_tail(&work->level, &before->level);
	}
	work->queue = queue;
	work->number = queue->number++;
	queue->count++;
	if (work->of_node)
		hlist_add_head(&work->at_node, work->of_node);
}

void ipcbus_queue_add_locked(struct ipcbus_queue *queue, struct ipcbus_work *work)
{
	struct ipcbus_work *last = NULL, *before = NULL;
	bool floods;

	if (!list_empty(&queue->list))
		last = list_last_entry(&queue->list, struct ipcbus_work, entry);
	work->quota = work->ops->quota ? work->ops->quota(work) : NULL;
	floods = unlikely(work->quota) && count_queued(work->quota);
	if (work->prio == IPCBUS_PRIORITY_NONE) {
		work->rank = last ? last->rank : 2 * DEFAULT_PRIO;
	} else {
		work->rank = 2 * work->prio;
		/* Realtime messages have no flood rank. They are taken in order. */
		if (unlikely(floods) && !is_realtime(work->rank))
			work->rank |= IS_FLOOD;
		if (unlikely(last && work->rank < last->rank))
			before = first_behind(queue, work->rank);
	}
	insert(queue, work, before);
}

/* Takes work out of its queue. If it was the first of its rank, its successor takes that place. */
static void take_out(struct ipcbus_work *work)
{
	struct ipcbus_queue *queue = work->queue;
	struct ipcbus_work *next = NULL;

	if (!list_is_last(&work->entry, &queue->list))
		next = list_next_entry(work, entry);
	if (best(queue) == work) {
		if (unlikely(next && next->rank != work->rank))
			list_del(&next->level);
	} else if (is_first(queue, work)) {
		if (next && next->rank == work->rank)
			list_add(&next->level, &work->level);
		list_del(&work->level);
	}
	list_del_init(&work->entry);
	if (work->of_node)
		hlist_del(&work->at_node);
	if (unlikely(work->quota))
		uncount_queued(work->quota);
	work->queue = NULL;
	queue->count--;
}

/* Returns the oldest work of all ranks. The best rank must not be realtime. */
static struct ipcbus_work *oldest(const struct ipcbus_queue *queue)
{
	struct ipcbus_work *first, *oldest = best(queue);

	list_for_each_entry(first, &queue->levels, level)
		if ((s32)(first->number - oldest->number) < 0)
			oldest = first;
	return oldest;
}

/* If the two best ranks are the normal and the flood rank of the same priority, returns the older
 * of their first works. Otherwise returns the best work. */
static struct ipcbus_work *older_of_two(const struct ipcbus_queue *queue)
{
	struct ipcbus_work *first = best(queue), *flood;

	flood = list_first_entry(&queue->levels, struct ipcbus_work, level);
	if ((first->rank ^ flood->rank) == IS_FLOOD && (s32)(flood->number - first->number) < 0)
		return flood;
	return first;
}

struct ipcbus_work *ipcbus_queue_pop_locked(struct ipcbus_queue *queue)
{
	struct ipcbus_work *work = best(queue);

	if (unlikely(!list_empty(&queue->levels)) && !is_realtime(work->rank)) {
		if (++queue->taken > IPCBUS_MAX_PASSED) {
			queue->taken = 0;
			work = oldest(queue);
		} else if (queue->taken % 2) {
			work = older_of_two(queue);
		}
	}
	take_out(work);
	return work;
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
	if (work->queue)
		take_out(work);
	else
		list_del_init(&work->entry);
	return true;
}

/* --- Waking --------------------------------------------------------------------- */

static void wake_pollers(struct ipcbus_proc *proc)
{
	if (wq_has_sleeper(&proc->poll_wait))
		wake_up_interruptible_sync_poll(&proc->poll_wait, EPOLLIN | EPOLLRDNORM);
}

void ipcbus_thread_kick_locked(struct ipcbus_thread *thread, bool here)
{
	lockdep_assert_held(&thread->proc->lock);
	WRITE_ONCE(thread->kick, true);
	/* Pairs with set_current_state(): the thread sees the kick, or this sees it asleep. */
	smp_mb();
	/* A sleeping thread has not ended. If it ends from here on, its task is freed only after an
	 * RCU grace period, and holding a spinlock is an RCU read side. */
	if (READ_ONCE(thread->asleep))
		ipcbus_wake_sync(&thread->waiter, here);
	else
		wake_pollers(thread->proc);
}

/* --- Queueing ------------------------------------------------------------------- */

void ipcbus_proc_queue_locked(struct ipcbus_proc *proc, struct ipcbus_work *work)
{
	struct ipcbus_thread *thread;

	lockdep_assert_held(&proc->lock);
	if (hlist_empty(&proc->pool.idle)) {
		ipcbus_queue_add_locked(&proc->work, work);
		wake_pollers(proc);
		return;
	}
	thread = hlist_entry(proc->pool.idle.first, struct ipcbus_thread, idle);
	hlist_del_init(&thread->idle);
	thread->given = work;
	work->thread = thread;
	ipcbus_thread_kick_locked(thread, work->here);
}

void ipcbus_thread_stop_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_work *work = thread->given;

	lockdep_assert_held(&thread->proc->lock);
	hlist_del_init(&thread->idle);
	if (work && ipcbus_work_unqueue_locked(work))
		ipcbus_queue_add_locked(&thread->proc->work, work);
}

void ipcbus_proc_discard(struct ipcbus_proc *proc)
{
	struct ipcbus_work *work = NULL;

	for (;;) {
		spin_lock(&proc->lock);
		if (!ipcbus_queue_is_empty_locked(&proc->work))
			work = ipcbus_queue_pop_locked(&proc->work);
		spin_unlock(&proc->lock);
		if (!work)
			return;
		work->ops->discard(work);
		work = NULL;
		cond_resched();
	}
}
