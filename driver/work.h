/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whatever is handed to a thread or waits in a queue of a proc. Each kind says
 * how it is delivered and how it is cancelled, so that nothing that can be
 * queued can be forgotten when a proc goes away.
 */
#ifndef IPCBUS_WORK_H
#define IPCBUS_WORK_H

#include <linux/list.h>
#include <linux/sched/prio.h>

#include "main.h"

struct ipcbus_work;

/**
 * struct ipcbus_work_ops - one kind of work
 * @deliver: in the receiving thread, no lock held, work off every queue: fills
 *	event and returns true, or false if there is nothing to tell (any more)
 * @discard: the proc is going, no lock held, work off every queue
 */
struct ipcbus_work_ops {
	bool (*deliver)(struct ipcbus_work *work, struct ipcbus_thread *thread,
			struct ipcbus_event *event);
	void (*discard)(struct ipcbus_work *work);
};

/**
 * struct ipcbus_work - one item
 * @entry: in proc->work, thread->work or a node's oneways (proc->lock);
 *	empty while in none
 * @thread: instead: whose thread->given it is (proc->lock)
 * @ops: what it is
 * @prio: by which it is queued (priority.h), or MAX_PRIO; constant
 * @rank: that, or what it found when it was queued without one (proc->lock)
 * @passed: how often it was overtaken (proc->lock)
 */
struct ipcbus_work {
	struct list_head entry;
	struct ipcbus_thread *thread;
	const struct ipcbus_work_ops *ops;
	s16 prio;
	s16 rank;
	u16 passed;
};

static inline void ipcbus_work_init(struct ipcbus_work *work, const struct ipcbus_work_ops *ops)
{
	INIT_LIST_HEAD(&work->entry);
	work->thread = NULL;
	work->ops = ops;
	work->prio = MAX_PRIO;
}

/* Is it in any queue, or given to a thread (proc->lock)? */
static inline bool ipcbus_work_is_queued_locked(const struct ipcbus_work *work)
{
	return work->thread || !list_empty(&work->entry);
}

/* Takes work off whatever queue it is in; false if it is in none (proc->lock). */
bool ipcbus_work_unqueue_locked(struct ipcbus_work *work);

#endif
