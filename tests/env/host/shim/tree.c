// SPDX-License-Identifier: MIT
/*
 * Search trees that nobody balances.
 */
#include <linux/rbtree.h>

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

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *next;

	if (!node->rb_left || !node->rb_right) {
		replace(root, node, node->rb_left ? node->rb_left : node->rb_right);
		return;
	}
	/* The next in order takes its place. */
	for (next = node->rb_right; next->rb_left; )
		next = next->rb_left;
	if (next->rb_parent != node) {
		replace(root, next, next->rb_right);
		next->rb_right = node->rb_right;
		next->rb_right->rb_parent = next;
	}
	replace(root, node, next);
	next->rb_left = node->rb_left;
	next->rb_left->rb_parent = next;
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

void rb_add(struct rb_node *node, struct rb_root *root,
	    bool (*less)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = less(node, parent) ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(node, parent, link);
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
