/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the driver supports, and nowhere else.
 */
#ifndef IPCBUS_COMPAT_H
#define IPCBUS_COMPAT_H

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/version.h>

/* A new fd for file in the current process; 6.8 added a parameter. */
static inline int ipcbus_receive_fd(struct file *file, unsigned int flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return receive_fd(file, NULL, flags);
#else
	return receive_fd(file, flags);
#endif
}

/* Changes a mapping's flags inside ->mmap; 6.3 hid them. */
static inline void ipcbus_vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set,
				       vm_flags_t clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#endif
