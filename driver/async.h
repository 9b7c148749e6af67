/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asynchronous calls
 *
 * A call for which no thread waits is in a tree of its caller's proc until it ends. CANCEL
 * finds it there by its cookie. The caller chooses the cookies, and several calls may have the
 * same one. Others take the lock of the proc, too, when they reply: so no cookies may make the
 * search long, as they could in a hash table.
 */
#ifndef IPCBUS_ASYNC_H
#define IPCBUS_ASYNC_H

#include <linux/rbtree.h>

#include "proc.h"
#include "transaction.h"

static inline void ipcbus_async_add_locked(struct ipcbus_proc *proc, struct ipcbus_transaction *t)
{
	struct rb_node **link = &proc->asyncs.rb_node, *parent = NULL;

	lockdep_assert_held(&proc->lock);
	while (*link) {
		parent = *link;
		if (t->cookie < rb_entry(parent, struct ipcbus_transaction, async_entry)->cookie)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&t->async_entry, parent, link);
	rb_insert_color(&t->async_entry, &proc->asyncs);
}

static inline void ipcbus_async_remove_locked(struct ipcbus_proc *proc,
					      struct ipcbus_transaction *t)
{
	lockdep_assert_held(&proc->lock);
	rb_erase(&t->async_entry, &proc->asyncs);
}

/* NULL: there is none. */
static inline struct ipcbus_transaction *ipcbus_async_find_locked(struct ipcbus_proc *proc,
								  u64 cookie)
{
	struct rb_node *node = proc->asyncs.rb_node;
	struct ipcbus_transaction *t;

	lockdep_assert_held(&proc->lock);
	while (node) {
		t = rb_entry(node, struct ipcbus_transaction, async_entry);
		if (t->cookie == cookie)
			return t;
		node = cookie < t->cookie ? node->rb_left : node->rb_right;
	}
	return NULL;
}

#endif
