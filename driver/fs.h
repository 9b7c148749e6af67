/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file system "ipcbus": each mount is a bus of its own. See fs.c.
 */
#ifndef IPCBUS_FS_H
#define IPCBUS_FS_H

#include <linux/fs.h>

#include "main.h"

int ipcbus_fs_init(void);
/* The module is there to stay: from now on it can be mounted. Before: -ENODEV. */
void ipcbus_fs_ready(void);
void ipcbus_fs_done(void);

#endif
