/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a proc reports about itself.
 */
#ifndef IPCBUS_INFO_H
#define IPCBUS_INFO_H

struct file;
struct ipcbus_proc;
struct seq_file;

/* IPCBUS_IOC_INFO: struct ipcbus_info. */
int ipcbus_info(struct ipcbus_proc *proc, void *data);

/* /proc/PID/fdinfo/FD, which may be read by whoever may trace the process. */
void ipcbus_show_fdinfo(struct seq_file *seq, struct file *file);

#endif
