/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Space
 *
 * Oneways may occupy half of a region, within their senders' quotas. A oneway that finds no space
 * fails with -EAGAIN. Then poll does not report the sender's file as writable until the region
 * releases space, or the target is gone. The report does not say which region, and the message may
 * still not fit.
 */
#ifndef IPCBUS_SPACE_H
#define IPCBUS_SPACE_H

#include "main.h"

/* ipcbus_buffer_make() of a oneway to node failed with -EAGAIN: arranges for poll and tries once
 * more. -EAGAIN, -EOWNERDEAD, and the errors of ipcbus_buffer_make(). Without a watch -EDQUOT or
 * -ENOMEM: after -EAGAIN the sender would poll for a report that cannot come. */
int ipcbus_space_retry(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		       struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer);

/* A new proc, before anybody knows it. */
void ipcbus_space_begin(struct ipcbus_proc *proc);
/* The proc is dead: it no longer polls for space. */
void ipcbus_space_end(struct ipcbus_proc *proc);

/* EPOLLOUT, or 0. asked: the events that poll asks for. */
__poll_t ipcbus_space_poll(struct ipcbus_proc *sender, __poll_t asked);

#endif
