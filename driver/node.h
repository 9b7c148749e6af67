/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Node
 *
 * A node is what a proc lets others call. Its owner creates and destroys it. Others
 * refer to it by handles and messages, and the bus by its manager. When the last of
 * these remote references goes and no message is pending, the node is idle and its
 * owner gets EVENT_IDLE.
 *
 * Two kinds of references keep a node. Whoever acts on it has an active one: the owner's
 * table, messages to it, senders on their way. These keep its proc as well. Handles, objects
 * in messages and watches only hold it. So a node whose proc is gone is a few hundred bytes,
 * by which others learn that it is dead. It gets no message or reference any more.
 *
 * (The UAPI's struct ipcbus_node is the argument of the ioctls.)
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
 * struct ipcbus_node_entry - one node
 * @ref: active references; 0: it is dead for good
 * @held: one for all active ones, and one each for those who only hold it
 * @rcu: frees it
 * @proc: its owner, counted while @ref is not 0, and then NULL
 * @pid: the owner's process, counted; constant
 * @owner: the owner's number on the bus; constant
 * @id: its number in the owner; constant
 * @flags: IPCBUS_NODE_ACCEPT_FDS, -_WANT_LABEL, -_PRIORITY; constant
 * @prio: at least so well are messages served (priority.h); constant
 * @policy: with which realtime policy; constant
 * @cookie: the owner's; constant
 * @remote: handles, messages and the bus that refer to it
 * @dead: destroyed (proc->lock to set; may be read without)
 * @watches: who watches it (proc->lock)
 * @watch_count: how many (proc->lock)
 * @pending: calls and oneways that wait for the owner or are with it (proc->lock)
 * @queued: what is in proc->work for it (proc->lock)
 * @oneways: transactions that wait for the one before (proc->lock)
 * @oneway_count: how many (proc->lock)
 * @oneway_busy: how many were queued or delivered and not released: one, or what a thread took
 *	at once (proc->lock)
 * @replaceable: see transaction.h (proc->lock)
 * @oneway_since: when that was queued, in jiffies (proc->lock)
 * @idle: notifies the owner that @remote and @pending are 0; holds a reference while
 *	it is queued
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
/* Takes back what NODE_CREATE did: nobody learned the node's id. */
void ipcbus_node_uncreate(struct ipcbus_proc *proc, void *data);
/* All of a proc that is dead. */
void ipcbus_nodes_release(struct ipcbus_proc *proc);

/* The proc's own node by id, with a remote reference; NULL: none, or dead. */
struct ipcbus_node_entry *ipcbus_node_export(struct ipcbus_proc *proc, u64 id);

static inline struct ipcbus_node_entry *ipcbus_node_get(struct ipcbus_node_entry *node)
{
	kref_get(&node->ref);
	return node;
}

/* False if nobody acts on it any more; then it is dead. */
static inline bool ipcbus_node_get_active(struct ipcbus_node_entry *node)
{
	return kref_get_unless_zero(&node->ref);
}

static inline void ipcbus_node_hold(struct ipcbus_node_entry *node)
{
	kref_get(&node->held);
}

void ipcbus_node_let_go(struct ipcbus_node_entry *node);

/* Also of NULL, which is not alive. */
static inline bool ipcbus_node_is_alive(const struct ipcbus_node_entry *node)
{
	return node && !READ_ONCE(node->dead);
}

void ipcbus_node_retire(struct kref *ref);

static inline void ipcbus_node_put(struct ipcbus_node_entry *node)
{
	kref_put(&node->ref, ipcbus_node_retire);
}

/* Holds the node and counts as remote, so that the node is not idle. _get needs another
 * reference that exists, or -_alive- checks that the node is not dead; the caller knows that
 * its proc does not go meanwhile. */
void ipcbus_node_get_remote(struct ipcbus_node_entry *node);
bool ipcbus_node_get_remote_alive(struct ipcbus_node_entry *node);
void ipcbus_node_put_remote(struct ipcbus_node_entry *node);

/* A call has ended or was taken back: under proc->lock, which is to be followed
 * without it by ipcbus_node_check_idle() if it returns true. */
static inline bool ipcbus_node_end_call_locked(struct ipcbus_node_entry *node)
{
	return !--node->pending && !atomic_read(&node->remote);
}

void ipcbus_node_check_idle(struct ipcbus_node_entry *node);

/* Nothing keeps the node busy: the oneway that waits longest may be taken
 * (proc->lock). */
void ipcbus_node_next_oneway_locked(struct ipcbus_node_entry *node);
/* The oneway that kept the node busy is done: the next one goes. */
void ipcbus_node_oneway_done(struct ipcbus_node_entry *node);

#endif
