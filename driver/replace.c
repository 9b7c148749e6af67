// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replacing what is queued: see transaction.h. What may be replaced stands, beside
 * its queue, in a tree of its node's, so that a long queue is not searched under
 * the lock. Called by request.c for what is sent and by transaction.c for what is
 * taken.
 */
#include "buffer.h"
#include "node.h"
#include "proc.h"
#include "transaction.h"

static bool is_before(const struct ipcbus_transaction *a, const struct ipcbus_transaction *b)
{
	return a->replaces < b->replaces || (a->replaces == b->replaces && a->code < b->code);
}

static struct ipcbus_transaction *find_locked(struct ipcbus_transaction *t,
					      struct rb_node ***ret_link,
					      struct rb_node **ret_parent)
{
	struct rb_node **link = &t->node->replaceable.rb_node;
	struct ipcbus_transaction *other = NULL;

	lockdep_assert_held(&t->node->proc->lock);
	*ret_parent = NULL;
	while (*link) {
		*ret_parent = *link;
		other = rb_entry(*link, struct ipcbus_transaction, replaceable);
		if (is_before(t, other))
			link = &(*link)->rb_left;
		else if (is_before(other, t))
			link = &(*link)->rb_right;
		else
			break;
	}
	*ret_link = link;
	return *link ? other : NULL;
}

struct ipcbus_transaction *ipcbus_replace_locked(struct ipcbus_transaction *t)
{
	struct ipcbus_node_entry *node = t->node;
	struct rb_node **link, *parent;
	struct ipcbus_transaction *old;

	old = find_locked(t, &link, &parent);
	if (!old) {
		rb_link_node(&t->replaceable, parent, link);
		rb_insert_color(&t->replaceable, &node->replaceable);
		return NULL;
	}
	rb_replace_node(&old->replaceable, &t->replaceable, &node->replaceable);
	ipcbus_work_unqueue_locked(&old->work);
	node->pending--;
	/* The first of the queue lets the one behind it go. */
	if (old->work.waits)
		node->oneway_count--;
	else
		ipcbus_node_next_oneway_locked(node);
	return old;
}

void ipcbus_replace_drop(struct ipcbus_transaction *old)
{
	ipcbus_buffer_drop(&old->node->proc->region, old->buffer);
	ipcbus_transaction_put(old, NULL);
}

void ipcbus_replace_taken_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->node->proc->lock);
	/* A dead node's tree is not looked at any more. */
	if (!t->node->dead)
		rb_erase(&t->replaceable, &t->node->replaceable);
}
