/* SPDX-License-Identifier: MIT */
/* Open files and what a driver does for them. */
#pragma once

#include <asm/fcntl.h>

#include "../kernel.h"
#include "list.h"
#include "mutex.h"
#include "refcount.h"

struct cred;
struct file;
struct module;
struct poll_table_struct;
struct seq_file;
struct vm_area_struct;

/**
 * struct address_space - what is mapped of an inode (mm.c)
 * @maps: mappings of files that name it
 * @i_mmap_lock: protects @maps
 */
struct address_space {
	struct list_head maps;
	struct mutex i_mmap_lock;
};

/**
 * struct inode - an inode: inode.c
 * @i_mapping: &@i_data
 */
struct inode {
	struct address_space *i_mapping;
	struct address_space i_data;
};

struct super_block {
	unsigned long magic;
};

struct inode *alloc_anon_inode(struct super_block *sb);
void iput(struct inode *inode);

struct file_operations {
	struct module *owner;
	int (*open)(struct inode *, struct file *);
	int (*release)(struct inode *, struct file *);
	int (*flush)(struct file *, fl_owner_t);
	int (*mmap)(struct file *, struct vm_area_struct *);
	__poll_t (*poll)(struct file *, struct poll_table_struct *);
	long (*unlocked_ioctl)(struct file *, unsigned int, unsigned long);
	long (*compat_ioctl)(struct file *, unsigned int, unsigned long);
	/* of debugfs files; stands for open and read of a seq_file */
	int (*shim_show)(struct seq_file *, void *);
};

/**
 * struct file - an open file
 * @ref: fds, mappings, system calls and messages that hold it
 * @f_op: NULL for a file that is not the driver's
 * @private_data: the driver's
 * @f_flags: O_*
 * @f_cred: who opened it; counted
 * @f_mapping: what its mappings hang on
 * @real: of a file that is not the driver's: an fd that stands for it, or -1
 */
struct file {
	refcount_t ref;
	const struct file_operations *f_op;
	void *private_data;
	unsigned int f_flags;
	const struct cred *f_cred;
	struct address_space *f_mapping;
	int real;
};

int nonseekable_open(struct inode *inode, struct file *file);
long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
