/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Thread
 *
 * A thread of a proc, created at its first exchange. It has a stack of the calls that it is in:
 * calls that it made and calls that it serves. While it waits for any work it is in
 * proc->pool.idle. The thread that went idle last gets the next work.
 *
 * If a thread ends without THREAD_EXIT, its structure stays, with the thread's identity but without
 * a reference to its task. When new threads come, the driver removes structures of ended threads
 * before they outnumber the living threads and the threads in a call. A call that came back to an
 * ended thread stays queued for it until it is canceled or its deadline passes.
 */
#ifndef IPCBUS_THREAD_H
#define IPCBUS_THREAD_H

#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>

#include "compat.h"
#include "main.h"
#include "priority.h"
#include "proc.h"
#include "work.h"

/* --- Senders ------------------------------------------------------------------------ */

/*
 * The driver records the sender of a message in the sending thread while that thread sends, never
 * later and never from another task. It records the sender in two forms:
 *
 *   struct ipcbus_sender     the ids that the receiver sees, in the receiver's namespaces
 *   struct ipcbus_sender_id  the sending process, for IPCBUS_IOC_SENDER_INFO
 *
 * The second form holds no reference, so keeping it is free. It still never names another
 * process: the start time distinguishes processes that reuse a pid.
 */
/* Stores the current process. */
void ipcbus_sender_id_set(struct ipcbus_sender_id *id);

/* Returns the process, or NULL if it was reaped. Must be called under RCU. */
struct pid *ipcbus_sender_id_find(const struct ipcbus_sender_id *id);

/* Returns whether the process still exists. *ret_pid is its pid in ns, or 0 if it is not visible
 * there. ipcbusd replaces this weak function. */
bool ipcbus_sender_id_exists(const struct ipcbus_sender_id *id, struct pid_namespace *ns,
			     u32 *ret_pid);

/* The sender of a message, as its receiver sees it. */
struct ipcbus_sender {
	u32 pid;
	u32 tid;
	u32 uid;
	u32 gid;
};

static inline void ipcbus_sender_to_event(const struct ipcbus_sender *sender,
					  struct ipcbus_event *event)
{
	event->pid = sender->pid;
	event->tid = sender->tid;
	event->uid = sender->uid;
	event->gid = sender->gid;
}

/* If a node has IPCBUS_NODE_WANT_LABEL, messages to it carry the sender's security label: the text
 * by which the security module knows the sending thread at the moment of sending. The label is in
 * the message's buffer, after the object table. */

/**
 * struct ipcbus_label - the current thread's label
 * @context: owned by the security module, which frees it
 * @text: the label without a terminating zero, or NULL if the thread has none
 * @size: bytes of @text
 */
struct ipcbus_label {
	struct lsm_context context;
	const char *text;
	u32 size;
};

/* If no security module provides labels, succeeds with an empty label. */
int ipcbus_label_take(struct ipcbus_label *label);
void ipcbus_label_drop(struct ipcbus_label *label);

/* --- Threads ---------------------------------------------------------------- */

/**
 * struct ipcbus_more - oneways that an exchange takes after its first event: see deliver.h
 * @most: maximum number, or 0 outside of such an exchange
 * @events: array in user space for their events
 * @first: oneways that are taken and not delivered, the oldest first
 */
struct ipcbus_more {
	u32 most;
	struct ipcbus_event __user *events;
	struct ipcbus_transaction *first;
};

/**
 * struct ipcbus_thread - a thread that uses the file
 * @ref: see main.h
 * @rcu: frees it, with @pid and @tgid
 * @proc: its proc, counted; constant
 * @pid: identifies the thread; counted; constant. Valid as long as @rcu keeps the structure.
 * @tgid: the thread's process, counted; constant. Valid as long as @pid.
 * @pid_nr: @pid in the proc's own pid namespace; constant
 * @tgid_nr: @tgid in the proc's own pid namespace; constant
 * @sender_id: the thread's process, for IPCBUS_IOC_SENDER_INFO; constant
 * @number: index in proc->pool.threads, at least 1; constant
 * @by_pid: in proc->pool.by_pid (proc->lock)
 * @waiter: wait entry of this thread, never in a wait queue. Its task is not counted: see
 *	ipcbus_thread_kick_locked().
 * @asleep: the thread sleeps or is about to; if not, it needs no wake-up
 * @since: when it last went to sleep, in jiffies
 * @kick: the thread must examine its queues. Set under proc->lock; the thread reads it without the
 *	lock before it sleeps. While the thread is in a wait, always set if there is @given or
 *	@work, the call on @top has ended, or @interrupted is set.
 * @given: work that this thread got while it was idle (proc->lock)
 * @work: calls that came back to this thread while it waits (proc->lock)
 * @idle: in proc->pool.idle while it waits for any work (proc->lock)
 * @deadline: until when the thread waits for its call on @top, or listens, whichever is earlier, or
 *	0; used by the thread only
 * @listens: until when the thread takes calls that are directed to it, or 0 (proc->lock to clear)
 * @top: stack of the calls that the thread is in, the innermost first (proc->lock): calls that it
 *	made (transaction->from is this thread) and calls that it serves
 * @replies: it has claimed a call whose reply may still fail: see freeze.c. Set under proc->lock
 * @interrupted: its next wait returns at once (proc->lock)
 * @boost: the boosted priority that it runs with; used by the thread only
 * @stale: it has a boost, or took a message with a better priority. It must update @boost before it
 *	sleeps or leaves the driver. Used by the thread only.
 * @oneway: priority of the node whose oneway it serves, or NONE; used by the thread only
 * @oneway_policy: policy of that node; used by the thread only
 * @more: oneways that follow the event of this exchange; used by the thread only
 * @spare: unused transaction for the next message, or NULL; used by the thread only
 * @next_id: id of its next message, unless it must reserve new ids; used by the thread only
 */
struct ipcbus_thread {
	struct kref ref;
	struct rcu_head rcu;
	struct ipcbus_proc *proc;
	struct pid *pid;
	struct pid *tgid;
	u32 pid_nr;
	u32 tgid_nr;
	struct ipcbus_sender_id sender_id;
	u32 number;
	struct rb_node by_pid;
	wait_queue_entry_t waiter;
	bool asleep;
	unsigned long since;
	bool kick;
	struct ipcbus_work *given;
	struct list_head work;
	struct hlist_node idle;
	u64 deadline;
	u64 listens;
	struct ipcbus_transaction *top;
	bool replies;
	bool interrupted;
	struct ipcbus_boost boost;
	bool stale;
	int oneway;
	u32 oneway_policy;
	struct ipcbus_more more;
	struct ipcbus_transaction *spare;
	u64 next_id;
};

/* The current thread took a message with a better priority than its own. */
static inline void ipcbus_boost_mark(struct ipcbus_thread *thread)
{
	thread->stale = true;
}

/* Returns the calling thread's structure, created at its first ioctl. number is the user's hint. */
struct ipcbus_thread *ipcbus_thread_current_slow(struct ipcbus_proc *proc, u32 number);

static inline struct ipcbus_thread *ipcbus_thread_current(struct ipcbus_proc *proc, u32 number)
{
	struct pid *pid = NULL;

	if (likely(number < IPCBUS_QUICK_THREADS)) {
		number = array_index_nospec(number, IPCBUS_QUICK_THREADS);
		/* Pairs with the release in thread_new(). */
		pid = smp_load_acquire(&proc->pool.quick[number].pid);
	}
	/* Only this thread itself removes its own entry. */
	if (likely(pid == task_pid(current)))
		return proc->pool.quick[number].thread;
	return ipcbus_thread_current_slow(proc, number);
}

/* Returns the calling thread's structure, or NULL if it has none. */
struct ipcbus_thread *ipcbus_thread_find(struct ipcbus_proc *proc);

static inline struct ipcbus_thread *ipcbus_thread_get(struct ipcbus_thread *thread)
{
	kref_get(&thread->ref);
	return thread;
}

static inline bool ipcbus_thread_is_current(const struct ipcbus_thread *thread)
{
	return thread->pid == task_pid(current);
}

/* Returns the thread's task, or NULL once it has ended. Must be called under RCU. */
static inline struct task_struct *ipcbus_thread_task(const struct ipcbus_thread *thread)
{
	return pid_task(thread->pid, PIDTYPE_PID);
}

/* Returns whether the thread has ended and cannot use the file any more. The task of a process's
 * first thread exists until the other threads have ended. Must be called under RCU. */
static inline bool ipcbus_thread_has_ended(const struct ipcbus_thread *thread)
{
	const struct task_struct *task = ipcbus_thread_task(thread);

	return !task || READ_ONCE(task->exit_state);
}

void ipcbus_thread_free(struct kref *ref);

static inline void ipcbus_thread_put(struct ipcbus_thread *thread)
{
	kref_put(&thread->ref, ipcbus_thread_free);
}

/* Fills in the current thread as the sender, with ids in the namespaces of receiver. */
static __always_inline void ipcbus_thread_identify(const struct ipcbus_thread *thread,
						   const struct ipcbus_proc *receiver,
						   struct ipcbus_sender *sender)
{
	const struct cred *cred = current_cred();

	if (likely(receiver->pid_ns == thread->proc->pid_ns)) {
		sender->pid = thread->tgid_nr;
		sender->tid = thread->pid_nr;
	} else {
		sender->pid = pid_nr_ns(thread->tgid, receiver->pid_ns);
		sender->tid = pid_nr_ns(thread->pid, receiver->pid_ns);
	}
	if (likely(receiver->user_ns == &init_user_ns)) {
		sender->uid = __kuid_val(cred->euid);
		sender->gid = __kgid_val(cred->egid);
	} else {
		sender->uid = from_kuid_munged(receiver->user_ns, cred->euid);
		sender->gid = from_kgid_munged(receiver->user_ns, cred->egid);
	}
}

/* Takes work that was queued for this thread only; returns NULL if there is none (proc->lock). */
static inline struct ipcbus_work *ipcbus_thread_pop_own_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_work *work = thread->given;

	if (likely(work)) {
		thread->given = NULL;
		work->thread = NULL;
		return work;
	}
	return list_empty(&thread->work) ? NULL : ipcbus_work_pop_locked(&thread->work);
}

/* Makes each thread examine its queues. May sleep. */
void ipcbus_threads_kick(struct ipcbus_proc *proc);

/* Interrupts the current or next wait of each thread. May sleep. */
void ipcbus_threads_interrupt(struct ipcbus_proc *proc);

/* --- End (pool.c) ----------------------------------------------------------- */

/* Removes the thread from its proc's table; returns false if another thread did. Its memory is
 * freed after an RCU grace period. */
bool ipcbus_thread_unlist(struct ipcbus_thread *thread);

/* Ends a thread that is out of the table. Abandons the calls that it made. Leaves the
 * calls that it serves, and its queued work, to other threads. */
void ipcbus_thread_exit(struct ipcbus_thread *thread);

/* IPCBUS_IOC_THREAD_EXIT, which has no argument structure. */
int ipcbus_thread_leave(struct ipcbus_proc *proc, void *data);

/* --- Waiting (wait.c) ------------------------------------------------------- */

/*
 * A waiting thread takes a single event at a time. It examines the sources in this order:
 *
 *   1. work that was queued for this thread only: calls that come back to it, or work that it
 *      got while idle. It comes first, because the thread may never wait again after its reply.
 *   2. the end of the call that it made last
 *   3. if it serves and is in no call: the proc's queue
 *   4. the deadline of its call, or the time until which it listens
 *   5. an interruption
 *
 * While the proc is frozen, the thread gets only interruptions.
 */

/* Waits for an event according to exchange->flags, and fills it in. called: the thread has just
 * made a call. If that call is async, the thread was kicked. */
void ipcbus_thread_wait(struct ipcbus_thread *thread, u32 flags, bool called,
			struct ipcbus_event *event);

/* For poll: returns whether a wait with IPCBUS_SERVE has an event now. thread may be NULL. */
bool ipcbus_thread_ready(struct ipcbus_proc *proc, struct ipcbus_thread *thread);

/* The thread returns to user space during its call, so a timer must watch the call's deadline. */
void ipcbus_thread_leave_to_timer(struct ipcbus_thread *thread);

#endif
