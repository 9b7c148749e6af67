/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work
 *
 * Work is an item for a thread: a message, the end of a call, or a notification. A proc has a queue
 * for all its threads, and each thread has a queue for calls that come back to it. When a proc or
 * node dies, all its queued work is discarded. So each kind of work has two operations:
 *
 *   deliver  makes an event of the work for the thread that took it
 *   discard  drops the work, because its proc or node is dying
 *
 * Only ipcbus_proc_queue_locked() publishes work. The thread that takes work off a queue owns the
 * work, and must call either operation without holding a lock.
 *
 * A proc's queue is ordered by priority. Each priority has two ranks. The second rank holds work of
 * users that flood the queue: if IPCBUS_FLOOD messages in the queue are charged to a user's quota
 * (mem/quota.h), the next messages of that user are a flood, until none of them is left. The two
 * ranks take turns, so a flood delays each message of another user by at most one message. Messages
 * of one user and one priority keep their order.
 *
 * Operations on a queue must not depend on its length, because senders control the length:
 *
 *   - The first work of each rank is also in a list of its own, so inserting takes at most one step
 *     per rank in use.
 *   - Work for a node is also in the node's list, so a dying node finds its own work.
 */
#ifndef IPCBUS_WORK_H
#define IPCBUS_WORK_H

#include <linux/list.h>
#include <linux/sched/prio.h>
#include <linux/types.h>

#include "main.h"

/**
 * struct ipcbus_queue - work for any thread of a proc (protected by proc->lock)
 * @list: all work, the best first
 * @levels: the first work of each rank except the best, in the same order
 * @count: length of @list
 * @number: number of the next work to be queued
 * @taken: number of works taken since the oldest was taken out of turn
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
 * struct ipcbus_work_ops - a kind of work
 * @deliver: Called in the receiving thread. Fills in event and returns true. Returns false if the
 *	work is stale. May sleep.
 * @discard: Called when the proc or node is dying. May sleep.
 * @quota: Returns the quota that the work is charged to, or NULL. May be NULL.
 */
struct ipcbus_work_ops {
	bool (*deliver)(struct ipcbus_work *work, struct ipcbus_thread *thread,
			struct ipcbus_event *event);
	void (*discard)(struct ipcbus_work *work);
	struct ipcbus_quota *(*quota)(const struct ipcbus_work *work);
};

/**
 * struct ipcbus_work - an item
 * @entry: in proc->work, thread->work or a node's oneways (proc->lock); empty if queued nowhere
 * @thread: the idle thread that got the work as its thread->given, or NULL (proc->lock)
 * @queue: proc->work while the work is in it, else NULL (proc->lock)
 * @level: in queue->levels if it is the first of its rank, and that is not the best (proc->lock)
 * @of_node: the node's list of queued work; NULL if the work is not for a node; constant
 * @at_node: entry in @of_node while the work is in @queue (proc->lock)
 * @quota: the quota that counts the work while it is in @queue, or NULL (proc->lock)
 * @ops: the kind of work
 * @number: position in the order in which work was added to @queue (proc->lock)
 * @prio: priority by which the work is queued (priority.h), or MAX_PRIO; constant
 * @rank: 2 * @prio, plus 1 for work that floods @queue. Work without a priority gets the rank of
 *	the last work in the queue (proc->lock)
 * @waits: the work is in a node's oneways, behind another (proc->lock)
 * @here: the queueing thread waits for the result, so the woken thread should run on this CPU
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

/* Queues work by its priority. Work without a priority goes to the end. */
void ipcbus_queue_add_locked(struct ipcbus_queue *queue, struct ipcbus_work *work);
/* Takes the best work of a queue that is not empty. If several ranks other than realtime are
 * queued, every 65th work is the oldest of them instead. Of the two ranks of the best priority,
 * every second work is the older of both. */
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

/* Returns whether the work is in a queue or given to a thread (proc->lock). */
static inline bool ipcbus_work_is_queued_locked(const struct ipcbus_work *work)
{
	return work->thread || !list_empty(&work->entry);
}

/* Takes work off the queue that it is in; returns false if it is in none (proc->lock). */
bool ipcbus_work_unqueue_locked(struct ipcbus_work *work);

/* Takes the first work off the list of a thread or node, which must not be empty (proc->lock). */
static inline struct ipcbus_work *ipcbus_work_pop_locked(struct list_head *list)
{
	struct ipcbus_work *work = list_first_entry(list, struct ipcbus_work, entry);

	list_del_init(&work->entry);
	return work;
}

/* Publishes work (proc->lock). If a thread is idle, gives the work to the thread that went idle
 * last and wakes it. Otherwise queues the work and wakes pollers. The proc must not be dead. The
 * thread cannot be freed before the lock is dropped, so no reference is needed. */
void ipcbus_proc_queue_locked(struct ipcbus_proc *proc, struct ipcbus_work *work);

/* Discards all work in the queue of a dead proc. */
void ipcbus_proc_discard(struct ipcbus_proc *proc);

/* Makes the thread examine its queues, and wakes it (proc->lock). here: see compat.h. */
void ipcbus_thread_kick_locked(struct ipcbus_thread *thread, bool here);

/* Takes the thread off the idle list, and queues work again that was given to it and that it has
 * not taken (proc->lock). */
void ipcbus_thread_stop_locked(struct ipcbus_thread *thread);

#endif
