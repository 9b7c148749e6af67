/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reclaim
 *
 * When the kernel is short of memory it takes pages of regions on which no buffer lies:
 *
 *   1. A free range is taken out of the region, as if a message came there. So nobody
 *      else uses it meanwhile.
 *   2. Its pages are unmapped from the receiver, by address space, and freed.
 *   3. The range is put back.
 *
 * Buffers in use and senders on their way are never touched. Reclaim needs no process's
 * mmap lock and waits for no memory. It works on one region at a time, some pages at a time,
 * and on several regions at once if several ask.
 *
 * The shrinker knows neither memory cgroups nor nodes of memory: see docs/upstream.md.
 */
#ifndef IPCBUS_RECLAIM_H
#define IPCBUS_RECLAIM_H

#include <linux/types.h>

#include "../main.h"

int ipcbus_reclaim_init(void);
void ipcbus_reclaim_done(void);

/* A new inode for one open file, or an error. By it what is mapped of that file is
 * distinguished from what is mapped of others. */
struct inode *ipcbus_reclaim_inode(void);

/* Lets the kernel reclaim the region's idle pages, until it is removed. */
void ipcbus_reclaim_add(struct ipcbus_region *region);
void ipcbus_reclaim_remove(struct ipcbus_region *region);

/* Frees all idle pages of the region now. Returns whether there were any. */
bool ipcbus_reclaim_now(struct ipcbus_region *region);

/* Waits until the free range of the region that reclaim holds, if any, is back. The caller keeps
 * the region. */
void ipcbus_reclaim_wait(struct ipcbus_region *region);

#endif
