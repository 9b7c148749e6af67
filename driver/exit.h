/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exit
 *
 * A proc is shut down when its opener is gone, even if others keep its file open
 * (file.c). No ioctl is running then and none can start. First stop new work, then
 * release everything: threads, timers, queued work, nodes, open calls, handles and
 * buffers.
 */
#ifndef IPCBUS_EXIT_H
#define IPCBUS_EXIT_H

#include "main.h"

/* IPCBUS_IOC_THREAD_EXIT; it has no structure. */
int ipcbus_thread_leave(struct ipcbus_proc *proc, void *data);

/* Shuts the proc down, once. May sleep. */
void ipcbus_proc_shut_down(struct ipcbus_proc *proc);

#endif
