/* SPDX-License-Identifier: MIT */
/* Notification of the end of an address space: see notifier.c. */
#pragma once

#include "list.h"
#include "mm.h"
#include "rcupdate.h"

#define CONFIG_MMU_NOTIFIER 1

struct mmu_notifier;

struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *notifier, struct mm_struct *mm);
	struct mmu_notifier *(*alloc_notifier)(struct mm_struct *mm);
	void (*free_notifier)(struct mmu_notifier *notifier);
};

/**
 * struct mmu_notifier - a notifier
 * @entry: in mm->notifiers
 * @ops: callbacks
 * @mm: holds a reference
 * @rcu: for freeing
 * @users: gets without a put
 */
struct mmu_notifier {
	struct list_head entry;
	const struct mmu_notifier_ops *ops;
	struct mm_struct *mm;
	struct rcu_head rcu;
	unsigned int users;
};

/* Returns the notifier with these callbacks, and creates it if necessary. If a signal is pending,
 * returns -EINTR. */
struct mmu_notifier *mmu_notifier_get(const struct mmu_notifier_ops *ops, struct mm_struct *mm);
void mmu_notifier_put(struct mmu_notifier *notifier);
/* Waits until all notifiers that were put are freed. */
void mmu_notifier_synchronize(void);
