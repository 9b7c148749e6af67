/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's model, lifetimes, layers and lock tree.
 *
 * A *bus* has *procs*. A proc is one open file of one address space. A proc owns *nodes*, to which
 * other procs send messages, and holds *handles*, its numbers for nodes of other procs. Handle 0 of
 * all procs is the bus's *manager*, a node of a proc. The *threads* of a proc, which exist
 * from their first exchange on, send and receive:
 *
 *   1. A thread sends a *message* to a handle. exchange.c copies it in, and request.c finds the
 *      node behind the handle and the node's proc.
 *   2. buffer.c reserves space in that proc's *region* and copies the payload into it. object.c
 *      takes references of the objects in the message's object table.
 *   3. The message becomes a *transaction*. It is *work* for the target's threads, and work.c
 *      wakes a thread.
 *   4. The thread finds the work in wait.c, and deliver.c makes an event of it.
 *   5. The server's reply takes the same way back into the caller's region (reply.c). Without a
 *      reply the call ends by a failure, or by a deadline or a cancellation (cancel.c). The caller
 *      takes the result (result.c).
 *
 * ipcbusd(8) is built from the same files. daemon/kernel/pages.c replaces mem/pages.c, and shim/
 * the kernel's functions.
 *
 * Layers. A file calls only files below it, as tests/suite/static/layers checks. driver/Kbuild has
 * the complete order:
 *
 *   the bus and its files   module.c fs.c inspect.c file.c ioctl.c exit.c
 *   messages                exchange.c request.c wait.c deliver.c pool.c reply.c ... buffer.c
 *   objects                 handle.c watch.c node.c thread.c work.c proc.c opener.c bus.c
 *   memory                  mem/: regions, quotas, reclaim, free space, pages, ranges
 *   users                   user.c
 *   counters                stats.c
 *
 * Lifetimes. Every structure to which another proc can have a pointer is reference counted:
 *
 *   bus          by its mount and its procs; the bus behind /dev/ipcbus always stays
 *   proc         by its file, its threads, its nodes, its watches and its async calls
 *   thread       by its proc's table, and by each call that it made, until the transaction is freed
 *   opener       by its procs, and by the kernel until the address space ends
 *   user         by its procs, transactions, files and objects in flight, buses that it mounted,
 *                and users of namespaces that it owns
 *   node         by its owner's table and each message to it; handles, watches and messages that
 *                contain it keep only the node, not its proc
 *   transaction  a call: by the caller's stack, or the proc's tree of async calls; by the server's
 *                side, and by each call made while serving it. A oneway: by the server's side
 *   watch        by its handle or proc, its node's list, and the queue of its notifications
 *   buffer       is not counted. Its only owner is the sender (reserved), the transaction
 *                (queued), the receiving user (delivered) or the region (free)
 *
 * Structures that are read without a lock (threads, handles, nodes) are freed after an RCU grace
 * period. If memory is short, the kernel may reclaim pages of a region that hold no buffer
 * (mem/reclaim.c).
 *
 * A proc is shut down by the release of its file, by the flush of a closing fd while all threads of
 * its process exit, or by the end of the address space (file.c, opener.c). exit.c does it, in the
 * order that proc.h describes. If a sender is filling a buffer at that moment, the memory stays
 * until that buffer is freed. The dead proc itself is freed when no sender uses it and no call
 * refers to it. Handles of other procs for its nodes do not keep it.
 *
 * Lock tree: while holding a lock, a thread may take only locks below it on its path. It must never
 * hold two locks of the same kind, so no code holds locks of two procs at once. An operation on two
 * procs has two steps, and the second step checks the state again. A function whose name ends in
 * _locked must be called with the lock held that protects its object.
 *
 *   openers_lock         spinlock  the openers, by address space (opener.c); leaf
 *   opener->lock         spinlock  the procs of an opener; leaf
 *   proc->handle_lock    mutex     the proc's handle table, counts, watches of
 *   |                              its handles; sleeps for memory
 *   +- users_lock        mutex     the users on all buses; leaf
 *   +- bus->lock         mutex     the bus's procs and its manager
 *      +- proc->lock     spinlock  queues, thread stacks, open calls, nodes'
 *         |                        state, watches of the proc's own nodes
 *         +- wait queues' own      wake-ups for events happen under proc->lock
 *   region->lock         spinlock  the proc's ranges, buffer states and quotas; leaf
 *   bus->space_lock      spinlock  the procs that poll for space, and in which regions; leaf
 *   user->spare_lock     spinlock  the spare transactions of a user, and its files to close; leaf
 *   monitors->lock       spinlock  the monitors of a bus and their filters; leaf
 *   xa_lock              spinlock  of the tables of nodes and threads by number; leaf
 *
 *   proc->handle_lock, or a process's mmap lock
 *   |
 *   +- region->claim     mutex     free ranges that are out of the region (mem/reclaim.c)
 *   |  +- regions_lock   spinlock  the list of regions with reclaimable memory; reclaim only
 *   |  |  |                        tries it, and under it the claim of a region
 *   |  |  +- region->lock
 *   |  +- pages->lock    spinlock  pages that leave a region; leaf
 *   |  |  +- page's lock           only tried; a page fault, which holds it, may take
 *   |  |  |                        pages->lock, and no other lock of the driver
 *   |  +- i_mmap_rwsem   the kernel's lock, of the region's own inode
 *
 * All locks are taken in process context: no interrupt handler and no RCU callback may take one.
 * Never copy from or to user memory while holding a lock. Never put the last reference of any
 * object while holding a spinlock. Never allocate under a lock that procs of other users take:
 * reclaim in the caller's memory cgroup can take arbitrarily long.
 */
#ifndef IPCBUS_MAIN_H
#define IPCBUS_MAIN_H

#include <linux/types.h>
#include "ipcbus.h"

/* Limits of each proc (-EDQUOT). Queued calls without a buffer count as buffers, of which oneways
 * may have half (-EAGAIN). IPCBUS_IOC_INFO reports all limits but IPCBUS_LIMIT_ASYNCS, the async
 * calls whose end no thread has taken. */
#define IPCBUS_LIMIT_NODES	65536
#define IPCBUS_LIMIT_HANDLES	65536
#define IPCBUS_LIMIT_BUFFERS	16384
#define IPCBUS_LIMIT_THREADS	1024
#define IPCBUS_LIMIT_ASYNCS	16384

/* Nodes, and handles but 0, have numbers from 1 to this. Allocation wraps around. */
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

/* Resources that are charged to a user on all buses together (-EDQUOT; for a receiver's memory
 * -ENOMEM). user.h describes users, and user.c has the limits. */
enum ipcbus_use {
	IPCBUS_USE_PROCS,
	IPCBUS_USE_NODES,
	IPCBUS_USE_HANDLES,
	IPCBUS_USE_WATCHES,	/* and full regions that procs poll for */
	IPCBUS_USE_CALLS,	/* transactions, including spare ones */
	IPCBUS_USE_FILES,	/* in flight */
	IPCBUS_USE_THREADS,
	IPCBUS_USE_MEMORY,	/* of regions and large handle tables, in KiB */
	IPCBUS_USE_BUSES,	/* mounted by the user */
	IPCBUS_USE_OBJECTS,	/* nodes and handles in flight */
	IPCBUS_USE_COUNT,
};

/**
 * struct ipcbus_sender_id - the process that sent a message, see thread.h
 * @pid: its pid in the initial pid namespace
 * @started: its start time in nanoseconds
 */
struct ipcbus_sender_id {
	u32 pid;
	u64 started;
};

#endif
