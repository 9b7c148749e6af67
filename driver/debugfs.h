/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files under /sys/kernel/debug/ipcbus, for root: see debugfs.c.
 */
#ifndef IPCBUS_DEBUGFS_H
#define IPCBUS_DEBUGFS_H

void ipcbus_debugfs_init(void);
void ipcbus_debugfs_done(void);

#endif
