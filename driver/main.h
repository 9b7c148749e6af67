/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipcbus in words, its lifetimes, its layers and its lock tree.
 *
 * A *bus* has *procs*. A proc is one open file of one address space. A proc owns
 * *nodes*, which other procs may call, and holds *handles*, which are its numbers for
 * nodes of other procs. Its *threads* send and receive:
 *
 *   1. A thread sends a *message* to a handle. exchange.c takes it in and request.c
 *      finds the node behind the handle, and the node's proc.
 *   2. buffer.c reserves space in that proc's *region* and copies the payload into it.
 *      object.c takes what travels beside the payload.
 *   3. The message becomes a *transaction*. It is *work* for the target's threads, and
 *      work.c wakes one of them.
 *   4. That thread finds it in wait.c, and deliver.c makes an event of it.
 *   5. The server's reply takes the same way back into the caller's region (reply.c).
 *      If nobody replies, the call ends by a failure, a deadline or a cancel.
 *
 * Layers. A file calls what is below it; driver/Kbuild has the whole order:
 *
 *   the bus and its files   module.c fs.c inspect.c file.c ioctl.c exit.c
 *   messages                exchange.c request.c wait.c deliver.c reply.c ... buffer.c
 *   objects                 handle.c watch.c node.c thread.c proc.c opener.c bus.c
 *   memory                  mem/: regions, quotas, reclaim, pages, ranges
 *   users                   user.c
 *   counters                stats.c
 *
 * Lifetimes. Whatever another proc can point to is counted. It is kept by:
 *
 *   bus          its mount and its procs; the one behind /dev/ipcbus stays
 *   proc         its file, its threads, its nodes
 *   thread       its proc's table, and each call that it made until that ends
 *   opener       its procs, and the kernel until the address space ends
 *   user         its procs, transactions, files on their way, buses that it mounted, and users of
 *                namespaces that it owns
 *   node         its owner's table, each message to it, and, without its proc, each handle,
 *                watch and message it travels in
 *   transaction  a call: the caller's stack and the server's side, plus each
 *                call made while serving it; a oneway: the server's side
 *   watch        its handle or proc, its node's list, the queue of its notifications
 *   buffer       belongs to exactly one: sender (reserved), transaction
 *                (queued), receiving user (delivered), region (free)
 *
 * Memory that is read without a lock (threads, handles, nodes) is freed after an RCU
 * grace period. While no buffer lies on pages of a region the kernel may reclaim them when
 * memory is short (mem/reclaim.c).
 *
 * A proc that is dead goes as soon as nobody sends to it and no call that it was in is left,
 * whoever has handles for its nodes. Its own handles, threads and open calls go as it is shut
 * down. So does the memory of its region, or with the last buffer that a sender was filling
 * at that moment.
 *
 * Lock tree: a lock may be taken while holding those above it on its path. Two of one
 * kind are never held together, so nothing here knows two procs at once. What concerns
 * two procs is done in two steps, and the second one looks again.
 *
 *   openers_lock         spinlock  the openers, by address space (opener.c); leaf
 *   opener->lock         spinlock  the procs of an opener; leaf
 *   proc->handle_lock    mutex     the proc's handle table, counts, watches of
 *   |                              its handles; sleeps for memory
 *   +- users_lock        mutex     the users on all buses; leaf
 *   +- bus->lock         mutex     the bus's procs and its manager
 *      +- proc->lock     spinlock  queues, thread stacks, open calls, nodes'
 *         |                        state, watches of the proc's own nodes
 *         +- wait queues' own      wake-ups happen under proc->lock
 *   region->lock         spinlock  the proc's ranges, buffer states and quotas; leaf
 *   bus->space_lock      spinlock  who polls for space in which regions; leaf
 *   user->spare_lock     spinlock  the spare transactions of a user; leaf
 *   monitors->lock       spinlock  who monitors a bus, and what; leaf
 *
 *   proc->handle_lock, or a process's mmap lock
 *   |
 *   +- region->claim     mutex     free ranges that are out of the region (mem/reclaim.c)
 *   |  +- regions_lock   spinlock  the list of regions that have memory to give; reclaim only
 *   |  |  |                        tries it, and under it the claim of a region
 *   |  |  +- region->lock
 *   |  +- pages->lock    spinlock  pages that leave a region; leaf
 *   |  |  +- page's lock           only tried; a fault, which holds it, may take
 *   |  |                           pages->lock, and nothing else of ours
 *   |  +- i_mmap_rwsem   the kernel's, of the region's own inode
 *
 * No lock is held over a copy from or to user memory, and no spinlock over the last put of
 * anything. Never allocate under a lock that procs of other users take: reclaim in the caller's
 * memory cgroup can take arbitrarily long.
 */
#ifndef IPCBUS_MAIN_H
#define IPCBUS_MAIN_H

#include <linux/types.h>
#include "ipcbus.h"

/* Limits of each proc, as IPCBUS_IOC_INFO reports them. */
#define IPCBUS_LIMIT_NODES	65536
#define IPCBUS_LIMIT_HANDLES	65536
#define IPCBUS_LIMIT_BUFFERS	16384
#define IPCBUS_LIMIT_THREADS	1024
#define IPCBUS_LIMIT_ASYNCS	16384

/* Nodes and handles are numbered from 1 to this, round and round. */
#define IPCBUS_MAX_NUMBER	((1U << 17) - 1)

struct ipcbus_buffer;
struct ipcbus_bus;
struct ipcbus_freezer;
struct ipcbus_handle_entry;
struct ipcbus_handle_table;
struct ipcbus_message;
struct ipcbus_more;
struct ipcbus_node_entry;
struct ipcbus_objects;
struct ipcbus_opener;
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
	IPCBUS_USE_CALLS,	/* transactions, and spare ones of threads and users */
	IPCBUS_USE_FILES,	/* on their way */
	IPCBUS_USE_THREADS,
	IPCBUS_USE_MEMORY,	/* of regions, in KiB */
	IPCBUS_USE_BUSES,	/* mounted by it */
	IPCBUS_USE_OBJECTS,	/* on their way: nodes, and what handles name */
	IPCBUS_USE_COUNT,
};

/**
 * struct ipcbus_sender_id - the process that sent a message, see thread.h
 * @pid: its number in the initial pid namespace
 * @started: its start time in nanoseconds
 */
struct ipcbus_sender_id {
	u32 pid;
	u64 started;
};

#endif
