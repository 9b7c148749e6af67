// SPDX-License-Identifier: MIT
/*
 * Search trees with random balance: see rbtree.h.
 */
#include <sys/random.h>

#include <linux/rbtree.h>

#include "shim.h"

/* Users must not be able to guess the priorities. Under the deterministic scheduler each run has
 * the same. */
static u32 random_priority(void)
{
	static __thread u64 state;

	if (!state && !shim_is_deterministic)
		BUG_ON(getrandom(&state, sizeof(state), 0) != sizeof(state));
	/* Marsaglia's xorshift, which never returns to 0. */
	state |= !state;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

static void replace(struct rb_root *root, struct rb_node *old, struct rb_node *node)
{
	if (!old->rb_parent)
		root->rb_node = node;
	else if (old->rb_parent->rb_left == old)
		old->rb_parent->rb_left = node;
	else
		old->rb_parent->rb_right = node;
	if (node)
		node->rb_parent = old->rb_parent;
}

/* Rotates the node above its parent. */
static void rotate_up(struct rb_root *root, struct rb_node *node)
{
	struct rb_node *parent = node->rb_parent, *between;
	bool is_left = parent->rb_left == node;

	between = is_left ? node->rb_right : node->rb_left;
	replace(root, parent, node);
	if (is_left) {
		parent->rb_left = between;
		node->rb_right = parent;
	} else {
		parent->rb_right = between;
		node->rb_left = parent;
	}
	if (between)
		between->rb_parent = parent;
	parent->rb_parent = node;
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	node->priority = random_priority();
	while (node->rb_parent && node->rb_parent->priority < node->priority)
		rotate_up(root, node);
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	while (node->rb_left && node->rb_right)
		rotate_up(root, node->rb_left->priority > node->rb_right->priority ?
					node->rb_left : node->rb_right);
	replace(root, node, node->rb_left ? node->rb_left : node->rb_right);
}

static struct rb_node *leftmost(struct rb_node *node)
{
	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return leftmost(root->rb_node);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	if (node->rb_right)
		return leftmost(node->rb_right);
	while (node->rb_parent && node->rb_parent->rb_right == node)
		node = node->rb_parent;
	return node->rb_parent;
}

struct rb_node *rb_first_cached(const struct rb_root_cached *root)
{
	return rb_first(&root->rb_root);
}

struct rb_node *rb_find(const void *key, const struct rb_root *root,
			int (*compare)(const void *, const struct rb_node *))
{
	struct rb_node *node = root->rb_node;
	int order;

	while (node && (order = compare(key, node)))
		node = order < 0 ? node->rb_left : node->rb_right;
	return node;
}

struct rb_node *rb_find_add(struct rb_node *node, struct rb_root *root,
			    int (*compare)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &root->rb_node, *parent = NULL;
	int order;

	while (*link) {
		parent = *link;
		order = compare(node, parent);
		if (!order)
			return parent;
		link = order < 0 ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(node, parent, link);
	rb_insert_color(node, root);
	return NULL;
}

void rb_add(struct rb_node *node, struct rb_root *root,
	    bool (*less)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = less(node, parent) ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(node, parent, link);
	rb_insert_color(node, root);
}

struct rb_node *rb_add_cached(struct rb_node *node, struct rb_root_cached *root,
			      bool (*less)(struct rb_node *, const struct rb_node *))
{
	rb_add(node, &root->rb_root, less);
	return node;
}

void rb_replace_node(struct rb_node *old, struct rb_node *node, struct rb_root *root)
{
	*node = *old;
	replace(root, old, node);
	if (node->rb_left)
		node->rb_left->rb_parent = node;
	if (node->rb_right)
		node->rb_right->rb_parent = node;
}
