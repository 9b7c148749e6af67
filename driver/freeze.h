/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Freezing a process: calls to it fail at once, all else that comes for it is
 * kept, and its threads get none of it until it is thawed. Nothing here needs the
 * process to run meanwhile.
 *
 *   THAWED -> FREEZING (proc->freezer): new calls fail; those that came before are
 *   served -> FROZEN (proc->frozen) once there are none -> THAWED
 */
#ifndef IPCBUS_FREEZE_H
#define IPCBUS_FREEZE_H

#include "node.h"
#include "proc.h"

/* IPCBUS_IOC_FREEZE. */
int ipcbus_freeze(struct ipcbus_proc *proc, void *data);

/* A call to node while its proc is barred: why it is refused (proc->lock). */
static inline int ipcbus_frozen_call_locked(struct ipcbus_node_entry *node)
{
	if (node->dead || node->proc->dead)
		return -EOWNERDEAD;
	node->proc->received |= IPCBUS_FROZEN_CALL;
	return -EHOSTDOWN;
}

/* Likewise a oneway, which a frozen proc keeps: 0. */
static inline int ipcbus_frozen_oneway_locked(struct ipcbus_node_entry *node)
{
	if (node->dead || node->proc->dead)
		return -EOWNERDEAD;
	node->proc->received |= IPCBUS_FROZEN_ONEWAY;
	return 0;
}

#endif
