/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles: a proc's numbers for nodes of others. One per node and proc, with a
 * count of how often it was delivered. (The UAPI's struct ipcbus_handle is the
 * argument of the ioctls; this is the thing itself.)
 */
#ifndef IPCBUS_HANDLE_H
#define IPCBUS_HANDLE_H

#include <linux/rbtree.h>
#include <linux/rcupdate.h>

#include "main.h"

/**
 * struct ipcbus_handle_entry - one handle
 * @rcu: frees it
 * @by_node: in proc->handles_by_node, but for handle 0 (handle_lock)
 * @node: held, as a remote reference; constant
 * @number: constant
 * @count: deliveries that were not put (handle_lock)
 * @watch: counted, or NULL (handle_lock)
 */
struct ipcbus_handle_entry {
	struct rcu_head rcu;
	struct rb_node by_node;
	struct ipcbus_node_entry *node;
	u32 number;
	u32 count;
	struct ipcbus_watch *watch;
};

/**
 * struct ipcbus_handle_table - handle entries by number
 * @rcu: frees it
 * @size: how many numbers there are; constant
 * @entry: NULL where a number is free. Read under RCU, changed under handle_lock.
 *
 * A flat array, so that a handle is found by one load. It is replaced by one of
 * twice the size before it is half full, which also keeps the search for a free
 * number short. A proc without handles has one of size 0, which is nobody's.
 */
struct ipcbus_handle_table {
	struct rcu_head rcu;
	u32 size;
	struct ipcbus_handle_entry __rcu *entry[];
};

/* Of a new proc, which has none. */
void ipcbus_handles_begin(struct ipcbus_proc *proc);

/* The node behind a handle, to act on. -EBADF; -EOWNERDEAD: it is dead, and its proc gone;
 * -ENOTCONN for handle 0. */
struct ipcbus_node_entry *ipcbus_handle_node(struct ipcbus_proc *proc, u32 number);
/* The same to hand it on, dead or not: with a remote reference. */
struct ipcbus_node_entry *ipcbus_handle_export(struct ipcbus_proc *proc, u32 number);

/* One more count of the proc's handle for node, which is made if needed. The
 * caller holds a remote reference and keeps it. */
int ipcbus_handle_take(struct ipcbus_proc *proc, struct ipcbus_node_entry *node,
		       u32 *ret_number);
/* -EBADF: no such handle, or fewer counts. */
int ipcbus_handle_put_counts(struct ipcbus_proc *proc, u32 number, u32 count);

/* The handle, or NULL; the number behind the last that there can be. Both under handle_lock. */
struct ipcbus_handle_entry *ipcbus_handle_at(struct ipcbus_proc *proc, u32 number);
u32 ipcbus_handle_end(struct ipcbus_proc *proc);

/* Ioctls: struct ipcbus_handle. */
int ipcbus_handle_put(struct ipcbus_proc *proc, void *data);
int ipcbus_handle_watch(struct ipcbus_proc *proc, void *data);
int ipcbus_handle_unwatch(struct ipcbus_proc *proc, void *data);

/* All of a proc that is dead, and their table. */
void ipcbus_handles_release(struct ipcbus_proc *proc);

/* --- The manager ------------------------------------------------------------ */

/*
 * The manager of a bus is the node behind everybody's handle 0. A proc makes one of its
 * nodes the manager while there is none. The administrator decides who may: for the bus
 * behind /dev/ipcbus by the parameter manager_uid of the module, for a mount by its option
 * of that name. The bus's root and global root may always.
 */

/* IPCBUS_IOC_SET_MANAGER: struct ipcbus_node. */
int ipcbus_manager_set(struct ipcbus_proc *proc, void *data);

/* The manager, with a remote reference; NULL if there is none. */
struct ipcbus_node_entry *ipcbus_manager_get(struct ipcbus_bus *bus);

/* The proc is dead: the bus lets go of the manager, if that is one of its nodes. */
void ipcbus_manager_release(struct ipcbus_proc *proc);

#endif
