// SPDX-License-Identifier: GPL-2.0-only
/*
 * How threads and procs end: see exit.h.
 */
#include <linux/xarray.h>

#include "boost.h"
#include "buffer.h"
#include "cancel.h"
#include "exit.h"
#include "expiry.h"
#include "handle.h"
#include "manager.h"
#include "monitor.h"
#include "node.h"
#include "proc.h"
#include "reply.h"
#include "space.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"
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
	spin_lock(&proc->lock);
	while ((work = ipcbus_thread_pop_own_locked(thread))) {
		if (proc->dead)
			list_add_tail(&work->entry, &proc->work);
		else
			ipcbus_proc_queue_locked(proc, work);
	}
	if (thread->serves) {
		thread->serves = false;
		proc->serving--;
	}
	WRITE_ONCE(thread->boost.oneway, IPCBUS_PRIORITY_NONE);
	spin_unlock(&proc->lock);
	ipcbus_boost_update(thread);
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

/*
 * No thread is or comes inside an ioctl, nothing is mapped. First nothing new
 * may come, then everything that is here goes.
 */
void ipcbus_proc_shut_down(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	bool was_dead;

	spin_lock(&proc->lock);
	was_dead = proc->dead;
	WRITE_ONCE(proc->dead, true);
	proc->barred = true;
	ipcbus_proc_calls_changed_locked(proc);
	proc->freezer = NULL;
	spin_unlock(&proc->lock);
	if (was_dead)
		return;

	ipcbus_monitor_release(proc);
	ipcbus_manager_release(proc);
	ipcbus_proc_leave_bus(proc);
	ipcbus_user_uncharge(proc->user, IPCBUS_USE_PROCS);
	xa_for_each(&proc->threads, number, thread)
		if (ipcbus_thread_unlist(thread))
			ipcbus_thread_exit(thread);
	ipcbus_expiry_end(proc);
	ipcbus_space_watches_release(proc);
	ipcbus_asyncs_release(proc);
	/* What belongs to no node. */
	ipcbus_proc_discard(proc, &proc->work);
	ipcbus_nodes_release(proc);
	ipcbus_open_calls_release(proc);
	ipcbus_handles_release(proc);
	ipcbus_buffers_release(&proc->region);
}
