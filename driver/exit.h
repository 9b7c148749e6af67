/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exit
 *
 * A proc is shut down when the first of these happens:
 *
 *   - the last fd and mapping of its file are gone (file.c)
 *   - the address space that opened it ends (opener.c)
 *   - the process that opened it closes an fd of it as its last thread exits (file.c)
 *
 * No ioctl is running then and none can start, even if others keep the file open. First
 * stop new work, then release everything: threads, timers, queued work, nodes, open calls,
 * handles and buffers.
 */
#ifndef IPCBUS_EXIT_H
#define IPCBUS_EXIT_H

#include "main.h"

/* IPCBUS_IOC_THREAD_EXIT; it has no structure. */
int ipcbus_thread_leave(struct ipcbus_proc *proc, void *data);

/* Shuts the proc down, once. May sleep. */
void ipcbus_proc_shut_down(struct ipcbus_proc *proc);
/* The same for all procs of an address space that ends. */
void ipcbus_opener_shut_down(struct ipcbus_opener *opener);

#endif
