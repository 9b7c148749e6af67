// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of nodes and procs: see node.h and proc.h. NODE_DESTROY or the end of its proc destroys a
 * node. proc.h lists the events that end a proc. The functions may sleep, and must be called
 * without locks.
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
#include "proc.h"
#include "reply.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"
#include "watch.h"
#include "work.h"
#include "writable.h"

/* --- Nodes ----------------------------------------------------------------------------- */

/* Marks a node as dead. From here on it gets no new reference, watch or message. Queued messages
 * stay in the queues until bury() discards them. Threads refuse them, and their senders may take
 * them back. */
static void kill_locked(struct ipcbus_node_entry *node)
{
	lockdep_assert_held(&node->proc->lock);
	WRITE_ONCE(node->dead, true);
	node->replaceable = RB_ROOT;
}

/* Takes a work off the queues of a dead node; returns NULL if there is none. */
static struct ipcbus_work *pop_work(struct ipcbus_node_entry *node)
{
	struct ipcbus_work *work;

	spin_lock(&node->proc->lock);
	work = hlist_entry_safe(node->queued.first, struct ipcbus_work, at_node) ?:
	       list_first_entry_or_null(&node->oneways, struct ipcbus_work, entry);
	if (work)
		ipcbus_work_unqueue_locked(work);
	spin_unlock(&node->proc->lock);
	return work;
}

/* Completes kill_locked() without the lock, and drops the table's reference. */
static void bury(struct ipcbus_node_entry *node)
{
	struct ipcbus_proc *proc = node->proc;
	struct ipcbus_work *work;

	xa_erase(&proc->nodes, node->id);
	/* A sender that starts to poll after this finds the node dead. */
	proc->region.space_came(&proc->region);
	ipcbus_watches_notify_dead(node);
	while ((work = pop_work(node))) {
		work->ops->discard(work);
		cond_resched();
	}
	atomic_dec(&proc->node_count);
	ipcbus_user_uncharge(proc->user, IPCBUS_USE_NODES);
	ipcbus_node_put(node);
}

int ipcbus_node_destroy(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_node *args = data;
	struct ipcbus_node_entry *node;
	int ret = 0;

	if (args->flags & ~IPCBUS_NODE_IF_IDLE || args->cookie || args->sched_policy ||
	    args->priority)
		return -EINVAL;
	if (args->node > IPCBUS_MAX_NUMBER)
		return -ENOENT;

	rcu_read_lock();
	node = xa_load(&proc->nodes, args->node);
	if (!node) {
		rcu_read_unlock();
		return -ENOENT;
	}
	spin_lock(&proc->lock);
	if (node->dead)
		ret = -ENOENT;
	else if (args->flags & IPCBUS_NODE_IF_IDLE && !ipcbus_node_is_idle_locked(node))
		ret = -EBUSY;
	else
		kill_locked(node);
	spin_unlock(&proc->lock);
	rcu_read_unlock();
	/* The thread that killed the node owns the table's reference. */
	if (!ret)
		bury(node);
	return ret;
}

void ipcbus_node_uncreate(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_node *args = data;

	ipcbus_node_destroy(proc, &(struct ipcbus_node){ .node = args->node });
}

void ipcbus_nodes_release(struct ipcbus_proc *proc)
{
	struct ipcbus_node_entry *node;
	unsigned long id;

	xa_for_each(&proc->nodes, id, node) {
		spin_lock(&proc->lock);
		kill_locked(node);
		spin_unlock(&proc->lock);
		bury(node);
		cond_resched();
	}
	xa_destroy(&proc->nodes);
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
