/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a proc may ask: about itself, about an open call, about a sender.
 */
#ifndef IPCBUS_INFO_H
#define IPCBUS_INFO_H

#include "main.h"

struct file;
struct seq_file;

/* IPCBUS_IOC_INFO: struct ipcbus_info. */
int ipcbus_info(struct ipcbus_proc *proc, void *data);

/* IPCBUS_IOC_CALL_INFO: struct ipcbus_call_info. */
int ipcbus_call_info(struct ipcbus_proc *proc, void *data);

/* IPCBUS_IOC_SENDER_INFO: struct ipcbus_sender_info. */
int ipcbus_sender_info(struct ipcbus_proc *proc, void *data);

/* /proc/PID/fdinfo/FD, which may be read by whoever may trace the process. */
void ipcbus_show_fdinfo(struct seq_file *seq, struct file *file);

#endif
