// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes: see node.h. exit.c destroys them.
 */
#include <linux/jiffies.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "node.h"
#include "priority.h"
#include "proc.h"
#include "stats.h"
#include "user.h"

#define CREATE_FLAGS (IPCBUS_NODE_ACCEPT_FDS | IPCBUS_NODE_WANT_LABEL | IPCBUS_NODE_PRIORITY)

bool ipcbus_node_is_idle_locked(const struct ipcbus_node_entry *node)
{
	lockdep_assert_held(&node->proc->lock);
	return !node->dead && !node->pending && !atomic_read(&node->remote);
}

static bool idle_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			 struct ipcbus_event *event)
{
	struct ipcbus_node_entry *node = container_of(work, struct ipcbus_node_entry, idle);
	bool idle;

	spin_lock(&node->proc->lock);
	idle = ipcbus_node_is_idle_locked(node);
	spin_unlock(&node->proc->lock);
	if (idle) {
		event->kind = IPCBUS_EVENT_IDLE;
		event->cookie = node->cookie;
	}
	ipcbus_node_put(node);
	return idle;
}

static void idle_discard(struct ipcbus_work *work)
{
	ipcbus_node_put(container_of(work, struct ipcbus_node_entry, idle));
}

static const struct ipcbus_work_ops idle_ops = {
	.deliver = idle_deliver,
	.discard = idle_discard,
};

/* Returns the priority that NODE_CREATE asks for. It needs no permission: see priority.h. */
static int get_priority(const struct ipcbus_node *args, int *ret_prio)
{
	*ret_prio = IPCBUS_PRIORITY_NONE;
	if (!(args->flags & IPCBUS_NODE_PRIORITY))
		return args->sched_policy || args->priority ? -EINVAL : 0;
	if (args->sched_policy == SCHED_NORMAL) {
		if (args->priority < MIN_NICE || args->priority > MAX_NICE)
			return -EINVAL;
		*ret_prio = NICE_TO_PRIO(args->priority);
	} else if (args->sched_policy == SCHED_FIFO || args->sched_policy == SCHED_RR) {
		if (args->priority < 1 || args->priority > MAX_RT_PRIO - 1)
			return -EINVAL;
		*ret_prio = MAX_RT_PRIO - 1 - args->priority;
	} else {
		return -EINVAL;
	}
	return 0;
}

int ipcbus_node_create(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_node_entry *node;
	struct ipcbus_node *args = data;
	int ret, prio;

	if (args->flags & ~CREATE_FLAGS || args->node)
		return -EINVAL;
	ret = get_priority(args, &prio);
	if (ret)
		return ret;
	if ((u32)atomic_inc_return(&proc->node_count) > IPCBUS_LIMIT_NODES) {
		ret = -EDQUOT;
		goto err_count;
	}
	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_NODES);
	if (ret)
		goto err_count;
	node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node) {
		ret = -ENOMEM;
		goto err_charge;
	}
	kref_init(&node->ref);
	kref_init(&node->held);
	node->proc = ipcbus_proc_get(proc);
	node->pid = get_pid(proc->pid);
	node->owner = proc->number;
	node->flags = args->flags;
	node->prio = prio;
	node->policy = args->sched_policy;
	node->cookie = args->cookie;
	INIT_LIST_HEAD(&node->watches);
	INIT_LIST_HEAD(&node->oneways);
	node->replaceable = RB_ROOT;
	ipcbus_work_init(&node->idle, &idle_ops);
	node->idle.of_node = &node->queued;
	ipcbus_stat_add(IPCBUS_STAT_NODES);

	/* Once the node is in the table, another thread may guess its id and destroy it. */
	ipcbus_node_get(node);
	ret = xa_alloc_cyclic(&proc->nodes, &node->id, node, XA_LIMIT(1, IPCBUS_MAX_NUMBER),
			      &proc->next_node, GFP_KERNEL_ACCOUNT);
	args->node = node->id;
	ipcbus_node_put(node);
	if (ret >= 0)
		return 0;
	ipcbus_node_put(node);

err_charge:
	ipcbus_user_uncharge(proc->user, IPCBUS_USE_NODES);
err_count:
	atomic_dec(&proc->node_count);
	return ret;
}

static void node_free(struct kref *held)
{
	struct ipcbus_node_entry *node = container_of(held, struct ipcbus_node_entry, held);

	put_pid(node->pid);
	ipcbus_stat_remove(IPCBUS_STAT_NODES);
	kfree_rcu(node, rcu);
}

void ipcbus_node_let_go(struct ipcbus_node_entry *node)
{
	kref_put(&node->held, node_free);
}

/* Drops the node's reference of its proc, because the last active reference is gone. */
void ipcbus_node_retire(struct kref *ref)
{
	struct ipcbus_node_entry *node = container_of(ref, struct ipcbus_node_entry, ref);
	struct ipcbus_proc *proc = node->proc;

	WARN_ON_ONCE(!list_empty(&node->watches) || !hlist_empty(&node->queued) ||
		     !list_empty(&node->oneways));
	/* Holders compare node->proc with their own proc, without a lock. */
	WRITE_ONCE(node->proc, NULL);
	ipcbus_node_let_go(node);
	ipcbus_proc_put(proc);
}

void ipcbus_node_get_remote(struct ipcbus_node_entry *node)
{
	ipcbus_node_hold(node);
	atomic_inc(&node->remote);
}

bool ipcbus_node_get_remote_alive(struct ipcbus_node_entry *node)
{
	bool alive;

	if (!ipcbus_node_get_active(node))
		return false;
	spin_lock(&node->proc->lock);
	alive = !node->dead;
	if (alive)
		ipcbus_node_get_remote(node);
	spin_unlock(&node->proc->lock);
	ipcbus_node_put(node);
	return alive;
}

/* Notifies the owner if the node is idle. The caller checked that without the lock, so this checks
 * again under it. */
void ipcbus_node_check_idle(struct ipcbus_node_entry *node)
{
	struct ipcbus_proc *proc = node->proc;

	spin_lock(&proc->lock);
	if (ipcbus_node_is_idle_locked(node) && !proc->dead &&
	    !ipcbus_work_is_queued_locked(&node->idle)) {
		ipcbus_node_get(node);
		ipcbus_proc_queue_locked(proc, &node->idle);
	}
	spin_unlock(&proc->lock);
}

void ipcbus_node_put_remote(struct ipcbus_node_entry *node)
{
	if (atomic_dec_and_test(&node->remote) && ipcbus_node_get_active(node)) {
		ipcbus_node_check_idle(node);
		ipcbus_node_put(node);
	}
	ipcbus_node_let_go(node);
}

struct ipcbus_node_entry *ipcbus_node_export(struct ipcbus_proc *proc, u64 id)
{
	struct ipcbus_node_entry *node;

	if (id > IPCBUS_MAX_NUMBER)
		return NULL;
	/* The table holds a reference, and the node is freed only after a grace period. */
	rcu_read_lock();
	node = xa_load(&proc->nodes, id);
	if (node && !ipcbus_node_get_remote_alive(node))
		node = NULL;
	rcu_read_unlock();
	return node;
}

int ipcbus_node_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_node_info *args = data;
	struct ipcbus_node_entry *node;
	bool alive = false;

	if (args->flags || args->cookie || args->refs || args->pending || args->oneways ||
	    args->watches)
		return -EINVAL;
	if (args->node > IPCBUS_MAX_NUMBER)
		return -ENOENT;

	rcu_read_lock();
	node = xa_load(&proc->nodes, args->node);
	if (node) {
		spin_lock(&proc->lock);
		alive = !node->dead;
		if (alive) {
			args->cookie = node->cookie;
			args->refs = atomic_read(&node->remote);
			args->pending = node->pending;
			args->watches = node->watch_count;
			args->oneways = node->oneway_count;
		}
		spin_unlock(&proc->lock);
	}
	rcu_read_unlock();
	return alive ? 0 : -ENOENT;
}

void ipcbus_node_next_oneway_locked(struct ipcbus_node_entry *node)
{
	struct ipcbus_work *work = NULL;

	lockdep_assert_held(&node->proc->lock);
	/* Oneways of a dead node are being discarded. */
	if (!node->dead)
		work = list_first_entry_or_null(&node->oneways, struct ipcbus_work, entry);
	node->oneway_busy = !!work;
	if (work) {
		list_del_init(&work->entry);
		work->waits = false;
		node->oneway_count--;
		node->oneway_since = jiffies;
		ipcbus_proc_queue_locked(node->proc, work);
	}
}

void ipcbus_node_oneway_done(struct ipcbus_node_entry *node)
{
	struct ipcbus_proc *proc = node->proc;
	bool idle;

	spin_lock(&proc->lock);
	idle = ipcbus_node_end_call_locked(node);
	if (likely(node->dead || !--node->oneway_busy))
		ipcbus_node_next_oneway_locked(node);
	spin_unlock(&proc->lock);
	if (idle)
		ipcbus_node_check_idle(node);
}
