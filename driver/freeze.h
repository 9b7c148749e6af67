/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Freeze
 *
 * A frozen process keeps its memory but does not run. The states of its procs:
 *
 *   THAWED    normal operation
 *   FREEZING  (proc->freeze.freezer) New calls fail. Calls that were sent earlier are served.
 *   FROZEN    (proc->freeze.frozen) New calls fail. All other events stay queued.
 *
 * The ioctl waits while procs are FREEZING. Freezing never needs the frozen process to run.
 */
#ifndef IPCBUS_FREEZE_H
#define IPCBUS_FREEZE_H

#include "node.h"
#include "proc.h"

int ipcbus_freeze(struct ipcbus_proc *proc, void *data);

/* Returns the error for a call to a node of a barred proc (proc->lock). */
static inline int ipcbus_frozen_call_locked(struct ipcbus_node_entry *node)
{
	if (node->dead || node->proc->dead)
		return -EOWNERDEAD;
	node->proc->freeze.received |= IPCBUS_FROZEN_CALL;
	return -EHOSTDOWN;
}

/* Returns the error for a oneway to a node of a barred proc; 0: queue it (proc->lock). */
static inline int ipcbus_frozen_oneway_locked(struct ipcbus_node_entry *node)
{
	if (node->dead || node->proc->dead)
		return -EOWNERDEAD;
	node->proc->freeze.received |= IPCBUS_FROZEN_ONEWAY;
	return 0;
}

#endif
