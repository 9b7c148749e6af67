// SPDX-License-Identifier: GPL-2.0-only
/*
 * Procs: see proc.h. file.c makes one for each open file, and exit.c shuts it down.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "mem/reclaim.h"
#include "proc.h"
#include "stats.h"
#include "user.h"

static atomic64_t last_serial;

static void proc_free(struct kref *ref)
{
	struct ipcbus_proc *proc = container_of(ref, struct ipcbus_proc, ref);

	ipcbus_region_done(&proc->region);
	xa_destroy(&proc->threads);
	/* Nobody looks at the table any more. */
	kvfree(rcu_access_pointer(proc->handles));
	iput(proc->inode);
	put_user_ns(proc->user_ns);
	put_pid_ns(proc->pid_ns);
	put_pid(proc->pid);
	mmdrop(proc->mm);
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

	proc = kzalloc(sizeof(*proc), GFP_KERNEL_ACCOUNT);
	if (!proc)
		return NULL;
	proc->inode = ipcbus_reclaim_inode();
	if (IS_ERR(proc->inode))
		goto err_free;
	proc->user = ipcbus_user_find(bus, cred->euid);
	if (!proc->user)
		goto err_inode;
	kref_init(&proc->ref);
	proc->serial = atomic64_inc_return(&last_serial);
	proc->bus = ipcbus_bus_get(bus);
	proc->mm = current->mm;
	mmgrab(proc->mm);
	proc->pid = get_pid(task_tgid(current));
	proc->owner = current_euid();
	proc->pid_ns = get_pid_ns(task_active_pid_ns(current));
	proc->user_ns = get_user_ns(cred->user_ns);
	ipcbus_region_init(&proc->region, proc->mm);
	xa_init_flags(&proc->nodes, XA_FLAGS_ALLOC);
	xa_init_flags(&proc->threads, XA_FLAGS_ALLOC);
	mutex_init(&proc->handle_lock);
	proc->handles_by_node = RB_ROOT;
	spin_lock_init(&proc->lock);
	INIT_LIST_HEAD(&proc->work);
	INIT_HLIST_HEAD(&proc->idle);
	hash_init(proc->open);
	hash_init(proc->asyncs);
	init_waitqueue_head(&proc->poll_wait);
	INIT_LIST_HEAD(&proc->space_watches);
	INIT_LIST_HEAD(&proc->freeze_watches);
	ipcbus_stat_add(IPCBUS_STAT_PROCS);
	return proc;

err_inode:
	iput(proc->inode);
err_free:
	kfree(proc);
	return NULL;
}

int ipcbus_proc_join_bus(struct ipcbus_proc *proc)
{
	struct ipcbus_bus *bus = proc->bus;
	int ret = 0;

	mutex_lock(&bus->lock);
	if (bus->proc_count < READ_ONCE(bus->limits.procs)) {
		bus->proc_count++;
		proc->number = ++bus->last_number;
		list_add_tail(&proc->bus_entry, &bus->procs);
	} else {
		ret = -EDQUOT;
	}
	mutex_unlock(&bus->lock);
	return ret;
}

void ipcbus_proc_leave_bus(struct ipcbus_proc *proc)
{
	struct ipcbus_bus *bus = proc->bus;

	mutex_lock(&bus->lock);
	list_del(&proc->bus_entry);
	bus->proc_count--;
	mutex_unlock(&bus->lock);
}

struct ipcbus_proc *ipcbus_proc_next(struct ipcbus_bus *bus, struct ipcbus_proc *last)
{
	struct ipcbus_proc *proc, *next = NULL;

	mutex_lock(&bus->lock);
	list_for_each_entry(proc, &bus->procs, bus_entry) {
		if (last && proc->number <= last->number)
			continue;
		next = ipcbus_proc_get(proc);
		break;
	}
	mutex_unlock(&bus->lock);
	if (last)
		ipcbus_proc_put(last);
	return next;
}
