/* SPDX-License-Identifier: MIT */
/* Mounts inside the kernel: see inode.c. */
#pragma once

#include "fs_context.h"

struct vfsmount {
	struct super_block *mnt_sb;
	struct file_system_type *type;
};

struct vfsmount *kern_mount(struct file_system_type *type);
void kern_unmount(struct vfsmount *mount);
