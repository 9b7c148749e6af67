// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file: open, mmap, ioctl, poll, flush, release. What the ioctls do is in
 * the file of the thing they do it to.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "compat.h"
#include "expiry.h"
#include "freeze.h"
#include "fs.h"
#include "handle.h"
#include "info.h"
#include "ioctl.h"
#include "mem/reclaim.h"
#include "monitor.h"
#include "node.h"
#include "proc.h"
#include "reply.h"
#include "space.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"

static atomic64_t last_serial;

static void proc_free(struct kref *ref)
{
	struct ipcbus_proc *proc = container_of(ref, struct ipcbus_proc, ref);

	ipcbus_region_done(&proc->region);
	xa_destroy(&proc->threads);
	ipcbus_handles_done(proc);
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

static int proc_open(struct inode *inode, struct file *file)
{
	struct ipcbus_proc *proc;
	int ret;

	/* A kernel thread has no address space to talk from. */
	if (!current->mm)
		return -EINVAL;
	proc = kzalloc(sizeof(*proc), GFP_KERNEL_ACCOUNT);
	if (!proc)
		return -ENOMEM;
	if (ipcbus_handles_init(proc))
		goto err_free;
	proc->inode = ipcbus_reclaim_inode();
	if (IS_ERR(proc->inode))
		goto err_handles;
	proc->user = ipcbus_user_find(ipcbus_fs_bus(inode), file->f_cred->euid);
	if (!proc->user)
		goto err_inode;
	kref_init(&proc->ref);
	proc->serial = atomic64_inc_return(&last_serial);
	proc->bus = ipcbus_bus_get(ipcbus_fs_bus(inode));
	proc->mm = current->mm;
	mmgrab(proc->mm);
	proc->pid = get_pid(task_tgid(current));
	proc->owner = current_euid();
	proc->pid_ns = get_pid_ns(task_active_pid_ns(current));
	proc->user_ns = get_user_ns(file->f_cred->user_ns);
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
	ipcbus_expiry_begin(proc);
	init_waitqueue_head(&proc->poll_wait);
	INIT_LIST_HEAD(&proc->space_watches);
	INIT_LIST_HEAD(&proc->freeze_watches);
	ipcbus_stat_add(IPCBUS_STAT_PROCS);
	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_PROCS);
	if (ret)
		goto err_put;
	ret = ipcbus_bus_add(proc->bus, proc);
	if (ret)
		goto err_charge;
	file->private_data = proc;
	/* What is mapped of this file is found, and unmapped, by itself. */
	file->f_mapping = proc->inode->i_mapping;
	return nonseekable_open(inode, file);

err_charge:
	ipcbus_user_uncharge(proc->user, IPCBUS_USE_PROCS);
err_put:
	ipcbus_proc_put(proc);
	return ret;
err_inode:
	iput(proc->inode);
err_handles:
	ipcbus_handles_done(proc);
err_free:
	kfree(proc);
	return -ENOMEM;
}

void ipcbus_proc_discard(struct ipcbus_proc *proc, struct list_head *queue)
{
	struct ipcbus_work *work;

	for (;;) {
		spin_lock(&proc->lock);
		work = list_first_entry_or_null(queue, struct ipcbus_work, entry);
		if (work)
			list_del_init(&work->entry);
		spin_unlock(&proc->lock);
		if (!work)
			return;
		work->ops->discard(work);
	}
}

/*
 * No thread is or comes inside an ioctl, nothing is mapped. First nothing new
 * may come, then everything that is here goes.
 */
static void proc_shut_down(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	bool was_dead;

	spin_lock(&proc->lock);
	was_dead = proc->dead;
	WRITE_ONCE(proc->dead, true);
	proc->barred = true;
	ipcbus_freeze_changed_locked(proc);
	proc->freezer = NULL;
	spin_unlock(&proc->lock);
	if (was_dead)
		return;

	ipcbus_monitor_release(proc);
	ipcbus_bus_remove(proc->bus, proc);
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

/* The last fd is closed. */
static int proc_release(struct inode *inode, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;

	proc_shut_down(proc);
	ipcbus_proc_put(proc);
	return 0;
}

/*
 * Whoever opened the file cannot use it any more: all threads of the process are
 * on their way out, or its address space is gone because it executes another
 * program.
 */
static bool opener_is_gone(struct ipcbus_proc *proc)
{
	return (task_tgid(current) == proc->pid && !atomic_read(&current->signal->live)) ||
	       !atomic_read(&proc->mm->mm_users);
}

/*
 * Some fd of the file was closed. When the opener is gone, fds left with a forked
 * child or in a socket are of no use to anybody, and callers must not wait until
 * those are closed. Otherwise it was maybe a thread that wants the others to look
 * up from their wait.
 */
static int proc_flush(struct file *file, fl_owner_t id)
{
	struct ipcbus_proc *proc = file->private_data;

	if (opener_is_gone(proc))
		proc_shut_down(proc);
	else if (ipcbus_proc_is_opener(proc))
		ipcbus_threads_interrupt(proc);
	return 0;
}

static vm_fault_t region_fault(struct vm_fault *vmf)
{
	struct ipcbus_proc *proc = vmf->vma->vm_private_data;
	struct page *page = NULL;

	/* MADV_DOFORK hands the mapping to a child after all, but not its pages. */
	if (vmf->vma->vm_mm == proc->mm)
		page = ipcbus_pages_get_locked(&proc->region.pages, vmf->pgoff);
	if (!page)
		return VM_FAULT_SIGBUS;
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/*
 * A process that closed its fd and kept the region: an exit closes nothing then,
 * so the end of the address space has to say that the opener is gone.
 */
static void region_close(struct vm_area_struct *vma)
{
	struct ipcbus_proc *proc = vma->vm_private_data;

	if (!atomic_read(&proc->mm->mm_users))
		proc_shut_down(proc);
}

static const struct vm_operations_struct region_vm_ops = {
	.fault = region_fault,
	.close = region_close,
};

static int proc_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcbus_proc *proc = file->private_data;
	size_t size = vma->vm_end - vma->vm_start;
	int ret;

	if (!ipcbus_proc_is_opener(proc))
		return -ECHILD;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff || size > IPCBUS_MAX_REGION)
		return -EINVAL;
	if (size > READ_ONCE(proc->bus->limits.region))
		return -EDQUOT;
	/* Two threads may try at once: the mmap lock is held for writing. */
	if (proc->region.size)
		return -EBUSY;
	ret = ipcbus_region_map(&proc->region, file->f_mapping, size);
	if (ret)
		return ret;
	/* Read-only for ever, of this length at most, and not for children. */
	ipcbus_vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
			    VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_ops = &region_vm_ops;
	vma->vm_private_data = proc;
	return 0;
}

static __poll_t proc_poll(struct file *file, poll_table *wait)
{
	struct ipcbus_proc *proc = file->private_data;
	__poll_t mask = 0;

	if (!ipcbus_proc_is_opener(proc))
		return EPOLLERR;
	poll_wait(file, &proc->poll_wait, wait);
	if (ipcbus_thread_ready(proc, ipcbus_thread_find(proc)))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask | ipcbus_space_poll(proc, poll_requested_events(wait));
}

const struct file_operations ipcbus_fops = {
	.owner = THIS_MODULE,
	.open = proc_open,
	.release = proc_release,
	.flush = proc_flush,
	.mmap = proc_mmap,
	.poll = proc_poll,
	.unlocked_ioctl = ipcbus_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = ipcbus_show_fdinfo,
};
