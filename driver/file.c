// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a bus: open, mmap, poll, flush, release. /dev/ipcbus and the file "bus" of each mount
 * use it. ioctl.c implements its ioctls.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "cancel.h"
#include "compat.h"
#include "handle.h"
#include "opener.h"
#include "proc.h"
#include "thread.h"
#include "transaction.h"
#include "writable.h"

/* Returns the bus that a file opens: the bus of its mount, or the default bus for the device. */
static struct ipcbus_bus *bus_of(const struct inode *inode)
{
	return inode->i_fop == &ipcbus_fops ? inode->i_sb->s_fs_info : &ipcbus_default_bus;
}

static int file_open(struct inode *inode, struct file *file)
{
	struct ipcbus_proc *proc;

	/* A kernel thread has no address space. */
	if (!current->mm)
		return -EINVAL;
	/* Every ioctl sends or receives, so each needs read and write permission. */
	if ((file->f_flags & O_ACCMODE) != O_RDWR)
		return -EINVAL;
	proc = ipcbus_proc_new(bus_of(inode), file->f_cred);
	if (IS_ERR(proc))
		return PTR_ERR(proc);
	ipcbus_expiry_begin(proc);
	ipcbus_writable_begin(proc);
	ipcbus_handles_begin(proc);
	ipcbus_proc_join_bus(proc);
	ipcbus_transaction_begin(proc->user);
	spin_lock(&proc->opener->lock);
	list_add_tail(&proc->opener_entry, &proc->opener->procs);
	spin_unlock(&proc->opener->lock);
	file->private_data = proc;
	/* Mappings of this file have an address space of their own, to be unmapped separately. */
	file->f_mapping = proc->inode->i_mapping;
	/* object.c identifies files of buses by these operations. */
	proc->inode->i_fop = file->f_op;
	return nonseekable_open(inode, file);
}

/* Shuts the proc down and drops the file's reference. Called when the last fd is closed and the
 * file is not mapped. */
static int file_release(struct inode *inode, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;

	ipcbus_proc_shut_down(proc);
	iput(proc->inode);
	proc->inode = NULL;
	ipcbus_proc_put(proc);
	return 0;
}

/* Shuts the proc down if the process that opened the file closes an fd of it while all its threads
 * exit: another process may share the address space, which then stays. Otherwise interrupts all
 * waiting threads, because a thread may have closed the fd for that purpose. */
static int file_flush(struct file *file, fl_owner_t id)
{
	struct ipcbus_proc *proc = file->private_data;

	if (proc->pid == task_tgid(current) && !atomic_read(&current->signal->live))
		ipcbus_proc_shut_down(proc);
	else if (ipcbus_proc_is_opener(proc))
		ipcbus_threads_interrupt(proc);
	return 0;
}

static vm_fault_t region_fault(struct vm_fault *vmf)
{
	struct ipcbus_proc *proc = vmf->vma->vm_private_data;
	struct page *page = NULL;

	/* MADV_DOFORK makes a child inherit the mapping. The child must not get the pages. */
	if (vmf->vma->vm_mm == READ_ONCE(proc->mm))
		page = ipcbus_pages_get_locked(&proc->region.pages, vmf->pgoff);
	if (!page)
		return VM_FAULT_SIGBUS;
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct region_vm_ops = {
	.fault = region_fault,
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
	/* Two threads cannot race here: the mmap lock is held for writing. */
	if (proc->region.size)
		return -EBUSY;
	ret = ipcbus_region_map(&proc->region, file->f_mapping, size);
	if (ret)
		return ret;
	/* Forbid mprotect to writable or executable, growing mremap, fork, and core dumps. */
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
	return mask | ipcbus_writable_poll(proc, poll_requested_events(wait));
}

/* /proc/PID/fdinfo/FD, readable by processes that may trace the process. */
static void show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;
	struct ipcbus_region *region = &proc->region;
	u32 buffers, left, queued, threads;

	spin_lock(&region->lock);
	buffers = region->buffers;
	left = ipcbus_region_left_locked(region);
	spin_unlock(&region->lock);
	spin_lock(&proc->lock);
	queued = proc->work.count;
	threads = proc->pool.count;
	spin_unlock(&proc->lock);

	seq_printf(seq, "ipcbus-region:\t%zu\n", READ_ONCE(region->size));
	seq_printf(seq, "ipcbus-space:\t%zu\n", (size_t)left * IPCBUS_UNIT);
	seq_printf(seq, "ipcbus-buffers:\t%u\n", buffers);
	seq_printf(seq, "ipcbus-nodes:\t%d\n", atomic_read(&proc->node_count));
	seq_printf(seq, "ipcbus-handles:\t%u\n", READ_ONCE(proc->handle_count));
	seq_printf(seq, "ipcbus-threads:\t%u\n", threads);
	seq_printf(seq, "ipcbus-queued:\t%u\n", queued);
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
	.show_fdinfo = show_fdinfo,
};
