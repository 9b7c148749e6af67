/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Freeze
 *
 * A frozen process keeps its memory and does not run. Its procs go through three states:
 *
 *   THAWED    as usual
 *   FREEZING  (proc->freeze.freezer) New calls fail. Earlier ones are served.
 *   FROZEN    (proc->freeze.frozen) New calls fail. All else is kept for later, and no thread
 *             gets any of it.
 *
 * The ioctl waits while the procs are FREEZING. Nothing here needs the process to run.
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
	node->proc->freeze.received |= IPCBUS_FROZEN_CALL;
	return -EHOSTDOWN;
}

/* Likewise a oneway, which a frozen proc keeps: 0. */
static inline int ipcbus_frozen_oneway_locked(struct ipcbus_node_entry *node)
{
	if (node->dead || node->proc->dead)
		return -EOWNERDEAD;
	node->proc->freeze.received |= IPCBUS_FROZEN_ONEWAY;
	return 0;
}

#endif
