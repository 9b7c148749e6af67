/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reclaim
 *
 * If memory is short, the kernel frees those pages of regions that hold no buffer:
 *
 *   1. A free range is taken out of the region, as if a message were stored there. So no sender
 *      can use it in the meantime.
 *   2. Its pages are unmapped from the receiver, through the address space, and freed.
 *   3. The range is put back.
 *
 * Reclaim never touches buffers in use or reserved by senders. It takes no process's mmap lock, and
 * never waits for memory. It works on one region and at most 512 pages at a time. Several tasks
 * may reclaim from different regions at once.
 *
 * The shrinker is not aware of memory cgroups or NUMA nodes: see docs/upstream.md.
 */
#ifndef IPCBUS_RECLAIM_H
#define IPCBUS_RECLAIM_H

#include <linux/types.h>

#include "../main.h"

/* Called when the module is loaded, and when it is unloaded, after the last inode below is gone.
 * Returns 0 or a negative errno, usually -ENOMEM. */
int ipcbus_reclaim_init(void);
void ipcbus_reclaim_done(void);

/* Returns a new inode for an open file, which the caller must iput(), or ERR_PTR. Its address space
 * is for that file only. */
struct inode *ipcbus_reclaim_inode(void);

/* The functions below may sleep, except ipcbus_reclaim_add(). No caller may hold region->lock or
 * region->claim. */

/* Adds a region whose tables exist to the shrinker's list. Must be removed before they are freed:
 * removal waits for a reclaimer of the region, and no other follows. */
void ipcbus_reclaim_add(struct ipcbus_region *region);
void ipcbus_reclaim_remove(struct ipcbus_region *region);

/* Frees all idle pages of the region now. Returns whether there were any. */
bool ipcbus_reclaim_now(struct ipcbus_region *region);

/* If reclaim holds a free range of the region, waits until it is back. The caller keeps the
 * region. */
void ipcbus_reclaim_wait(struct ipcbus_region *region);

#endif
