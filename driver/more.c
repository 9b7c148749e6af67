// SPDX-License-Identifier: GPL-2.0-only
/*
 * More events: see more.h. wait.c takes them, and exchange.c has them written.
 */
#include <linux/uaccess.h>

#include "deliver.h"
#include "more.h"
#include "node.h"
#include "proc.h"
#include "thread.h"
#include "transaction.h"

/* The next one of the node that may follow, or NULL. */
static struct ipcbus_transaction *next_locked(const struct ipcbus_node_entry *node)
{
	struct ipcbus_transaction *t;

	lockdep_assert_held(&node->proc->lock);
	/* What waits for any thread has its turn first. A dead node's oneways are discarded. The
	 * priority of a node is the thread's for one oneway, until its buffer is released. */
	if (node->dead || node->flags & IPCBUS_NODE_PRIORITY || list_empty(&node->oneways) ||
	    !ipcbus_queue_is_empty_locked(&node->proc->work))
		return NULL;
	t = ipcbus_transaction_of(list_first_entry(&node->oneways, struct ipcbus_work, entry));
	return t->replaces ? NULL : t;
}

void ipcbus_more_take_locked(struct ipcbus_more *more, struct ipcbus_work *work,
			     struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t = ipcbus_transaction_of(work), **link = &more->first;
	struct ipcbus_node_entry *node;
	u32 count;

	lockdep_assert_held(&thread->proc->lock);
	if (!t || !t->oneway)
		return;
	node = t->node;
	for (count = 0; count < more->most; count++) {
		t = next_locked(node);
		if (!t)
			break;
		list_del_init(&t->work.entry);
		t->work.waits = false;
		node->oneway_count--;
		node->oneway_busy++;
		ipcbus_deliver_taken_locked(&t->work, thread);
		*link = t;
		link = &t->from_below;
	}
	*link = NULL;
}

bool ipcbus_more_pop(struct ipcbus_more *more, struct ipcbus_thread *thread,
		     struct ipcbus_event *event)
{
	struct ipcbus_transaction *t;

	while ((t = more->first)) {
		more->first = t->from_below;
		if (t->work.ops->deliver(&t->work, thread, event))
			return true;
	}
	return false;
}

void ipcbus_more_write(struct ipcbus_more *more, struct ipcbus_thread *thread, u32 __user *count)
{
	struct ipcbus_event event;
	u32 i;

	for (i = 0; more->first; i++) {
		event = (struct ipcbus_event){ .thread = thread->number };
		if (!ipcbus_more_pop(more, thread, &event))
			break;
		if (!copy_to_user(&more->events[i], &event, sizeof(event)) &&
		    !put_user(i + 1, count))
			continue;
		ipcbus_more_put_back(more);
		break;
	}
}

/* Before those that came meanwhile. */
static void put_back_locked(struct ipcbus_node_entry *node, struct ipcbus_transaction *t)
{
	struct list_head *after = &node->oneways;

	lockdep_assert_held(&node->proc->lock);
	for (; t; t = t->from_below) {
		t->work.waits = true;
		list_add(&t->work.entry, after);
		after = &t->work.entry;
		node->oneway_count++;
		node->oneway_busy--;
	}
	/* Others may have released what was before. */
	if (!node->oneway_busy)
		ipcbus_node_next_oneway_locked(node);
}

void ipcbus_more_put_back(struct ipcbus_more *more)
{
	struct ipcbus_transaction *t = more->first, *next;
	struct ipcbus_node_entry *node;
	bool is_dead;

	if (!t)
		return;
	more->first = NULL;
	node = t->node;
	spin_lock(&node->proc->lock);
	is_dead = node->dead;
	if (!is_dead)
		put_back_locked(node, t);
	spin_unlock(&node->proc->lock);
	/* What is queued there now is for others. */
	for (; is_dead && t; t = next) {
		next = t->from_below;
		t->work.ops->discard(&t->work);
	}
}
