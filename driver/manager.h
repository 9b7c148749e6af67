/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Manager
 *
 * The manager of a bus is the node behind everybody's handle 0. A proc makes one of its
 * nodes the manager while there is none. The administrator decides who may: for the bus
 * behind /dev/ipcbus by the parameter manager_uid of the module, for a mount by its option
 * of that name. The bus's root and global root may always.
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
