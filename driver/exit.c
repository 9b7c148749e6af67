// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of threads and procs: see thread.h and proc.h.
 *
 * A thread ends by IPCBUS_IOC_THREAD_EXIT, with its proc, or when another thread finds that its
 * task is gone (thread.c). The caller must first take the thread out of the table. So a thread is
 * ended once, and the caller owns the table's reference. proc.h lists the events that end a proc.
 * The functions may sleep, and must be called without locks.
 */
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/xarray.h>

#include "buffer.h"
#include "cancel.h"
#include "handle.h"
#include "monitor.h"
#include "node.h"
#include "opener.h"
#include "priority.h"
#include "proc.h"
#include "reply.h"
#include "writable.h"
#include "thread.h"
#include "transaction.h"
#include "work.h"

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
			pending = ipcbus_reply_abandon_locked(t);
		}
		spin_unlock(&proc->lock);
		if (!t)
			break;
		if (pending)
			ipcbus_cancel_server(t);
		ipcbus_reply_drop(t);
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

/* --- Procs ----------------------------------------------------------------------------- */

/* Releases everything that the proc holds, in the order that proc.h describes. Stops new work
 * first: senders check proc->barred under proc->lock. Only the first call has an effect. */
void ipcbus_proc_shut_down(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	bool was_dead;

	spin_lock(&proc->lock);
	was_dead = proc->dead;
	WRITE_ONCE(proc->dead, true);
	proc->barred = true;
	proc->freeze.freezer = NULL;
	/* Another address space may get this address later. */
	WRITE_ONCE(proc->mm, NULL);
	spin_unlock(&proc->lock);
	if (was_dead)
		return;

	spin_lock(&proc->opener->lock);
	list_del_init(&proc->opener_entry);
	spin_unlock(&proc->opener->lock);
	ipcbus_monitor_release(proc);
	ipcbus_manager_release(proc);
	ipcbus_proc_leave_bus(proc);
	xa_for_each(&proc->pool.threads, number, thread) {
		if (ipcbus_thread_unlist(thread))
			ipcbus_thread_exit(thread);
		cond_resched();
	}
	ipcbus_expiry_end(proc);
	ipcbus_writable_end(proc);
	ipcbus_asyncs_release(proc);
	/* Discards work that belongs to no node. */
	ipcbus_proc_discard(proc);
	ipcbus_nodes_release(proc);
	ipcbus_open_calls_release(proc);
	ipcbus_handles_release(proc);
	ipcbus_buffers_release(&proc->region);
	ipcbus_transaction_end(proc->user);
	/* References of other procs may keep this proc for long. */
	ipcbus_opener_put(proc->opener);
	proc->opener = NULL;
}

/* Takes a proc off the opener's list. Returns it counted, or NULL. */
static struct ipcbus_proc *pop_proc(struct ipcbus_opener *opener)
{
	struct ipcbus_proc *proc;

	spin_lock(&opener->lock);
	proc = list_first_entry_or_null(&opener->procs, struct ipcbus_proc, opener_entry);
	if (proc) {
		list_del_init(&proc->opener_entry);
		ipcbus_proc_get(proc);
	}
	spin_unlock(&opener->lock);
	return proc;
}

void ipcbus_opener_shut_down(struct ipcbus_opener *opener)
{
	struct ipcbus_proc *proc;

	while ((proc = pop_proc(opener))) {
		ipcbus_proc_shut_down(proc);
		ipcbus_proc_put(proc);
	}
}
