// SPDX-License-Identifier: MIT
/*
 * Inodes, and a mount inside the kernel for inodes without names.
 */
#include <stdlib.h>

#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "shim.h"

struct pseudo_fs_context *init_pseudo(struct fs_context *fc, unsigned long magic)
{
	fc->magic = magic;
	return (struct pseudo_fs_context *)fc;
}

void kill_anon_super(struct super_block *sb)
{
	kfree(sb);
}

struct vfsmount *kern_mount(struct file_system_type *type)
{
	struct fs_context fc = {};
	struct vfsmount *mount;

	mount = kmalloc(sizeof(*mount), GFP_KERNEL);
	if (!mount)
		return ERR_PTR(-ENOMEM);
	mount->type = type;
	mount->mnt_sb = kzalloc(sizeof(*mount->mnt_sb), GFP_KERNEL);
	if (!mount->mnt_sb || type->init_fs_context(&fc)) {
		kfree(mount->mnt_sb);
		kfree(mount);
		return ERR_PTR(-ENOMEM);
	}
	mount->mnt_sb->magic = fc.magic;
	return mount;
}

void kern_unmount(struct vfsmount *mount)
{
	if (shim_live[SHIM_INODES])
		shim_panic("inode: unmounted with %ld inodes", shim_live[SHIM_INODES]);
	mount->type->kill_sb(mount->mnt_sb);
	kfree(mount);
}

struct inode *new_inode(struct super_block *sb)
{
	struct inode *inode = kzalloc(sizeof(*inode), GFP_KERNEL);
	struct address_space *mapping;

	BUG_ON(!sb);
	if (!inode)
		return NULL;
	inode->i_sb = sb;
	atomic_set(&inode->i_count, 1);
	mutex_init(&inode->i_rwsem);
	mapping = inode->i_mapping = &inode->i_data;
	mapping->host = inode;
	INIT_LIST_HEAD(&mapping->maps);
	mutex_init(&mapping->i_mmap_lock);
	shim_count(SHIM_INODES, 1);
	return inode;
}

struct inode *alloc_anon_inode(struct super_block *sb)
{
	return new_inode(sb) ?: ERR_PTR(-ENOMEM);
}

void ihold(struct inode *inode)
{
	BUG_ON(atomic_inc_return(&inode->i_count) < 2);
}

void iput(struct inode *inode)
{
	if (!inode)
		return;
	shim_might_sleep("iput");
	if (atomic_dec_return(&inode->i_count))
		return;
	BUG_ON(!list_empty(&inode->i_data.maps));
	shim_count(SHIM_INODES, -1);
	kfree(inode);
}
