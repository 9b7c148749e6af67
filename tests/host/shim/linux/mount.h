/* SPDX-License-Identifier: MIT */
/* Mounts inside the kernel: see inode.c. */
#pragma once

#include "fs.h"

struct fs_context {
	unsigned long magic;
};

struct file_system_type {
	const char *name;
	int (*init_fs_context)(struct fs_context *);
	void (*kill_sb)(struct super_block *);
};

struct vfsmount {
	struct super_block *mnt_sb;
	struct file_system_type *type;
};

struct vfsmount *kern_mount(struct file_system_type *type);
void kern_unmount(struct vfsmount *mount);
void kill_anon_super(struct super_block *sb);
