/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a proc reports about itself.
 */
#ifndef IPCBUS_INFO_H
#define IPCBUS_INFO_H

struct ipcbus_proc;

/* IPCBUS_IOC_INFO: struct ipcbus_info. */
int ipcbus_info(struct ipcbus_proc *proc, void *data);

#endif
