/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queue
 *
 * What waits for any thread of a proc, in the order of priorities. work.c queues and
 * takes.
 */
#ifndef IPCBUS_QUEUE_H
#define IPCBUS_QUEUE_H

#include <linux/list.h>
#include <linux/types.h>

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

#endif
