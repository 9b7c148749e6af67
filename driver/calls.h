/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls
 *
 * A call is open in its server's proc from the time a thread takes it until the server replies. A
 * reply names the call by a number that is unique in this proc. Callers decide how many calls are
 * open, so each hash bucket has a tree, which usually holds at most one call.
 *
 * If no thread waits for a call, the call is async. It is in a tree of its caller's proc until it
 * ends, and CANCEL finds it there by its cookie. The caller chooses the cookies, and replying
 * servers take the same lock. So the search must be short for any choice of cookies, which a hash
 * table could not guarantee.
 */
#ifndef IPCBUS_CALLS_H
#define IPCBUS_CALLS_H

#include <linux/rbtree.h>
#include <linux/rbtree_augmented.h>

#include "proc.h"
#include "transaction.h"

/* --- Open calls ------------------------------------------------------------- */

static inline bool ipcbus_is_open_locked(const struct ipcbus_transaction *t)
{
	return !RB_EMPTY_NODE(&t->open);
}

static inline bool ipcbus_open_is_before(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcbus_transaction, open)->call <
	       rb_entry(b, struct ipcbus_transaction, open)->call;
}

/* Adds a call to a bucket that is not empty. */
static noinline void ipcbus_open_add_more_locked(struct rb_root *root, struct ipcbus_transaction *t)
{
	rb_add(&t->open, root, ipcbus_open_is_before);
}

static __always_inline void ipcbus_open_add_locked(struct ipcbus_proc *proc,
						   struct ipcbus_transaction *t)
{
	struct rb_root *root = &proc->calls.open[t->call % IPCBUS_OPEN_TREES];

	lockdep_assert_held(&proc->lock);
	if (unlikely(root->rb_node)) {
		ipcbus_open_add_more_locked(root, t);
		return;
	}
	/* The root of a tree is black. */
	rb_link_node(&t->open, NULL, &root->rb_node);
	rb_set_parent_color(&t->open, NULL, RB_BLACK);
}

static __always_inline void ipcbus_open_remove_locked(struct ipcbus_proc *proc,
						      struct ipcbus_transaction *t)
{
	struct rb_root *root = &proc->calls.open[t->call % IPCBUS_OPEN_TREES];

	lockdep_assert_held(&proc->lock);
	if (likely(root->rb_node == &t->open && !t->open.rb_left && !t->open.rb_right))
		*root = RB_ROOT;
	else
		rb_erase(&t->open, root);
	RB_CLEAR_NODE(&t->open);
}

static __always_inline struct ipcbus_transaction *ipcbus_open_find_locked(struct ipcbus_proc *proc,
									  u64 call)
{
	struct rb_node *node = proc->calls.open[call % IPCBUS_OPEN_TREES].rb_node;
	struct ipcbus_transaction *t;

	lockdep_assert_held(&proc->lock);
	while (node) {
		t = rb_entry(node, struct ipcbus_transaction, open);
		if (likely(t->call == call))
			return t;
		node = call < t->call ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* Returns the call with the lowest number from @call on in the bucket @tree, or NULL. */
static inline struct ipcbus_transaction *ipcbus_open_next_locked(struct ipcbus_proc *proc,
								 u32 tree, u64 call)
{
	struct rb_node *node = proc->calls.open[tree].rb_node;
	struct ipcbus_transaction *t, *next = NULL;

	lockdep_assert_held(&proc->lock);
	while (node) {
		t = rb_entry(node, struct ipcbus_transaction, open);
		if (t->call >= call)
			next = t;
		node = t->call >= call ? node->rb_left : node->rb_right;
	}
	return next;
}

/* --- Async calls ------------------------------------------------------------ */

static inline bool ipcbus_async_is_before(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcbus_transaction, async_entry)->cookie <
	       rb_entry(b, struct ipcbus_transaction, async_entry)->cookie;
}

static inline void ipcbus_async_add_locked(struct ipcbus_proc *proc, struct ipcbus_transaction *t)
{
	lockdep_assert_held(&proc->lock);
	rb_add(&t->async_entry, &proc->calls.asyncs, ipcbus_async_is_before);
}

static inline void ipcbus_async_remove_locked(struct ipcbus_proc *proc,
					      struct ipcbus_transaction *t)
{
	lockdep_assert_held(&proc->lock);
	rb_erase(&t->async_entry, &proc->calls.asyncs);
}

static inline struct ipcbus_transaction *ipcbus_async_find_locked(struct ipcbus_proc *proc,
								  u64 cookie)
{
	struct rb_node *node = proc->calls.asyncs.rb_node;
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
