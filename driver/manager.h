/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Manager
 *
 * The manager of a bus is the node behind everybody's handle 0. A proc makes one of its
 * nodes the manager while there is none. The first manager's user, the bus's root and
 * global root may do so again after a manager has died.
 */
#ifndef IPCBUS_MANAGER_H
#define IPCBUS_MANAGER_H

#include "main.h"

/* IPCBUS_IOC_SET_MANAGER: struct ipcbus_node. */
int ipcbus_manager_set(struct ipcbus_proc *proc, void *data);

/* The manager, with a remote reference; NULL if there is none. */
struct ipcbus_node_entry *ipcbus_manager_get(struct ipcbus_bus *bus);

/* The proc is dead: the bus lets go of the manager, if that is one of its nodes. */
void ipcbus_manager_release(struct ipcbus_proc *proc);

#endif
