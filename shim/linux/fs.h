/* SPDX-License-Identifier: MIT */
/* Open files, their operations, and file systems: see file.c and mount.c. */
#pragma once

#include <asm/fcntl.h>

#include "../kernel.h"
#include "list.h"
#include "mutex.h"
#include "refcount.h"
#include "uidgid.h"

struct cred;
struct dentry;
struct file;
struct fs_context;
struct fs_parameter_spec;
struct iattr;
struct kstatfs;
struct module;
struct poll_table_struct;
struct seq_file;
struct super_block;
struct user_namespace;
struct vm_area_struct;

/**
 * struct address_space - mappings of an inode (mm.c)
 * @maps: mappings of all its files
 * @i_mmap_lock: protects @maps
 */
struct address_space {
	struct inode *host;
	struct list_head maps;
	struct mutex i_mmap_lock;
};

#ifndef S_IFREG
#define S_IFMT	0170000
#define S_IFREG	0100000
#define S_IFDIR	0040000
#define S_ISDIR(mode) (((mode) & S_IFMT) == S_IFDIR)
#endif

struct inode_operations {
	int (*setattr)(struct user_namespace *, struct dentry *, struct iattr *);
};

/*
 * An inode: inode.c. The driver sets these fields, but the shim uses few of them.
 */
struct inode {
	atomic_t i_count;
	umode_t i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	unsigned long i_ino;
	long i_atime, i_mtime, i_ctime;
	const struct inode_operations *i_op;
	const struct file_operations *i_fop;
	struct super_block *i_sb;
	void *i_private;
	struct mutex i_rwsem;
	struct address_space *i_mapping;
	struct address_space i_data;
};

struct inode *alloc_anon_inode(struct super_block *sb);
void ihold(struct inode *inode);
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
	ssize_t (*read)(struct file *, char *, size_t, loff_t *);
	loff_t (*llseek)(struct file *, loff_t, int);
	void (*show_fdinfo)(struct seq_file *, struct file *);
	/* for debugfs files; replaces open and read of a seq_file */
	int (*shim_show)(struct seq_file *, void *);
};

/**
 * struct file - an open file
 * @ref: fds, mappings, system calls and messages that hold it
 * @f_op: NULL if the file is not the driver's
 * @private_data: private to the driver
 * @f_flags: O_*
 * @f_cred: credentials of the opener; holds a reference
 * @f_mapping: its mappings
 * @inode: holds a reference; NULL if the file is not in a mount
 * @real: fd that represents a file that is not the driver's, or -1
 */
struct file {
	refcount_t ref;
	const struct file_operations *f_op;
	void *private_data;
	unsigned int f_flags;
	const struct cred *f_cred;
	struct address_space *f_mapping;
	struct inode *inode;
	int real;
};

int nonseekable_open(struct inode *inode, struct file *file);
long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* --- File systems --------------------------------------------------------- */

#define SB_I_NOEXEC 2
#define SB_I_NODEV 4
#define FILESYSTEM_MAX_STACK_DEPTH 2
#define FS_USERNS_MOUNT 8

struct super_operations {
	int (*statfs)(struct dentry *, struct kstatfs *);
	int (*show_options)(struct seq_file *, struct dentry *);
};

/**
 * struct super_block - a mounted file system
 * @ref: its mount and its open files
 * @magic: of a file system inside the kernel
 */
struct super_block {
	refcount_t ref;
	unsigned long magic;
	struct file_system_type *s_type;
	struct dentry *s_root;
	void *s_fs_info;
	struct user_namespace *s_user_ns;
	const struct super_operations *s_op;
	unsigned long s_blocksize, s_magic, s_iflags;
	unsigned int s_blocksize_bits, s_time_gran, s_stack_depth;
};

/* A name, which stays in its folder until the file system ends. */
struct dentry {
	struct super_block *d_sb;
	struct inode *inode;
	struct dentry *parent;
	struct dentry *child, *next;
	char name[32];
};

struct file_system_type {
	struct module *owner;
	const char *name;
	int (*init_fs_context)(struct fs_context *);
	const struct fs_parameter_spec *parameters;
	void (*kill_sb)(struct super_block *);
	int fs_flags;
};

extern const struct inode_operations simple_dir_inode_operations;
extern const struct file_operations simple_dir_operations;

int register_filesystem(struct file_system_type *type);
int unregister_filesystem(struct file_system_type *type);
struct inode *new_inode(struct super_block *sb);
unsigned int get_next_ino(void);
void inc_nlink(struct inode *inode);
long current_time(struct inode *inode);
struct dentry *d_make_root(struct inode *inode);
struct dentry *d_alloc_name(struct dentry *dir, const char *name);
void d_add(struct dentry *dentry, struct inode *inode);
void dput(struct dentry *dentry);
void kill_litter_super(struct super_block *sb);
void kill_anon_super(struct super_block *sb);
int simple_statfs(struct dentry *dentry, struct kstatfs *buf);
int setattr_prepare(struct user_namespace *ns, struct dentry *dentry, struct iattr *attr);
void setattr_copy(struct user_namespace *ns, struct inode *inode, const struct iattr *attr);

static inline struct inode *d_inode(const struct dentry *dentry)
{
	return dentry->inode;
}

#define inode_lock(inode) mutex_lock(&(inode)->i_rwsem)
#define inode_unlock(inode) mutex_unlock(&(inode)->i_rwsem)
