/* SPDX-License-Identifier: MIT */
/* Lists to which many add at once, and of which one takes all. */
#pragma once

#include "../kernel.h"

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

#define llist_entry(ptr, type, member) container_of(ptr, type, member)

/* Was the list empty? */
static inline bool llist_add(struct llist_node *node, struct llist_head *head)
{
	struct llist_node *first = __atomic_load_n(&head->first, __ATOMIC_RELAXED);

	shim_point("llist_add", "");
	do {
		node->next = first;
	} while (!__atomic_compare_exchange_n(&head->first, &first, node, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	/* From here on the node is somebody else's. */
	return !first;
}

static inline struct llist_node *llist_del_all(struct llist_head *head)
{
	shim_point("llist_del_all", "");
	return __atomic_exchange_n(&head->first, NULL, __ATOMIC_SEQ_CST);
}

static inline struct llist_node *llist_reverse_order(struct llist_node *node)
{
	struct llist_node *reversed = NULL, *next;

	for (; node; node = next) {
		next = node->next;
		node->next = reversed;
		reversed = node;
	}
	return reversed;
}
