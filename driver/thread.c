// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: see thread.h. This file has their lifetime; wait.c has their waiting and
 * exit.c their end.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "bus.h"
#include "proc.h"
#include "sender.h"
#include "stats.h"
#include "thread.h"
#include "work.h"

void ipcbus_thread_free(struct kref *ref)
{
	struct ipcbus_thread *thread = container_of(ref, struct ipcbus_thread, ref);

	put_task_struct(thread->task);
	put_pid(thread->pid);
	put_pid(thread->tgid);
	ipcbus_proc_put(thread->proc);
	ipcbus_stat_remove(IPCBUS_STAT_THREADS);
	kfree_rcu(thread, rcu);
}

struct ipcbus_thread *ipcbus_thread_find(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;

	/* The result stays: only the thread itself, or nobody, takes it away. */
	rcu_read_lock();
	xa_for_each(&proc->threads, number, thread)
		if (thread->pid == task_pid(current))
			break;
	rcu_read_unlock();
	return thread;
}

bool ipcbus_thread_unlist(struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;

	/* Several may try at once: whoever erases it owns it. */
	if (xa_cmpxchg(&proc->threads, thread->number, thread, NULL, 0) != thread)
		return false;
	if (thread->number < IPCBUS_QUICK_THREADS)
		WRITE_ONCE(proc->quick[thread->number].pid, NULL);
	return true;
}

/* Removes threads that ended without THREAD_EXIT from a full table. */
static void reap_dead(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	bool dead;

	rcu_read_lock();
	xa_for_each(&proc->threads, number, thread) {
		dead = !pid_task(thread->pid, PIDTYPE_PID) && ipcbus_thread_unlist(thread);
		if (!dead)
			continue;
		rcu_read_unlock();
		ipcbus_thread_exit(thread);
		rcu_read_lock();
	}
	rcu_read_unlock();
}

static int thread_insert(struct ipcbus_thread *thread)
{
	struct xa_limit limit = XA_LIMIT(1, READ_ONCE(thread->proc->bus->limits.threads));
	int ret;

	ret = xa_alloc(&thread->proc->threads, &thread->number, thread, limit,
		       GFP_KERNEL_ACCOUNT);
	if (ret != -EBUSY)
		return ret;
	reap_dead(thread->proc);
	ret = xa_alloc(&thread->proc->threads, &thread->number, thread, limit,
		       GFP_KERNEL_ACCOUNT);
	return ret == -EBUSY ? -EDQUOT : ret;
}

static struct ipcbus_thread *thread_new(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	int ret;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread)
		return ERR_PTR(-ENOMEM);
	kref_init(&thread->ref);
	thread->proc = ipcbus_proc_get(proc);
	thread->pid = get_pid(task_pid(current));
	thread->tgid = get_pid(task_tgid(current));
	thread->pid_nr = pid_nr_ns(thread->pid, proc->pid_ns);
	thread->tgid_nr = pid_nr_ns(thread->tgid, proc->pid_ns);
	ipcbus_sender_id_set(&thread->sender_id);
	thread->task = get_task_struct(current);
	init_waitqueue_entry(&thread->waiter, current);
	ipcbus_boost_init(&thread->boost);
	INIT_LIST_HEAD(&thread->work);
	INIT_HLIST_NODE(&thread->idle);
	ipcbus_stat_add(IPCBUS_STAT_THREADS);

	ret = thread_insert(thread);
	if (ret) {
		ipcbus_thread_put(thread);
		return ERR_PTR(ret);
	}
	if (thread->number < IPCBUS_QUICK_THREADS) {
		proc->quick[thread->number].thread = thread;
		/* With the acquire in ipcbus_thread_current(). */
		smp_store_release(&proc->quick[thread->number].pid, thread->pid);
	}
	/* Visible now, so a flush either marks it or is seen here. */
	spin_lock(&proc->lock);
	thread->interrupted |= proc->flushed;
	thread->kick = thread->interrupted;
	spin_unlock(&proc->lock);
	return thread;
}

struct ipcbus_thread *ipcbus_thread_current_slow(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_thread *thread;

	rcu_read_lock();
	thread = xa_load(&proc->threads, number);
	if (thread && thread->pid != task_pid(current))
		thread = NULL;
	rcu_read_unlock();
	if (thread)
		return thread;
	thread = ipcbus_thread_find(proc);
	return thread ?: thread_new(proc);
}

int ipcbus_threads_set(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_threads *args = data;

	if (args->max > READ_ONCE(proc->bus->limits.threads))
		return -EINVAL;
	spin_lock(&proc->lock);
	proc->max_threads = args->max;
	proc->asked = false;
	spin_unlock(&proc->lock);
	return 0;
}

void ipcbus_threads_interrupt(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;

	spin_lock(&proc->lock);
	proc->flushed = true;
	xa_for_each(&proc->threads, number, thread) {
		thread->interrupted = true;
		ipcbus_thread_kick_locked(thread);
	}
	spin_unlock(&proc->lock);
}
