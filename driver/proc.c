// SPDX-License-Identifier: GPL-2.0-only
/*
 * Procs: see proc.h.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "mem/reclaim.h"
#include "opener.h"
#include "proc.h"
#include "stats.h"
#include "user.h"

static void proc_free(struct kref *ref)
{
	struct ipcbus_proc *proc = container_of(ref, struct ipcbus_proc, ref);

	xa_destroy(&proc->pool.threads);
	iput(proc->inode);
	put_user_ns(proc->user_ns);
	put_pid_ns(proc->pid_ns);
	put_pid(proc->pid);
	if (proc->opener)
		ipcbus_opener_put(proc->opener);
	/* Never earlier, or a user could accumulate dead procs that other procs keep. */
	ipcbus_user_uncharge(proc->user, IPCBUS_USE_PROCS);
	ipcbus_user_put(proc->user);
	ipcbus_bus_put(proc->bus);
	ipcbus_stat_remove(IPCBUS_STAT_PROCS);
	kfree(proc);
}

void ipcbus_proc_put(struct ipcbus_proc *proc)
{
	kref_put(&proc->ref, proc_free);
}

struct ipcbus_proc *ipcbus_proc_new(struct ipcbus_bus *bus, const struct cred *cred)
{
	struct ipcbus_proc *proc;
	int ret = -ENOMEM;

	proc = kzalloc(sizeof(*proc), GFP_KERNEL_ACCOUNT);
	if (!proc)
		return ERR_PTR(ret);
	proc->inode = ipcbus_reclaim_inode();
	if (IS_ERR(proc->inode))
		goto err_free;
	proc->opener = ipcbus_opener_get();
	if (IS_ERR(proc->opener)) {
		ret = PTR_ERR(proc->opener);
		goto err_inode;
	}
	proc->user = ipcbus_user_find(cred->euid, cred->user_ns);
	if (!proc->user)
		goto err_opener;
	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_PROCS);
	if (ret)
		goto err_user;
	kref_init(&proc->ref);
	proc->bus = ipcbus_bus_get(bus);
	INIT_LIST_HEAD(&proc->opener_entry);
	proc->mm = current->mm;
	proc->pid = get_pid(task_tgid(current));
	proc->owner = current_euid();
	proc->pid_ns = get_pid_ns(task_active_pid_ns(current));
	proc->user_ns = get_user_ns(cred->user_ns);
	ipcbus_region_init(&proc->region, proc->user);
	xa_init_flags(&proc->nodes, XA_FLAGS_ALLOC);
	xa_init_flags(&proc->pool.threads, XA_FLAGS_ALLOC);
	proc->pool.reap_at = IPCBUS_QUICK_THREADS;
	mutex_init(&proc->handle_lock);
	proc->handles_by_node = RB_ROOT;
	spin_lock_init(&proc->lock);
	proc->pool.by_pid = RB_ROOT;
	ipcbus_queue_init(&proc->work);
	INIT_HLIST_HEAD(&proc->pool.idle);
	proc->calls.asyncs = RB_ROOT;
	init_waitqueue_head(&proc->poll_wait);
	RB_CLEAR_NODE(&proc->bus_entry);
	ipcbus_stat_add(IPCBUS_STAT_PROCS);
	return proc;

err_user:
	ipcbus_user_put(proc->user);
err_opener:
	ipcbus_opener_put(proc->opener);
err_inode:
	iput(proc->inode);
err_free:
	kfree(proc);
	return ERR_PTR(ret);
}

static bool is_before(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcbus_proc, bus_entry)->number <
	       rb_entry(b, struct ipcbus_proc, bus_entry)->number;
}

void ipcbus_proc_join_bus(struct ipcbus_proc *proc)
{
	struct ipcbus_bus *bus = proc->bus;

	mutex_lock(&bus->lock);
	proc->number = ++bus->last_number;
	rb_add(&proc->bus_entry, &bus->procs, is_before);
	mutex_unlock(&bus->lock);
}

void ipcbus_proc_leave_bus(struct ipcbus_proc *proc)
{
	struct ipcbus_bus *bus = proc->bus;

	mutex_lock(&bus->lock);
	rb_erase(&proc->bus_entry, &bus->procs);
	RB_CLEAR_NODE(&proc->bus_entry);
	mutex_unlock(&bus->lock);
}

/* Returns the first proc with a higher number. The proc with this number may have left the bus. */
static struct ipcbus_proc *first_above_locked(struct ipcbus_bus *bus, u64 number)
{
	struct rb_node *node = bus->procs.rb_node;
	struct ipcbus_proc *proc, *first = NULL;

	lockdep_assert_held(&bus->lock);
	while (node) {
		proc = rb_entry(node, struct ipcbus_proc, bus_entry);
		if (proc->number > number)
			first = proc;
		node = proc->number > number ? node->rb_left : node->rb_right;
	}
	return first;
}

struct ipcbus_proc *ipcbus_proc_next(struct ipcbus_bus *bus, struct ipcbus_proc *last)
{
	struct ipcbus_proc *next;

	mutex_lock(&bus->lock);
	next = first_above_locked(bus, last ? last->number : 0);
	if (next)
		ipcbus_proc_get(next);
	mutex_unlock(&bus->lock);
	if (last)
		ipcbus_proc_put(last);
	return next;
}
