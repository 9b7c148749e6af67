/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipcbus in words, its lock tree, and what all files share.
 *
 * A *bus* has *procs*; a proc is one open file of one address space. A proc
 * owns *nodes* (things that others may call) and holds *handles* (its numbers
 * for nodes of other procs). A *thread* of a proc sends a *transaction* to a
 * handle: exchange.c takes the message in, transaction.c finds node and proc
 * behind the handle, buffer.c reserves room in that proc's *region* and copies
 * the payload into it, object.c takes what travels beside the payload, and
 * thread.c hands the transaction, as *work*, to a thread of the target. The
 * reply goes the same way back into the caller's region.
 *
 * Lifetimes. What another proc can point to is counted:
 *   bus          its mount, its procs; the one behind /dev/ipcbus stays
 *   proc         its file, its threads, its nodes
 *   thread       its proc's table, each call it made until that is answered
 *   user         its procs, shares in regions, transactions and files on their way
 *   node         its owner's table, each handle, each message it travels in
 *   transaction  a call: the caller's stack and the server's side, plus each
 *                call made while serving it; a oneway: the server's side
 *   watch        its handle, its node's list, the queue it fires on
 *   buffer       belongs to exactly one: sender (reserved), transaction
 *                (queued), receiving user (delivered), region (free)
 * Memory that is looked at without a lock (threads, handles, nodes) is freed
 * after an RCU grace period. Pages of a region live as long as its proc, or, while
 * no buffer lies on them, until memory is short (reclaim.c).
 *
 * Lock tree: a lock may be taken while holding those above it on its path.
 * Two of one kind are never held together, so nothing here knows two procs at
 * once: what concerns two is done in two steps, and the second looks again.
 *
 *   thread->boost.lock    mutex     what a thread runs by; above proc->lock alone
 *   proc->handle_lock    mutex     the proc's handle table, counts, watches of
 *   |                              its handles; sleeps for memory
 *   +- bus->lock         mutex     the bus's procs, its users and its manager
 *      +- proc->lock     spinlock  queues, thread stacks, open calls, nodes'
 *         |                        state, watchers of the proc's own nodes
 *         +- wait queues' own      wake-ups happen under proc->lock; region->space
 *   region->lock         spinlock  the proc's ranges, buffer states and shares
 *   +- region->space      who waits for room there, and then
 *      +- wait queues' own      of who polls for it
 *   failures->lock       spinlock  the last failures of a bus; leaf
 *   monitors->lock       spinlock  who monitors a bus, and what; leaf
 *
 *   proc->handle_lock, or a process's mmap lock
 *   |
 *   +- reclaim_lock      mutex     room that is taken out of a region for its
 *      |                           pages; the list of regions. No memory is
 *      |                           allocated under it: the kernel asks for memory
 *      |                           with anything held, and only tries it
 *      +- region->lock
 *      +- pages->lock    spinlock  pages that leave a region; leaf
 *      |  +- page's lock           only tried; a fault, which waits for it,
 *      |                           holds none of ours
 *      +- i_mmap_rwsem   the kernel's, of the region's own inode
 *
 * No lock is held over a copy from or to user memory, and no spinlock over the
 * last put of anything.
 */
#ifndef IPCBUS_MAIN_H
#define IPCBUS_MAIN_H

#include <linux/types.h>
#include "ipcbus.h"

/* Limits of each proc; what IPCBUS_IOC_INFO tells. */
#define IPCBUS_LIMIT_NODES	65536
#define IPCBUS_LIMIT_HANDLES	65536
#define IPCBUS_LIMIT_BUFFERS	16384
#define IPCBUS_LIMIT_THREADS	1024
#define IPCBUS_LIMIT_ASYNCS	16384

/* Nodes and handles are numbered from 1 to this, round and round. */
#define IPCBUS_MAX_NUMBER	((1U << 17) - 1)

struct ipcbus_boost;
struct ipcbus_buffer;
struct ipcbus_bus;
struct ipcbus_handle_entry;
struct ipcbus_handle_table;
struct ipcbus_message;
struct ipcbus_node_entry;
struct ipcbus_object_ref;
struct ipcbus_proc;
struct ipcbus_quota;
struct ipcbus_region;
struct ipcbus_thread;
struct ipcbus_transaction;
struct ipcbus_user;
struct ipcbus_watch;
struct ipcbus_work;

/* What a user is charged for (user.h). */
enum ipcbus_use {
	IPCBUS_USE_PROCS,
	IPCBUS_USE_NODES,
	IPCBUS_USE_HANDLES,
	IPCBUS_USE_WATCHES,
	IPCBUS_USE_CALLS,	/* transactions, and one kept by each thread */
	IPCBUS_USE_FILES,	/* on their way */
	IPCBUS_USE_COUNT,
};

/**
 * struct ipcbus_sender_id - the process that sent a message, see sender.h
 * @pid: its number in the initial pid namespace
 * @started: its start time in nanoseconds
 */
struct ipcbus_sender_id {
	u32 pid;
	u64 started;
};

/**
 * struct ipcbus_objects - what travels beside a payload, see object.h
 * @count: how many
 * @ref: a counted reference each
 */
struct ipcbus_objects {
	u32 count;
	struct ipcbus_object_ref *ref;
};

#endif
