/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open calls
 *
 * A call is open in its server's proc from when a thread takes it until somebody replies.
 * A reply names it by its number. Each proc counts the calls that it takes, so a number
 * says nothing of other procs. Callers decide how many calls there are, so a table of a
 * fixed size would not do: it has a tree in each place, which mostly has one call at most.
 */
#ifndef IPCBUS_OPEN_H
#define IPCBUS_OPEN_H

#include <linux/rbtree_augmented.h>

#include "proc.h"
#include "transaction.h"

static inline bool ipcbus_is_open_locked(const struct ipcbus_transaction *t)
{
	return !RB_EMPTY_NODE(&t->open);
}

/* Into a tree that has others. */
static noinline void ipcbus_open_add_more_locked(struct rb_root *root, struct ipcbus_transaction *t)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (t->call < rb_entry(parent, struct ipcbus_transaction, open)->call)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&t->open, parent, link);
	rb_insert_color(&t->open, root);
}

static __always_inline void ipcbus_open_add_locked(struct ipcbus_proc *proc,
						   struct ipcbus_transaction *t)
{
	struct rb_root *root = &proc->open[t->call % IPCBUS_OPEN_TREES];

	lockdep_assert_held(&proc->lock);
	if (unlikely(root->rb_node)) {
		ipcbus_open_add_more_locked(root, t);
		return;
	}
	/* A root without others is black. */
	rb_link_node(&t->open, NULL, &root->rb_node);
	rb_set_parent_color(&t->open, NULL, RB_BLACK);
}

static __always_inline void ipcbus_open_remove_locked(struct ipcbus_proc *proc,
						      struct ipcbus_transaction *t)
{
	struct rb_root *root = &proc->open[t->call % IPCBUS_OPEN_TREES];

	lockdep_assert_held(&proc->lock);
	if (likely(root->rb_node == &t->open && !t->open.rb_left && !t->open.rb_right))
		*root = RB_ROOT;
	else
		rb_erase(&t->open, root);
	RB_CLEAR_NODE(&t->open);
}

/* NULL: there is none. */
static __always_inline struct ipcbus_transaction *ipcbus_open_find_locked(struct ipcbus_proc *proc,
									  u64 call)
{
	struct rb_node *node = proc->open[call % IPCBUS_OPEN_TREES].rb_node;
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

/* The one with the next number from that on in one of the trees; NULL: no more. */
static inline struct ipcbus_transaction *ipcbus_open_next_locked(struct ipcbus_proc *proc,
								 u32 tree, u64 call)
{
	struct rb_node *node = proc->open[tree].rb_node;
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

#endif
