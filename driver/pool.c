// SPDX-License-Identifier: GPL-2.0-only
/*
 * The threads of a proc come and go: see thread.h.
 *
 * A thread is added at its first exchange. It ends by IPCBUS_IOC_THREAD_EXIT, with its proc, or
 * when a new thread finds that its task is gone. The caller of ipcbus_thread_exit() must first take
 * the thread out of the table. So a thread is ended once, and the caller owns the table's
 * reference. The functions may sleep, and must be called without locks.
 */
#include <linux/pid_namespace.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "cancel.h"
#include "priority.h"
#include "proc.h"
#include "result.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"
#include "work.h"

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

/* --- End ------------------------------------------------------------------------------- */

void ipcbus_thread_exit(struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	struct ipcbus_transaction *t;
	struct ipcbus_work *work;
	bool pending = false;

	for (;;) {
		spin_lock(&proc->lock);
		ipcbus_transactions_detach_locked(thread);
		t = thread->top;
		if (t) {
			thread->top = t->from_below;
			pending = ipcbus_result_abandon_locked(t);
		}
		spin_unlock(&proc->lock);
		if (!t)
			break;
		if (pending)
			ipcbus_cancel_server(t);
		ipcbus_result_drop(t);
	}
	/* Other users decide how many calls are directed to the thread. No more can come. */
	spin_lock(&proc->lock);
	while ((work = ipcbus_thread_pop_own_locked(thread))) {
		/* Work of a dead proc is not given to another thread. shut_down() discards it. */
		if (proc->dead)
			ipcbus_queue_add_locked(&proc->work, work);
		else
			ipcbus_proc_queue_locked(proc, work);
		spin_unlock(&proc->lock);
		cond_resched();
		spin_lock(&proc->lock);
	}
	spin_unlock(&proc->lock);
	if (ipcbus_thread_is_current(thread)) {
		thread->oneway = IPCBUS_PRIORITY_NONE;
		ipcbus_boost_update(thread);
	}
	if (thread->spare)
		ipcbus_transaction_free_spare(thread->spare);
	thread->spare = NULL;
	ipcbus_thread_put(thread);
}

int ipcbus_thread_leave(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_thread *thread = ipcbus_thread_find(proc);

	if (thread && ipcbus_thread_unlist(thread))
		ipcbus_thread_exit(thread);
	return 0;
}

/* --- Beginning ------------------------------------------------------------------------- */

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

static bool is_before(struct rb_node *a, const struct rb_node *b)
{
	return compare(rb_entry(a, struct ipcbus_thread, by_pid)->pid, b) < 0;
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
