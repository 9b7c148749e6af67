// SPDX-License-Identifier: MIT
/*
 * Wait queues. A wake-up calls the entries in order until one of them returns a negative value. It
 * holds the queue's lock, so it never calls an entry that was removed.
 */
#include <linux/wait.h>

#include "shim.h"

void init_waitqueue_entry(wait_queue_entry_t *entry, struct task_struct *task)
{
	*entry = (wait_queue_entry_t){ .task = task, .func = default_wake_function };
	INIT_LIST_HEAD(&entry->entry);
}

void add_wait_queue(wait_queue_head_t *wq, wait_queue_entry_t *entry)
{
	spin_lock(&wq->lock);
	list_add(&entry->entry, &wq->head);
	spin_unlock(&wq->lock);
}

void remove_wait_queue(wait_queue_head_t *wq, wait_queue_entry_t *entry)
{
	spin_lock(&wq->lock);
	list_del_init(&entry->entry);
	spin_unlock(&wq->lock);
}

bool wq_has_sleeper(wait_queue_head_t *wq)
{
	smp_mb();
	return !list_empty(&wq->head);
}

int default_wake_function(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	(void)mode, (void)flags, (void)key;
	shim_wake(entry->task);
	return 1;
}

void __wake_up(wait_queue_head_t *wq, unsigned int mode, int nr, void *key)
{
	wait_queue_entry_t *entry, *next;

	(void)nr;
	spin_lock(&wq->lock);
	/* An entry may remove itself. */
	list_for_each_entry_safe(entry, next, &wq->head, entry)
		if (entry->func(entry, mode, 0, key) < 0)
			break;
	spin_unlock(&wq->lock);
}
