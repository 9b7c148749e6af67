/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Thread
 *
 * A thread of a proc, made at its first ioctl. It has a stack of the calls that it is
 * in: those that it made, and those that it serves. While it waits for any work it is
 * in proc->pool.idle, and the thread that went idle last gets the next work.
 *
 * A thread may end without THREAD_EXIT. Then this structure stays, with the thread's
 * identity but without a reference of its task. When other threads come, the driver removes
 * structures of ended threads before they outnumber the living threads and the threads in a
 * call. If an ended thread has an event for other threads, it is removed within a second.
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
 * The driver takes the sender of a message from the sending thread itself while that thread
 * sends, never from another task later. There are two forms of it:
 *
 *   struct ipcbus_sender     what the receiver sees: numbers in its own namespaces
 *   struct ipcbus_sender_id  the sending process, for a receiver that asks later
 *
 * The second form costs nothing to keep, because it holds no reference. It still
 * never names another process: the start time distinguishes processes that reuse a
 * pid.
 */
/* Stores the current process. */
void ipcbus_sender_id_set(struct ipcbus_sender_id *id);

/* Returns the process, or NULL once its parent has waited for it. Call it under RCU. */
struct pid *ipcbus_sender_id_find(const struct ipcbus_sender_id *id);

/* Whether the process still exists, and its pid in a namespace; 0: it is not visible there. Where
 * the driver runs as a daemon, that has a function of its own. */
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

/*
 * Some nodes want their senders' security labels (IPCBUS_NODE_WANT_LABEL). A label is
 * the text by which the security module knows the sending thread at the moment of
 * sending. It travels in the message's buffer, behind the table of objects.
 */

/**
 * struct ipcbus_label - the current thread's label
 * @context: the security module's, to be released to it
 * @text: not terminated, or NULL if it has none
 * @size: of the text
 */
struct ipcbus_label {
	struct lsm_context context;
	const char *text;
	u32 size;
};

/* Where there is no security module, or it has no labels, there is just no text. */
int ipcbus_label_take(struct ipcbus_label *label);
void ipcbus_label_drop(struct ipcbus_label *label);

/* --- Threads ---------------------------------------------------------------- */

/**
 * struct ipcbus_more - what follows the event of one exchange: see deliver.h
 * @most: how many are wanted; 0 outside of such an exchange
 * @events: where in user space they are
 * @first: taken and not delivered yet, the oldest first
 */
struct ipcbus_more {
	u32 most;
	struct ipcbus_event __user *events;
	struct ipcbus_transaction *first;
};

/**
 * struct ipcbus_thread - one thread that uses the file
 * @ref: see main.h
 * @rcu: frees it, with @pid and @tgid
 * @proc: its proc, counted; constant
 * @pid: the thread, counted; distinguishes the thread itself from others; constant. May be
 *	read for as long as @rcu keeps the structure.
 * @tgid: its process, likewise
 * @pid_nr: @pid as its own proc knows it; constant
 * @tgid_nr: @tgid likewise; constant
 * @sender_id: its process, for receivers that ask later; constant
 * @number: its place in proc->pool.threads, from 1; constant
 * @by_pid: in proc->pool.by_pid (proc->lock)
 * @waiter: wait entry of this thread. It is never queued, because nobody else waits on it.
 *	Its task is not counted: see ipcbus_thread_kick_locked().
 * @asleep: it is about to sleep, or does; else no wake-up is needed
 * @since: when it went to sleep the last time, in jiffies
 * @kick: there is something to look at (proc->lock to change; the thread looks
 *	without it before it sleeps). While the thread is in a wait, always set
 *	when there is @given or @work, the call on @top has ended, or @interrupted.
 * @given: handed to this thread when it was idle (proc->lock)
 * @work: calls that came back to this thread while it waits (proc->lock)
 * @idle: in proc->pool.idle while it waits for any work (proc->lock)
 * @deadline: until when it waits for its call on @top, or 0; its own
 * @top: the calls it is in, the innermost first (proc->lock): those it made
 *	(transaction->from is this thread) and those it serves
 * @serves: it ever waited with IPCBUS_SERVE (proc->lock)
 * @replies: it has claimed a call, and its reply may fail: see freeze.c. Set under proc->lock
 * @interrupted: its next wait returns at once (proc->lock)
 * @boost: what it runs by in place of its own priority; its own
 * @stale: it has a boost, or took a message with a better priority: it updates @boost before it
 *	sleeps or leaves the driver; its own
 * @oneway: the priority of the node whose oneway it serves, or NONE; its own
 * @oneway_policy: likewise
 * @more: what follows the event that it waits for; its own
 * @spare: a transaction that is of no use now, for the next call; its own
 * @next_id: the id of its next message, unless it has to take new ones; its own
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
	struct ipcbus_transaction *top;
	bool serves;
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

/* The calling thread's, made at its first call. number is the user's guess. */
struct ipcbus_thread *ipcbus_thread_current_slow(struct ipcbus_proc *proc, u32 number);

static inline struct ipcbus_thread *ipcbus_thread_current(struct ipcbus_proc *proc, u32 number)
{
	struct pid *pid = NULL;

	if (likely(number < IPCBUS_QUICK_THREADS)) {
		number = array_index_nospec(number, IPCBUS_QUICK_THREADS);
		/* With the release in thread_new(). */
		pid = smp_load_acquire(&proc->pool.quick[number].pid);
	}
	/* An entry of this very thread is taken away by itself alone. */
	if (likely(pid == task_pid(current)))
		return proc->pool.quick[number].thread;
	return ipcbus_thread_current_slow(proc, number);
}

/* The same, but NULL if the thread never called. */
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

/* The thread's task, or NULL once it has ended. Under RCU. */
static inline struct task_struct *ipcbus_thread_task(const struct ipcbus_thread *thread)
{
	return pid_task(thread->pid, PIDTYPE_PID);
}

/* It will not use the file any more. The task of a process's first thread stays until the
 * others have ended. Under RCU. */
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

/* Fills in the current thread as the sender, as the owner of receiver sees it. */
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

/* Takes it out of its proc's table; false if somebody else did. Its memory stays until RCU
 * readers have left. */
bool ipcbus_thread_unlist(struct ipcbus_thread *thread);

/* Takes what was given to this thread alone (proc->lock). */
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

/*
 * Ends a thread that is off the table (exit.c): abandons the calls that it made, leaves
 * those that it serves to other threads, and hands its work to them.
 */
void ipcbus_thread_exit(struct ipcbus_thread *thread);

/* IPCBUS_IOC_SET_THREADS: struct ipcbus_threads. */
int ipcbus_threads_set(struct ipcbus_proc *proc, void *data);

/* Makes each thread look. May sleep, as does the next. */
void ipcbus_threads_kick(struct ipcbus_proc *proc);

/* Makes each thread's next wait, or the one it is in, return INTERRUPTED. */
void ipcbus_threads_interrupt(struct ipcbus_proc *proc);

/* --- Waiting (wait.c) ------------------------------------------------------- */

/*
 * A thread waits for one event at a time. It looks in this order:
 *
 *   1. work that was given to it alone: calls that come back to it, or what it was
 *      idle for. They come first, for it may never wait again after its reply.
 *   2. the end of the call that it made last
 *   3. if it serves and is in no call: the proc's queue
 *   4. the deadline of its call
 *   5. an interruption
 *
 * While the proc is frozen the thread finds nothing but an interruption.
 */

/* Waits for an event as exchange->flags say, and fills it in. called: the thread has
 * just made a call. If that is async, it was kicked. */
void ipcbus_thread_wait(struct ipcbus_thread *thread, u32 flags, bool called,
			struct ipcbus_event *event);

/* For poll: is there anything that a wait with IPCBUS_SERVE would return? thread may
 * be NULL. */
bool ipcbus_thread_ready(struct ipcbus_proc *proc, struct ipcbus_thread *thread);

/* Leaves the deadline of the thread's call to a timer, for the thread returns to user
 * space and does not sleep on it. */
void ipcbus_thread_leave_to_timer(struct ipcbus_thread *thread);

#endif
