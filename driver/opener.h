/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opener
 *
 * An opener is the address space that opened files of a bus. It ends when all its processes have
 * exited or executed another program. The kernel notifies the opener then, regardless of open fds
 * and mappings, and exit.c shuts down its procs.
 *
 * An address space has a single opener, from its first open until it ends or the module is
 * unloaded. Registering takes all locks of the address space, so it must be done only once. A later
 * open finds the opener by the address space.
 */
#ifndef IPCBUS_OPENER_H
#define IPCBUS_OPENER_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>

#include "main.h"

/**
 * struct ipcbus_opener - an address space that opened files
 * @ref: held by its procs and by the kernel's list of notifiers
 * @notifier: entry in that list; pins the mm_struct while it is in the list
 * @mm: the address space, only for comparison
 * @entry: in the tree of openers by @mm, while @notifier is in its list (openers_lock)
 * @lock: protects @procs; a leaf
 * @procs: its procs that are not shut down
 */
struct ipcbus_opener {
	struct kref ref;
	struct mmu_notifier notifier;
	const struct mm_struct *mm;
	struct rb_node entry;
	spinlock_t lock;
	struct list_head procs;
};

/* procs_end is called when an address space ends; it may sleep. */
void ipcbus_opener_init(void (*procs_end)(struct ipcbus_opener *opener));
/* Must be called when no proc is left. */
void ipcbus_opener_done(void);

/* Returns the opener of this address space, counted. -ENOMEM; -ERESTARTNOINTR after a signal. */
struct ipcbus_opener *ipcbus_opener_get(void);
void ipcbus_opener_put(struct ipcbus_opener *opener);

#endif
