/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory goes back when the kernel is short of it: pages of regions on which
 * no buffer lies.
 *
 * The room they are in is taken out of the region first, as if a message came
 * there, so nobody else uses it meanwhile; then the pages are unmapped from the
 * receiver, by address space, and freed; then the room is put back. Buffers in
 * use, and senders on their way, are never touched. It needs no process's mmap
 * lock and waits for no memory.
 */
#ifndef IPCBUS_RECLAIM_H
#define IPCBUS_RECLAIM_H

#include <linux/types.h>

#include "../main.h"

int ipcbus_reclaim_init(void);
void ipcbus_reclaim_done(void);

/* An inode that is nobody else's, or an error: what is mapped of one open file
 * can then be told from what is mapped of others. */
struct inode *ipcbus_reclaim_inode(void);

/* From here on its idle pages may go; until it is removed. */
void ipcbus_reclaim_add(struct ipcbus_region *region);
void ipcbus_reclaim_remove(struct ipcbus_region *region);

/* All that is idle in it goes now. Says whether anything did. */
bool ipcbus_reclaim_now(struct ipcbus_region *region);

/* Until the room that is taken out of any region now is back. */
void ipcbus_reclaim_wait(void);

#endif
