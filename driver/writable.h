/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Polling for space
 *
 * Oneways may occupy half of a region, within their senders' quotas. If a oneway finds no space, it
 * fails with -EAGAIN. From then on, poll does not report the sender's file as writable until any of
 * the regions that refused it releases space, or a node there is gone. The report does not name the
 * region, and the message may still not fit.
 */
#ifndef IPCBUS_WRITABLE_H
#define IPCBUS_WRITABLE_H

#include "main.h"

/* Called if ipcbus_buffer_make() of a oneway to node failed with -EAGAIN. Arranges for poll and
 * tries once more. The caller holds a reference of node. Returns as ipcbus_buffer_make(), or
 * -EOWNERDEAD if node is dead. If no watch can be set, returns -EDQUOT or -ENOMEM, because after
 * -EAGAIN the sender would poll for a report that never comes. May sleep. */
int ipcbus_writable_retry(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
			  struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer);

/* Initializes a new proc. */
void ipcbus_writable_begin(struct ipcbus_proc *proc);
/* Ends the watches that a dead sender set. May sleep. */
void ipcbus_writable_end(struct ipcbus_proc *proc);

/* Called after poll_wait() on sender->poll_wait. Returns EPOLLOUT | EPOLLWRNORM, or 0. A report of
 * space stays, despite further refusals, until a poller gets it that asked for EPOLLOUT. */
__poll_t ipcbus_writable_poll(struct ipcbus_proc *sender, __poll_t asked);

#endif
