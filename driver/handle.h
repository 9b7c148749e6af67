/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles: a proc's numbers for nodes of other procs. A proc has a single handle per node, which
 * counts how often it was delivered. The UAPI's struct ipcbus_handle is the argument of the ioctls;
 * this is the handle itself.
 */
#ifndef IPCBUS_HANDLE_H
#define IPCBUS_HANDLE_H

#include <linux/rbtree.h>
#include <linux/rcupdate.h>

#include "main.h"

/**
 * struct ipcbus_handle_entry - a handle
 * @rcu: frees it
 * @by_node: in proc->handles_by_node, except for handle 0 (handle_lock)
 * @node: counted as a remote reference; constant
 * @number: constant
 * @count: deliveries minus counts that were put (handle_lock)
 * @watch: the handle's death watch, counted, or NULL (handle_lock)
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
 * @size: length of @entry; constant
 * @entry: the handles by number, NULL for a free number. Read under RCU, changed under handle_lock.
 *
 * A flat array finds a handle by a single load. Before it is more than half full, it is replaced by
 * an array of twice the size, so the search for a free number is short too. All procs without
 * handles share a table of size 0.
 */
struct ipcbus_handle_table {
	struct rcu_head rcu;
	u32 size;
	struct ipcbus_handle_entry __rcu *entry[];
};

void ipcbus_handles_begin(struct ipcbus_proc *proc);

/* Returns the node behind a handle with an active reference, or ERR_PTR: -EBADF; -EOWNERDEAD if the
 * node is dead and its proc gone; -ENOTCONN for handle 0 without a manager. */
struct ipcbus_node_entry *ipcbus_handle_node(struct ipcbus_proc *proc, u32 number);

/* Returns the node behind a handle, which may be dead, or NULL. The caller must call
 * ipcbus_node_let_go(). */
struct ipcbus_node_entry *ipcbus_handle_hold(struct ipcbus_proc *proc, u32 number);
/* Returns the node behind a handle, dead or alive, with a remote reference, or ERR_PTR. */
struct ipcbus_node_entry *ipcbus_handle_export(struct ipcbus_proc *proc, u32 number);

/* Adds a count to the proc's handle for node, and creates the handle if needed. The caller must
 * hold a remote reference, and keeps it. */
int ipcbus_handle_take(struct ipcbus_proc *proc, struct ipcbus_node_entry *node,
		       u32 *ret_number);
/* Returns -EBADF if the handle does not exist or has fewer counts. */
int ipcbus_handle_put_counts(struct ipcbus_proc *proc, u32 number, u32 count);

/* Returns the handle or NULL; returns the end of the range of numbers. Both need handle_lock. */
struct ipcbus_handle_entry *ipcbus_handle_at(struct ipcbus_proc *proc, u32 number);
u32 ipcbus_handle_end(struct ipcbus_proc *proc);

/* Ioctls: struct ipcbus_handle. */
int ipcbus_handle_put(struct ipcbus_proc *proc, void *data);
int ipcbus_handle_watch(struct ipcbus_proc *proc, void *data);
int ipcbus_handle_unwatch(struct ipcbus_proc *proc, void *data);

/* Frees all handles of a dead proc and their table. */
void ipcbus_handles_release(struct ipcbus_proc *proc);

/* --- The manager ------------------------------------------------------------ */

/*
 * The manager of a bus is the node behind handle 0 of all procs. If the bus has no manager, a proc
 * may make a node of its own the manager. The administrator names the permitted user: by the module
 * parameter manager_uid for /dev/ipcbus, by the mount option manager_uid for a mount. The bus's
 * root and global root are always permitted.
 */

/* IPCBUS_IOC_SET_MANAGER: struct ipcbus_node. */
int ipcbus_manager_set(struct ipcbus_proc *proc, void *data);

/* Returns the manager with a remote reference, or NULL if there is none. */
struct ipcbus_node_entry *ipcbus_manager_get(struct ipcbus_bus *bus);

/* If the manager is a node of this dead proc, the bus drops it. */
void ipcbus_manager_release(struct ipcbus_proc *proc);

#endif
