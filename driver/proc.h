/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proc
 *
 * A proc is one open file of one address space, with its nodes, its handles and its queued work.
 * file.c creates a proc, and exit.c shuts it down. Its memory is freed when the last reference is
 * put. A dead proc gets no more work.
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

/* Number of buckets for open calls, selected by the lowest bits of a call's number. */
#define IPCBUS_OPEN_TREES	64
#define IPCBUS_QUICK_THREADS	16

/**
 * enum ipcbus_writable - whether poll reports EPOLLOUT to a sender of oneways
 * @IPCBUS_WRITABLE: no oneway was refused since poll last reported that there is space
 * @IPCBUS_NOT_WRITABLE: a oneway was refused
 * @IPCBUS_WRITABLE_AGAIN: space came after the refusal, and poll must report it
 */
enum ipcbus_writable {
	IPCBUS_WRITABLE,
	IPCBUS_NOT_WRITABLE,
	IPCBUS_WRITABLE_AGAIN,
};

/**
 * struct ipcbus_pool - the threads of a proc (proc->lock, except for the first three)
 * @threads: by number; has its own lock; entries are freed after a grace period
 * @quick: the first of @threads again, each with its pid. A thread finds itself by a single
 *	compare, without reading another thread's memory. Written by the thread that adds or
 *	removes the entry.
 * @reap_at: a new thread with a higher number removes ended threads; no lock
 * @by_pid: the threads by pid, for a thread that does not know its number
 * @count: number of threads
 * @idle: threads that wait for any work; the thread that went idle last is the first
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
	struct hlist_head idle;
};

/**
 * struct ipcbus_calls - the calls of a proc (proc->lock): see calls.h
 * @open: calls that were delivered and have no reply yet, in buckets by number
 * @last: number of the latest call
 * @count: number of calls that are queued for the proc or in @open
 * @asyncs: its own async calls that have not ended
 * @async_count: length of @asyncs, plus results that no thread has taken
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
 * @frozen: its threads get no events
 * @received: IPCBUS_FROZEN_*: kinds of messages since it was last frozen
 * @reopened: number of replies that failed, so that their calls became open again
 * @count: number of times that it was frozen or thawed
 * @freezer: the FREEZE ioctl that is freezing it, or NULL; NULL if the proc is dead
 */
struct ipcbus_freeze_state {
	bool frozen;
	u32 received;
	u32 reopened;
	u32 count;
	const struct ipcbus_freezer *freezer;
};

/**
 * struct ipcbus_proc - an open file
 * @ref: see main.h
 * @bus: its bus; constant
 * @bus_entry: in bus->procs (bus->lock)
 * @number: unique on the bus for all time, at least 1; constant
 * @monitor: its filters and state if it monitors the bus
 * @opener: the address space that opened it, counted; NULL once the proc is shut down
 * @opener_entry: in opener->procs (opener->lock)
 * @mm: that address space, only for comparison; NULL once the proc is dead
 * @pid: the process that opened it; constant
 * @owner: the effective user that opened it; constant
 * @pid_ns: pid namespace for the senders' pids in its events; constant
 * @user_ns: user namespace for the senders' uids in its events; constant
 * @user: the user that is charged for its resources, counted; constant
 * @inode: its own inode, to which the mappings of the file belong; NULL after release()
 * @region: memory for the messages to it
 * @nodes: its nodes by id; has its own lock; entries are freed after a grace period
 * @next_node: where the search for a free id starts, so that ids are reused late
 * @node_count: number of nodes
 * @pool: its threads
 * @handle_lock: protects @handles to @manager_watch; @handles is also read under RCU
 * @handles: see handle.h
 * @next_handle: the number that was allocated last
 * @handles_by_node: the handles by node
 * @handle_count: number of handles
 * @manager_watch: its watch of the manager, or NULL
 * @lock: protects the fields below, and the state of its nodes and threads
 * @work: work for any thread that serves
 * @calls: calls that have not ended
 * @poll_wait: pollers of the file
 * @space_watches: regions in which it waits for space, by their procs (bus->space_lock)
 * @writable: whether any of them has space again; changed without the lock
 * @flushed: an fd of the file was closed; threads that come later must be interrupted too
 * @dead: shut down, or being shut down; no work is queued any more
 * @barred: dead, frozen or being frozen; senders check only this flag of the proc
 * @freeze: whether it is frozen
 */
struct ipcbus_proc {
	struct kref ref;
	struct ipcbus_bus *bus;
	struct rb_node bus_entry;
	u64 number;
	struct ipcbus_monitor_filter monitor;
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
/* IPCBUS_IOC_EXCHANGE (exchange.c). nonblock: the file is O_NONBLOCK. Returns 0 or -errno. */
long ipcbus_exchange(struct ipcbus_proc *proc, struct ipcbus_exchange __user *arg, bool nonblock);

/* Creates a proc of the current process for an open file of the bus. Returns ERR_PTR of -EDQUOT,
 * -ENOMEM or -ERESTARTNOINTR. */
struct ipcbus_proc *ipcbus_proc_new(struct ipcbus_bus *bus, const struct cred *cred);

static inline struct ipcbus_proc *ipcbus_proc_get(struct ipcbus_proc *proc)
{
	kref_get(&proc->ref);
	return proc;
}

/* May sleep. */
void ipcbus_proc_put(struct ipcbus_proc *proc);

/* bus->procs holds no reference: a proc that joined must leave before its last put. Joining sets
 * its number. */
void ipcbus_proc_join_bus(struct ipcbus_proc *proc);
void ipcbus_proc_leave_bus(struct ipcbus_proc *proc);
/* Returns the proc after last on the bus (NULL: the first), counted, or NULL. Drops last. */
struct ipcbus_proc *ipcbus_proc_next(struct ipcbus_bus *bus, struct ipcbus_proc *last);

/* Returns whether the current process opened the file and has not called exec since. */
static __always_inline bool ipcbus_proc_is_opener(const struct ipcbus_proc *proc)
{
	return READ_ONCE(proc->mm) == current->mm && proc->pid == task_tgid(current);
}

/* --- The end (exit.c) ------------------------------------------------------- */

/*
 * A proc is shut down when the first of these events happens:
 *
 *   - the last fd and mapping of its file are gone (file.c)
 *   - the address space that opened it ends (opener.c)
 *   - the process that opened it closes an fd of it as its last thread exits (file.c)
 *
 * No ioctl is running then and none can start, even if another process keeps the file open. Stops
 * new work first. Then releases threads, timers, queued work, nodes, open calls, handles and
 * buffers. Only the first call has an effect. May sleep.
 */
void ipcbus_proc_shut_down(struct ipcbus_proc *proc);
void ipcbus_opener_shut_down(struct ipcbus_opener *opener);

#endif
