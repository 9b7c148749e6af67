/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proc
 *
 * A proc is one open file of one address space, with its nodes, its handles and its queued
 * work. file.c creates a proc, and exit.c shuts it down. The memory lasts until the last
 * reference is put. A dead proc gets no more work.
 */
#ifndef IPCBUS_PROC_H
#define IPCBUS_PROC_H

#include <linux/kref.h>
#include <linux/rbtree.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "main.h"
#include "mem/region.h"
#include "monitor.h"
#include "work.h"

/* By the lowest bits of a call's number. */
#define IPCBUS_OPEN_TREES	64
#define IPCBUS_QUICK_THREADS	16

/**
 * enum ipcbus_writable - what poll reports to a sender of oneways
 * @IPCBUS_WRITABLE: there is space, or poll has reported that there is again
 * @IPCBUS_NOT_WRITABLE: one was refused after that
 * @IPCBUS_WRITABLE_AGAIN: space came then, and poll has not reported it yet
 */
enum ipcbus_writable {
	IPCBUS_WRITABLE,
	IPCBUS_NOT_WRITABLE,
	IPCBUS_WRITABLE_AGAIN,
};

/**
 * struct ipcbus_pool - the threads of a proc (proc->lock, but for the first three)
 * @threads: by number; own lock; entries freed after a grace period
 * @quick: the first of @threads again, with the pid of each: a thread finds
 *	itself by one compare, and looks at nobody else's memory
 * @reap_at: a thread with a higher number looks for dead ones first
 * @by_pid: the threads again, for one that does not know its number
 * @count: how many there are
 * @serving: threads that ever served
 * @max: up to how many @serving more are asked for
 * @asked: one was asked for and has not come yet
 * @idle: threads that wait for any work, the latest first
 */
struct ipcbus_pool {
	struct xarray threads;
	struct {
		struct pid *pid;
		struct ipcbus_thread *thread;
	} quick[IPCBUS_QUICK_THREADS];
	u32 reap_at;
	struct rb_root by_pid;
	u32 count;
	u32 serving;
	u32 max;
	bool asked;
	struct hlist_head idle;
};

/**
 * struct ipcbus_calls - the calls of a proc (proc->lock): see calls.h
 * @open: calls that were delivered and have no reply yet
 * @last: the number of the last one
 * @count: how many wait for the proc or are in @open
 * @asyncs: its own async calls that wait for their end
 * @async_count: those, and results that were not taken
 * @expiry: its own calls that a timer ends, the earliest first
 * @expire: the timer
 */
struct ipcbus_calls {
	struct rb_root open[IPCBUS_OPEN_TREES];
	u64 last;
	u32 count;
	struct rb_root asyncs;
	u32 async_count;
	struct rb_root_cached expiry;
	struct delayed_work expire;
};

/**
 * struct ipcbus_freeze_state - whether a proc is frozen (proc->lock): see freeze.h
 * @frozen: its threads get nothing; read without the lock
 * @received: IPCBUS_FROZEN_*: what came since it was frozen last
 * @reopened: how many replies failed, so that their calls are open again
 * @count: how often it was frozen or thawed
 * @notified: @count when watchers were notified last
 * @freezer: the call of FREEZE that is freezing it, or NULL; NULL if the proc is dead
 * @watches: watches of that; those that were not notified of the last time come first
 */
struct ipcbus_freeze_state {
	bool frozen;
	u32 received;
	u32 reopened;
	u32 count;
	u32 notified;
	const struct ipcbus_freezer *freezer;
	struct list_head watches;
};

/**
 * struct ipcbus_proc - one open file
 * @ref: see main.h
 * @bus: the bus it is on; constant
 * @bus_entry: in bus->procs (bus->lock)
 * @number: of no other proc of the bus before or after, from 1; constant
 * @monitor: what it wants to see of the bus's traffic
 * @opener: the address space that opened it, counted; NULL once the proc is shut down
 * @opener_entry: in opener->procs (opener->lock)
 * @mm: that address space itself, to compare with; NULL once the proc is dead
 * @pid: the process that opened it; constant
 * @owner: the effective user that opened it; constant
 * @pid_ns: the namespace in which it sees senders' pids; constant
 * @user_ns: the namespace in which it sees senders' uids; constant
 * @user: who opened it, counted; charged for what it has; constant
 * @inode: nobody else's: what is mapped of the file hangs on it; NULL once that is released
 * @region: where messages to it live
 * @nodes: its nodes by id; own lock; entries freed after a grace period
 * @next_node: where the search for a free id begins: ids come back late
 * @node_count: how many
 * @pool: its threads
 * @handle_lock: protects the next six; @handles is read under RCU too
 * @handles: see handle.h
 * @next_handle: the number given last
 * @handles_by_node: the same by node
 * @handle_count: how many
 * @manager_watch: its watch of the manager, or NULL
 * @lock: protects the rest, and the state of its nodes and threads
 * @work: waits for any thread that serves
 * @calls: that did not end
 * @poll_wait: who polls the file
 * @space_watches: regions in which it polls for space, by their procs (bus->space_lock)
 * @writable: whether space came in any of them; changed without the lock
 * @flushed: some fd of the file was closed: threads that come late must know
 * @dead: released; nothing is queued any more
 * @barred: dead, frozen or about to be: what a sender looks at
 * @freeze: whether it is frozen
 */
struct ipcbus_proc {
	struct kref ref;
	struct ipcbus_bus *bus;
	struct rb_node bus_entry;
	u64 number;
	struct ipcbus_monitor_wish monitor;
	struct ipcbus_opener *opener;
	struct list_head opener_entry;
	struct mm_struct *mm;
	struct pid *pid;
	kuid_t owner;
	struct pid_namespace *pid_ns;
	struct user_namespace *user_ns;
	struct ipcbus_user *user;
	struct inode *inode;
	struct ipcbus_region region;
	struct xarray nodes;
	u32 next_node;
	atomic_t node_count;
	struct ipcbus_pool pool;

	struct mutex handle_lock;
	struct ipcbus_handle_table __rcu *handles;
	u32 next_handle;
	struct rb_root handles_by_node;
	u32 handle_count;
	struct ipcbus_watch *manager_watch;

	spinlock_t lock;
	struct ipcbus_queue work;
	struct ipcbus_calls calls;
	wait_queue_head_t poll_wait;
	struct rb_root space_watches;
	enum ipcbus_writable writable;
	bool flushed;
	bool dead;
	bool barred;
	struct ipcbus_freeze_state freeze;
};

extern const struct file_operations ipcbus_fops;
long ipcbus_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
/* IPCBUS_IOC_EXCHANGE: returns 0 or -errno. nonblock: the file is O_NONBLOCK (exchange.c). */
long ipcbus_exchange(struct ipcbus_proc *proc, struct ipcbus_exchange __user *arg, bool nonblock);

/* Makes a proc of the current process for an open file of the bus. -EDQUOT; -ENOMEM, or
 * -ERESTARTNOINTR. */
struct ipcbus_proc *ipcbus_proc_new(struct ipcbus_bus *bus, const struct cred *cred);

static inline struct ipcbus_proc *ipcbus_proc_get(struct ipcbus_proc *proc)
{
	kref_get(&proc->ref);
	return proc;
}

void ipcbus_proc_put(struct ipcbus_proc *proc);

/* Adds the proc to its bus, and removes it. */
void ipcbus_proc_join_bus(struct ipcbus_proc *proc);
void ipcbus_proc_leave_bus(struct ipcbus_proc *proc);
/* The bus's proc after last, or the first for NULL, counted; drops last. NULL: no more. */
struct ipcbus_proc *ipcbus_proc_next(struct ipcbus_bus *bus, struct ipcbus_proc *last);

/* Is the current thread one of the process that opened the file, before exec? */
static __always_inline bool ipcbus_proc_is_opener(const struct ipcbus_proc *proc)
{
	return READ_ONCE(proc->mm) == current->mm && proc->pid == task_tgid(current);
}

/* --- The end (exit.c) ------------------------------------------------------- */

/*
 * A proc is shut down when the first of these happens:
 *
 *   - the last fd and mapping of its file are gone (file.c)
 *   - the address space that opened it ends (opener.c)
 *   - the process that opened it closes an fd of it as its last thread exits (file.c)
 *
 * No ioctl is running then and none can start, even if others keep the file open. First
 * stop new work, then release everything: threads, timers, queued work, nodes, open calls,
 * handles and buffers. Only the first call does so. May sleep.
 */
void ipcbus_proc_shut_down(struct ipcbus_proc *proc);
/* Shuts down all procs of an address space that ends. */
void ipcbus_opener_shut_down(struct ipcbus_opener *opener);
/* IPCBUS_IOC_THREAD_EXIT; it has no structure. */
int ipcbus_thread_leave(struct ipcbus_proc *proc, void *data);

#endif
