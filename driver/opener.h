/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opener
 *
 * An opener is the address space that opened files of a bus. It ends when no process runs
 * in it any more, because all have exited or executed another program. The kernel notifies
 * the opener of that, whatever fds and mappings there are, and exit.c ends its procs.
 *
 * An address space has one opener, from its first open until it ends or the module is
 * unloaded. To register costs all locks of the address space, so that is done once. A later
 * open finds the opener by the address space, and does not register.
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
 * struct ipcbus_opener - one address space
 * @ref: its procs, and the kernel's list of who is notified
 * @notifier: in that list; pins the address space's structure while it is
 * @mm: the address space, as a number
 * @entry: in the tree of all, by @mm, while @notifier is in its list (openers_lock)
 * @lock: protects @procs; a leaf
 * @procs: that were opened and did not end
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
/* There is no proc any more. */
void ipcbus_opener_done(void);

/* That of the current address space, counted. -ENOMEM; -ERESTARTNOINTR: a signal. */
struct ipcbus_opener *ipcbus_opener_get(void);
void ipcbus_opener_put(struct ipcbus_opener *opener);

#endif
