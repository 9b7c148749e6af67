/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Node
 *
 * A node is an object that other procs can call. Its owner creates and destroys it. Handles and
 * messages of other procs refer to it, and so does the bus if it is the manager. When the last of
 * these remote references goes and no message is pending, the node is idle and its owner gets
 * EVENT_IDLE.
 *
 * Two kinds of references keep a node. Active references (@ref) are needed to send messages to it:
 * the owner's table, messages to the node, and senders in progress hold one. Active references keep
 * the node's proc as well. Handles, objects in messages and watches only hold the node (@held). So
 * a node without its proc takes a few hundred bytes, by which its holders learn that it is dead.
 * It gets no new messages or references.
 *
 * The UAPI's struct ipcbus_node is the argument of the ioctls.
 */
#ifndef IPCBUS_NODE_H
#define IPCBUS_NODE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>

#include "main.h"
#include "work.h"

/**
 * struct ipcbus_node_entry - a node
 * @ref: active references; if 0, the node is dead
 * @held: all active references count as one; plus one for each holder
 * @rcu: frees it
 * @proc: its owner, counted while @ref is not 0, and then NULL
 * @pid: the owner's process, counted; constant
 * @owner: the owner's proc number on the bus; constant
 * @id: its id in the owner; constant
 * @flags: IPCBUS_NODE_ACCEPT_FDS, -_WANT_LABEL, -_PRIORITY; constant
 * @prio: minimum priority of its messages (priority.h); constant
 * @policy: realtime policy that belongs to @prio; constant
 * @cookie: the owner's cookie; constant
 * @remote: number of handles, messages and managers that refer to it
 * @dead: destroyed (set under proc->lock; may be read without it)
 * @watches: death watches (proc->lock)
 * @watch_count: length of @watches (proc->lock)
 * @pending: calls and oneways that are queued for the owner or that it has taken (proc->lock)
 * @queued: work for it in proc->work (proc->lock)
 * @oneways: oneways that are queued behind an earlier oneway (proc->lock)
 * @oneway_count: length of @oneways (proc->lock)
 * @oneway_busy: oneways in proc->work, or delivered and not released: at most one, unless a thread
 *	took several at once (proc->lock)
 * @replaceable: see transaction.h (proc->lock)
 * @oneway_since: when the current oneway was queued in proc->work, in jiffies (proc->lock)
 * @idle: notifies the owner that @remote and @pending are 0; holds a reference while queued
 */
struct ipcbus_node_entry {
	struct kref ref;
	struct kref held;
	struct rcu_head rcu;
	struct ipcbus_proc *proc;
	struct pid *pid;
	u64 owner;
	u32 id;
	u32 flags;
	int prio;
	u32 policy;
	u64 cookie;
	atomic_t remote;
	bool dead;
	struct list_head watches;
	u32 watch_count;
	u32 pending;
	struct hlist_head queued;
	struct list_head oneways;
	u32 oneway_count;
	u32 oneway_busy;
	struct rb_root replaceable;
	unsigned long oneway_since;
	struct ipcbus_work idle;
};

/* Ioctls: struct ipcbus_node, struct ipcbus_node_info. */
int ipcbus_node_create(struct ipcbus_proc *proc, void *data);
int ipcbus_node_destroy(struct ipcbus_proc *proc, void *data);
int ipcbus_node_info(struct ipcbus_proc *proc, void *data);
/* Reverts NODE_CREATE because the node's id could not be written to user space. */
void ipcbus_node_uncreate(struct ipcbus_proc *proc, void *data);
/* Destroys all nodes of a dead proc. */
void ipcbus_nodes_release(struct ipcbus_proc *proc);

/* Returns the proc's own node by id, with a remote reference; NULL if it does not exist or is
 * dead. */
struct ipcbus_node_entry *ipcbus_node_export(struct ipcbus_proc *proc, u64 id);

static inline struct ipcbus_node_entry *ipcbus_node_get(struct ipcbus_node_entry *node)
{
	kref_get(&node->ref);
	return node;
}

/* Returns false if the node has no active references left. It is dead then. */
static inline bool ipcbus_node_get_active(struct ipcbus_node_entry *node)
{
	return kref_get_unless_zero(&node->ref);
}

static inline void ipcbus_node_hold(struct ipcbus_node_entry *node)
{
	kref_get(&node->held);
}

void ipcbus_node_let_go(struct ipcbus_node_entry *node);

/* node may be NULL, which is not alive. */
static inline bool ipcbus_node_is_alive(const struct ipcbus_node_entry *node)
{
	return node && !READ_ONCE(node->dead);
}

void ipcbus_node_retire(struct kref *ref);

static inline void ipcbus_node_put(struct ipcbus_node_entry *node)
{
	kref_put(&node->ref, ipcbus_node_retire);
}

/* A remote reference holds the node and keeps it from being idle. _get_remote() needs another
 * reference. _get_remote_alive() returns false if the node is dead; the caller must know that the
 * node is not freed in the meantime. */
void ipcbus_node_get_remote(struct ipcbus_node_entry *node);
bool ipcbus_node_get_remote_alive(struct ipcbus_node_entry *node);
void ipcbus_node_put_remote(struct ipcbus_node_entry *node);

/* A call has ended or was taken back (proc->lock). If it returns true, the caller must call
 * ipcbus_node_check_idle() after it drops the lock. */
static inline bool ipcbus_node_end_call_locked(struct ipcbus_node_entry *node)
{
	return !--node->pending && !atomic_read(&node->remote);
}

/* Returns whether the node is alive and idle (proc->lock). */
bool ipcbus_node_is_idle_locked(const struct ipcbus_node_entry *node);
void ipcbus_node_check_idle(struct ipcbus_node_entry *node);

/* The node is no longer busy: queues its oldest oneway for any thread (proc->lock). */
void ipcbus_node_next_oneway_locked(struct ipcbus_node_entry *node);
/* A oneway that was delivered is done. If it was the last, queues the next oneway. */
void ipcbus_node_oneway_done(struct ipcbus_node_entry *node);

#endif
