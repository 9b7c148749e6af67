// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a bus: open, mmap, poll, flush, release. /dev/ipcbus and each mount have
 * one. ioctl.c has its ioctls.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "bus.h"
#include "compat.h"
#include "exit.h"
#include "expiry.h"
#include "fs.h"
#include "handle.h"
#include "info.h"
#include "ioctl.h"
#include "proc.h"
#include "space.h"
#include "thread.h"
#include "user.h"
#include "wait.h"

static int file_open(struct inode *inode, struct file *file)
{
	struct ipcbus_proc *proc;
	int ret;

	/* A kernel thread has no address space to talk from. */
	if (!current->mm)
		return -EINVAL;
	proc = ipcbus_proc_new(ipcbus_fs_bus(inode), file->f_cred);
	if (!proc)
		return -ENOMEM;
	ipcbus_expiry_begin(proc);
	ret = ipcbus_handles_init(proc);
	if (ret)
		goto err_put;
	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_PROCS);
	if (ret)
		goto err_put;
	ret = ipcbus_proc_join_bus(proc);
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
}

/* The last fd is closed. */
static int file_release(struct inode *inode, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;

	ipcbus_proc_shut_down(proc);
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
static int file_flush(struct file *file, fl_owner_t id)
{
	struct ipcbus_proc *proc = file->private_data;

	if (opener_is_gone(proc))
		ipcbus_proc_shut_down(proc);
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
		ipcbus_proc_shut_down(proc);
}

static const struct vm_operations_struct region_vm_ops = {
	.fault = region_fault,
	.close = region_close,
};

static int file_mmap(struct file *file, struct vm_area_struct *vma)
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

static __poll_t file_poll(struct file *file, poll_table *wait)
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
	.open = file_open,
	.release = file_release,
	.flush = file_flush,
	.mmap = file_mmap,
	.poll = file_poll,
	.unlocked_ioctl = ipcbus_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = ipcbus_show_fdinfo,
};
