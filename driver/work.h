/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work
 *
 * Work is whatever a thread can be given: a message, the end of a call, a
 * notification. A proc has one queue for all its threads, and each thread has one for
 * calls that come back to it. Each kind of work has operations, so that nothing
 * that can be queued is forgotten when a proc or node dies:
 *
 *   deliver  makes an event of it for the thread that took it
 *   discard  drops it, because its proc or node is dying
 *
 * ipcbus_proc_queue_locked() is the only way to publish work. Whoever takes work off a
 * queue owns it, and calls one of the two operations without a lock.
 *
 * A proc's queue is in the order of priorities. Of each priority there are two ranks. In the
 * second one is what a user sent who floods the queue: who has IPCBUS_FLOOD messages in it that
 * are charged to a quota (mem/quota.h), until none of them is left. The two ranks have turns, so
 * a flood delays what others send by one message for each of theirs. Messages of one user and
 * one priority keep their order.
 *
 * No step on a queue depends on how much it holds, because others decide that:
 *
 *   - The first work of each rank also stands in a list of its own, so that work is queued
 *     after at most one step for each rank that is there.
 *   - What is for a node also stands in the node's list, so that a node that dies finds
 *     its own.
 */
#ifndef IPCBUS_WORK_H
#define IPCBUS_WORK_H

#include <linux/list.h>
#include <linux/sched/prio.h>
#include <linux/types.h>

#include "main.h"

/**
 * struct ipcbus_queue - what waits for any thread of a proc (proc->lock for all of it)
 * @list: all of it, the best first
 * @levels: the first of each rank but the best, in the same order
 * @count: how many
 * @number: of what is queued next
 * @taken: how many were taken since the oldest was
 */
struct ipcbus_queue {
	struct list_head list;
	struct list_head levels;
	u32 count;
	u32 number;
	u32 taken;
};

static inline void ipcbus_queue_init(struct ipcbus_queue *queue)
{
	INIT_LIST_HEAD(&queue->list);
	INIT_LIST_HEAD(&queue->levels);
	queue->count = 0;
	queue->number = 0;
	queue->taken = 0;
}

static inline bool ipcbus_queue_is_empty_locked(const struct ipcbus_queue *queue)
{
	return list_empty(&queue->list);
}

/**
 * struct ipcbus_work_ops - one kind of work
 * @deliver: Called in the receiving thread. Fills in event and returns true. Returns
 *	false if there is nothing to report any more. May sleep.
 * @discard: The proc is dying. May sleep.
 * @quota: What it is charged to, or NULL. If there is no such operation, nothing is.
 */
struct ipcbus_work_ops {
	bool (*deliver)(struct ipcbus_work *work, struct ipcbus_thread *thread,
			struct ipcbus_event *event);
	void (*discard)(struct ipcbus_work *work);
	struct ipcbus_quota *(*quota)(const struct ipcbus_work *work);
};

/**
 * struct ipcbus_work - one item
 * @entry: in proc->work, thread->work or a node's oneways (proc->lock);
 *	empty while in none
 * @thread: instead: whose thread->given it is (proc->lock)
 * @queue: proc->work while it is in that, else NULL (proc->lock)
 * @level: in queue->levels if it is the first of its rank in @queue, but for the best
 *	rank (proc->lock)
 * @of_node: where its node lists what is in @queue for it; NULL: it is for none; constant
 * @at_node: in that list while it is in @queue (proc->lock)
 * @quota: what counts it as queued while it is in @queue, or NULL (proc->lock)
 * @ops: what it is
 * @number: counts what was queued in @queue (proc->lock)
 * @prio: by which it is queued (priority.h), or MAX_PRIO; constant
 * @rank: twice that, and 1 more for what floods @queue; or what it found when it was queued
 *	without a priority (proc->lock)
 * @waits: it is in a node's oneways, behind another (proc->lock)
 * @here: who queues it waits for it from now on, so it best runs on this CPU
 */
struct ipcbus_work {
	struct list_head entry;
	struct ipcbus_thread *thread;
	struct ipcbus_queue *queue;
	struct list_head level;
	struct hlist_head *of_node;
	struct hlist_node at_node;
	struct ipcbus_quota *quota;
	const struct ipcbus_work_ops *ops;
	u32 number;
	s16 prio;
	s16 rank;
	bool waits;
	bool here;
};

/* Queues work by its priority. Work without one comes after all that is there. */
void ipcbus_queue_add_locked(struct ipcbus_queue *queue, struct ipcbus_work *work);
/*
 * Takes the best work of a queue that is not empty. While several ranks wait that are not
 * realtime, each 65th work that is not realtime is the oldest one instead. Of the two ranks of
 * the best priority, each second work is the older one.
 */
struct ipcbus_work *ipcbus_queue_pop_locked(struct ipcbus_queue *queue);

static inline void ipcbus_work_init(struct ipcbus_work *work, const struct ipcbus_work_ops *ops)
{
	INIT_LIST_HEAD(&work->entry);
	work->thread = NULL;
	work->queue = NULL;
	work->of_node = NULL;
	work->ops = ops;
	work->prio = MAX_PRIO;
	work->here = false;
}

/* Is it in any queue, or given to a thread (proc->lock)? */
static inline bool ipcbus_work_is_queued_locked(const struct ipcbus_work *work)
{
	return work->thread || !list_empty(&work->entry);
}

/* Takes work off whatever queue it is in; false if it is in none (proc->lock). */
bool ipcbus_work_unqueue_locked(struct ipcbus_work *work);

/* Takes the first work off a list that is not empty: a thread's or a node's
 * (proc->lock). */
static inline struct ipcbus_work *ipcbus_work_pop_locked(struct list_head *list)
{
	struct ipcbus_work *work = list_first_entry(list, struct ipcbus_work, entry);

	list_del_init(&work->entry);
	return work;
}

/*
 * Publishes work (proc->lock): gives it to the thread that went idle last and wakes
 * that, or queues it for the next thread that looks and wakes those who poll. The proc
 * must not be dead. No reference of the thread is needed: it cannot end before the
 * lock is free.
 */
void ipcbus_proc_queue_locked(struct ipcbus_proc *proc, struct ipcbus_work *work);

/* Discards all in the queue of a proc that is dead. */
void ipcbus_proc_discard(struct ipcbus_proc *proc);

/* Makes the thread look, and wakes it if it sleeps (proc->lock). here: see compat.h. */
void ipcbus_thread_kick_locked(struct ipcbus_thread *thread, bool here);

/* Hands the thread nothing more, and queues again what it was given and has not looked at
 * (proc->lock). */
void ipcbus_thread_stop_locked(struct ipcbus_thread *thread);

#endif
