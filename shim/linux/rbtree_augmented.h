/* SPDX-License-Identifier: MIT */
/* Internals of the kernel's trees. The trees here have no colors. */
#pragma once

#include "rbtree.h"

#define RB_BLACK 1

static inline void rb_set_parent_color(struct rb_node *node, struct rb_node *parent, int color)
{
	(void)color;
	node->rb_parent = parent;
}
