// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: see thread.h. This file implements their lifetime, wait.c waiting, exit.c their end.
 */
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "proc.h"
#include "stats.h"
#include "thread.h"
#include "user.h"
#include "work.h"

/* Frees a thread after a grace period. Until then a reader that found it under RCU may use its
 * pids. */
static void free_after_readers(struct rcu_head *rcu)
{
	struct ipcbus_thread *thread = container_of(rcu, struct ipcbus_thread, rcu);

	put_pid(thread->pid);
	put_pid(thread->tgid);
	kfree(thread);
}

void ipcbus_thread_free(struct kref *ref)
{
	struct ipcbus_thread *thread = container_of(ref, struct ipcbus_thread, ref);

	ipcbus_user_uncharge(thread->proc->user, IPCBUS_USE_THREADS);
	ipcbus_proc_put(thread->proc);
	ipcbus_stat_remove(IPCBUS_STAT_THREADS);
	call_rcu(&thread->rcu, free_after_readers);
}

static int compare(const void *pid, const struct rb_node *node)
{
	const void *other = rb_entry(node, struct ipcbus_thread, by_pid)->pid;

	return pid < other ? -1 : pid > other;
}

struct ipcbus_thread *ipcbus_thread_find(struct ipcbus_proc *proc)
{
	struct rb_node *node;

	/* Valid without the lock, because only the thread itself removes its entry. */
	spin_lock(&proc->lock);
	node = rb_find(task_pid(current), &proc->pool.by_pid, compare);
	spin_unlock(&proc->lock);
	return rb_entry_safe(node, struct ipcbus_thread, by_pid);
}

static bool is_before(struct rb_node *a, const struct rb_node *b)
{
	return compare(rb_entry(a, struct ipcbus_thread, by_pid)->pid, b) < 0;
}

bool ipcbus_thread_unlist(struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;

	/* If several threads try at once, the thread that erases the entry owns it. */
	if (xa_cmpxchg(&proc->pool.threads, thread->number, thread, NULL, 0) != thread)
		return false;
	if (thread->number < IPCBUS_QUICK_THREADS)
		WRITE_ONCE(proc->pool.quick[thread->number].pid, NULL);
	spin_lock(&proc->lock);
	rb_erase(&thread->by_pid, &proc->pool.by_pid);
	proc->pool.count--;
	spin_unlock(&proc->lock);
	return true;
}

/* Removes threads that ended without THREAD_EXIT. Returns the number of remaining threads. An ended
 * thread that made a call stays until the call ends, unless all is true. */
static u32 reap_dead(struct ipcbus_proc *proc, bool all)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	u32 others = 0;

	rcu_read_lock();
	xa_for_each(&proc->pool.threads, number, thread) {
		if (!ipcbus_thread_has_ended(thread) || (!all && READ_ONCE(thread->top))) {
			others++;
		} else if (ipcbus_thread_unlist(thread)) {
			rcu_read_unlock();
			ipcbus_thread_exit(thread);
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
	return others;
}

/* Adds the thread to its proc's table, with the lowest free number. If the number is above
 * proc->pool.reap_at, there are that many threads, and ended threads are removed. The new reap_at
 * keeps the cost at a check per new thread. */
static int thread_insert(struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	struct xa_limit limit = XA_LIMIT(1, IPCBUS_LIMIT_THREADS);
	bool is_full;
	int ret;

	ret = xa_alloc(&proc->pool.threads, &thread->number, thread, limit, GFP_KERNEL_ACCOUNT);
	is_full = ret == -EBUSY;
	if (is_full || (!ret && thread->number > READ_ONCE(proc->pool.reap_at)))
		WRITE_ONCE(proc->pool.reap_at, 2 * reap_dead(proc, is_full) + IPCBUS_QUICK_THREADS);
	if (is_full)
		ret = xa_alloc(&proc->pool.threads, &thread->number, thread, limit,
			       GFP_KERNEL_ACCOUNT);
	return ret == -EBUSY ? -EDQUOT : ret;
}

static struct ipcbus_thread *thread_new(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	int ret;

	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_THREADS);
	if (ret)
		return ERR_PTR(ret);
	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread) {
		ipcbus_user_uncharge(proc->user, IPCBUS_USE_THREADS);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&thread->ref);
	thread->proc = ipcbus_proc_get(proc);
	thread->pid = get_pid(task_pid(current));
	thread->tgid = get_pid(task_tgid(current));
	thread->pid_nr = pid_nr_ns(thread->pid, proc->pid_ns);
	thread->tgid_nr = pid_nr_ns(thread->tgid, proc->pid_ns);
	ipcbus_sender_id_set(&thread->sender_id);
	init_waitqueue_entry(&thread->waiter, current);
	thread->boost.prio = IPCBUS_PRIORITY_NONE;
	thread->oneway = IPCBUS_PRIORITY_NONE;
	INIT_LIST_HEAD(&thread->work);
	INIT_HLIST_NODE(&thread->idle);
	ipcbus_stat_add(IPCBUS_STAT_THREADS);

	ret = thread_insert(thread);
	if (ret) {
		ipcbus_thread_put(thread);
		return ERR_PTR(ret);
	}
	if (thread->number < IPCBUS_QUICK_THREADS) {
		proc->pool.quick[thread->number].thread = thread;
		/* Pairs with the acquire in ipcbus_thread_current(). */
		smp_store_release(&proc->pool.quick[thread->number].pid, thread->pid);
	}
	/* The thread is visible now. A concurrent flush marks it, or has set proc->flushed. */
	spin_lock(&proc->lock);
	rb_add(&thread->by_pid, &proc->pool.by_pid, is_before);
	proc->pool.count++;
	thread->interrupted |= proc->flushed;
	thread->kick = thread->interrupted;
	spin_unlock(&proc->lock);
	return thread;
}

struct ipcbus_thread *ipcbus_thread_current_slow(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_thread *thread;

	rcu_read_lock();
	thread = xa_load(&proc->pool.threads, number);
	if (thread && !ipcbus_thread_is_current(thread))
		thread = NULL;
	rcu_read_unlock();
	if (thread)
		return thread;
	thread = ipcbus_thread_find(proc);
	return thread ?: thread_new(proc);
}

/* Makes each thread examine its queues, and interrupts its wait if interrupt is true. Takes the
 * lock for each thread separately: waking takes time, and there may be many threads. */
static void kick_all(struct ipcbus_proc *proc, bool interrupt)
{
	struct ipcbus_thread *thread;
	unsigned long number = 0;

	do {
		rcu_read_lock();
		thread = xa_find(&proc->pool.threads, &number, ULONG_MAX, XA_PRESENT);
		if (thread) {
			spin_lock(&proc->lock);
			thread->interrupted |= interrupt;
			ipcbus_thread_kick_locked(thread, /* here= */ false);
			spin_unlock(&proc->lock);
		}
		rcu_read_unlock();
		number++;
		cond_resched();
	} while (thread);
}

void ipcbus_threads_kick(struct ipcbus_proc *proc)
{
	kick_all(proc, false);
}

void ipcbus_threads_interrupt(struct ipcbus_proc *proc)
{
	/* Threads that come later see this flag. */
	spin_lock(&proc->lock);
	proc->flushed = true;
	spin_unlock(&proc->lock);
	kick_all(proc, true);
}

/* --- Senders ---------------------------------------------------------------- */

void ipcbus_sender_id_set(struct ipcbus_sender_id *id)
{
	id->pid = pid_nr_ns(task_tgid(current), &init_pid_ns);
	id->started = current->group_leader->start_boottime;
}

struct pid *ipcbus_sender_id_find(const struct ipcbus_sender_id *id)
{
	struct pid *pid = find_pid_ns(id->pid, &init_pid_ns);
	struct task_struct *leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;

	return leader && leader->start_boottime == id->started ? pid : NULL;
}

bool __weak ipcbus_sender_id_exists(const struct ipcbus_sender_id *id, struct pid_namespace *ns,
				    u32 *ret_pid)
{
	struct pid *pid;

	rcu_read_lock();
	pid = ipcbus_sender_id_find(id);
	if (pid)
		*ret_pid = pid_nr_ns(pid, ns);
	rcu_read_unlock();
	return pid;
}

int ipcbus_label_take(struct ipcbus_label *label)
{
	int ret;

	label->text = NULL;
	label->size = 0;
	ret = ipcbus_secctx_take(&label->context);
	if (ret == -EOPNOTSUPP)
		return 0;
	if (ret)
		return ret;
	label->text = label->context.context;
	/* Not all security modules count the terminating zero. */
	label->size = strnlen(label->text, label->context.len);
	return 0;
}

void ipcbus_label_drop(struct ipcbus_label *label)
{
	if (label->text)
		ipcbus_secctx_drop(&label->context);
}
