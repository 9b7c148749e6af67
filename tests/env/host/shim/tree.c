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

struct rb_node *rb_first_cached(const struct rb_root_cached *root)
{
	struct rb_node *node = root->rb_root.rb_node;

	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

struct rb_node *rb_add_cached(struct rb_node *node, struct rb_root_cached *root,
			      bool (*less)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &root->rb_root.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = less(node, parent) ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(node, parent, link);
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
