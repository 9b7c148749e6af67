/* SPDX-License-Identifier: MIT */
/*
 * Search trees. Each node gets a random priority, and a parent never has a lower priority than its
 * child. So an attacker who chooses the keys cannot choose the depth of a tree.
 */
#pragma once

#include "../kernel.h"

struct rb_node {
	struct rb_node *rb_parent;
	struct rb_node *rb_left;
	struct rb_node *rb_right;
	u32 priority;
};

struct rb_root {
	struct rb_node *rb_node;
};

#define RB_ROOT ((struct rb_root){ NULL })
#define rb_entry(ptr, type, member) container_of(ptr, type, member)

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent,
				struct rb_node **link)
{
	*node = (struct rb_node){ .rb_parent = parent };
	*link = node;
}

void rb_insert_color(struct rb_node *node, struct rb_root *root);
void rb_replace_node(struct rb_node *old, struct rb_node *node, struct rb_root *root);
void rb_erase(struct rb_node *node, struct rb_root *root);

#define RB_EMPTY_ROOT(root) (!(root)->rb_node)

/* Iterate in order. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);

#define RB_CLEAR_NODE(node) ((node)->rb_parent = (node))
#define RB_EMPTY_NODE(node) ((node)->rb_parent == (node))
#define rb_entry_safe(ptr, type, member) \
	({ struct rb_node *ptr_ = (ptr); ptr_ ? rb_entry(ptr_, type, member) : NULL; })

struct rb_root_cached {
	struct rb_root rb_root;
};

#define RB_ROOT_CACHED ((struct rb_root_cached){ RB_ROOT })

struct rb_node *rb_find(const void *key, const struct rb_root *root,
			int (*compare)(const void *, const struct rb_node *));
struct rb_node *rb_find_add(struct rb_node *node, struct rb_root *root,
			    int (*compare)(struct rb_node *, const struct rb_node *));
void rb_add(struct rb_node *node, struct rb_root *root,
	    bool (*less)(struct rb_node *, const struct rb_node *));
struct rb_node *rb_first_cached(const struct rb_root_cached *root);
struct rb_node *rb_add_cached(struct rb_node *node, struct rb_root_cached *root,
			      bool (*less)(struct rb_node *, const struct rb_node *));

static inline void rb_erase_cached(struct rb_node *node, struct rb_root_cached *root)
{
	rb_erase(node, &root->rb_root);
}
