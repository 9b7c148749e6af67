// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads and senders: see thread.h. pool.c adds and ends threads.
 */
#include <linux/pid.h>
#include <linux/pid_namespace.h>
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
