// SPDX-License-Identifier: MIT
/*
 * File systems of the driver: mounts by the path of their folder, and the names and inodes in
 * them. Directories on which the tests mount need not exist. Only files can be looked up, by their
 * full path.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fs_context.h>
#include <linux/fs_parser.h>

#include "shim.h"

#define MAX_MOUNTS 64

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct file_system_type *type;
static struct mount {
	char *where;
	struct super_block *sb;
} mounts[MAX_MOUNTS];

/* --- Functions for file systems ------------------------------------------- */

const struct inode_operations simple_dir_inode_operations;
const struct file_operations simple_dir_operations;

int register_filesystem(struct file_system_type *fs)
{
	BUG_ON(type);
	type = fs;
	return 0;
}

int unregister_filesystem(struct file_system_type *fs)
{
	BUG_ON(type != fs);
	for (int i = 0; i < MAX_MOUNTS; i++)
		BUG_ON(mounts[i].where);
	type = NULL;
	return 0;
}

unsigned int get_next_ino(void)
{
	static unsigned int last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

void inc_nlink(struct inode *inode)
{
	(void)inode;
}

long current_time(struct inode *inode)
{
	(void)inode;
	return 0;
}

static struct dentry *dentry_new(struct super_block *sb, struct dentry *dir, const char *name)
{
	struct dentry *dentry = kzalloc(sizeof(*dentry), GFP_KERNEL);

	if (!dentry)
		return NULL;
	BUG_ON(strlen(name) >= sizeof(dentry->name));
	strcpy(dentry->name, name);
	dentry->d_sb = sb;
	dentry->parent = dir;
	return dentry;
}

struct dentry *d_make_root(struct inode *inode)
{
	struct dentry *dentry = dentry_new(inode->i_sb, NULL, "");

	if (dentry)
		dentry->inode = inode;
	else
		iput(inode);
	return dentry;
}

struct dentry *d_alloc_name(struct dentry *dir, const char *name)
{
	return dentry_new(dir->d_sb, dir, name);
}

void d_add(struct dentry *dentry, struct inode *inode)
{
	dentry->inode = inode;
	dentry->next = dentry->parent->child;
	dentry->parent->child = dentry;
}

/* Frees a dentry that was never added. */
void dput(struct dentry *dentry)
{
	BUG_ON(dentry->inode);
	kfree(dentry);
}

static void tree_free(struct dentry *dentry)
{
	struct dentry *child;

	while ((child = dentry->child)) {
		dentry->child = child->next;
		tree_free(child);
	}
	iput(dentry->inode);
	kfree(dentry);
}

void kill_litter_super(struct super_block *sb)
{
	if (sb->s_root)
		tree_free(sb->s_root);
}

int simple_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	(void)dentry, (void)buf;
	return 0;
}

int setattr_prepare(struct user_namespace *ns, struct dentry *dentry, struct iattr *attr)
{
	(void)ns, (void)dentry, (void)attr;
	return 0;
}

void setattr_copy(struct user_namespace *ns, struct inode *inode, const struct iattr *attr)
{
	(void)ns, (void)inode, (void)attr;
}

void shim_fs_log(const char *format, ...)
{
	va_list args;

	if (!getenv("SHIM_FS_LOG"))
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int fs_parse(struct fs_context *fc, const struct fs_parameter_spec *specs,
	     struct fs_parameter *param, struct fs_parse_result *ret)
{
	unsigned long value;
	char *end;

	(void)fc;
	for (; specs->name; specs++)
		if (!strcmp(specs->name, param->key)) {
			value = strtoul(param->string, &end, specs->base);
			if (!*param->string || *end || value > U32_MAX)
				return -EINVAL;
			ret->uint_32 = value;
			return specs->opt;
		}
	return -EINVAL;
}

int get_tree_nodev(struct fs_context *fc,
		   int (*fill_super)(struct super_block *sb, struct fs_context *fc))
{
	struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);
	int ret;

	if (!sb)
		return -ENOMEM;
	refcount_set(&sb->ref, 1);
	sb->s_type = fc->fs_type;
	sb->s_user_ns = get_user_ns(fc->user_ns);
	ret = fill_super(sb, fc);
	if (ret)
		shim_super_put(sb);
	else
		fc->root = sb->s_root;
	return ret;
}

void shim_super_put(struct super_block *sb)
{
	if (!refcount_dec_and_test(&sb->ref))
		return;
	sb->s_type->kill_sb(sb);
	put_user_ns(sb->s_user_ns);
	kfree(sb);
}

/* --- System calls --------------------------------------------------------- */

static int parse_options(struct fs_context *fc, char *options)
{
	struct fs_parameter param;
	char *option;
	int ret = 0;

	while (!ret && (option = strsep(&options, ",")))
		if (*option) {
			param.key = strsep(&option, "=");
			param.string = option ?: "";
			ret = fc->ops->parse_param(fc, &param);
			ret = min(ret, 0);
		}
	return ret;
}

/* Returns the mount at the path or above it. Must be called with table_lock held. */
static struct mount *mount_of(const char *path, const char **ret_rest)
{
	size_t n;

	for (int i = MAX_MOUNTS - 1; i >= 0; i--) {
		if (!mounts[i].where)
			continue;
		n = strlen(mounts[i].where);
		if (!strncmp(path, mounts[i].where, n) && (!path[n] || path[n] == '/')) {
			*ret_rest = path + n + (path[n] == '/');
			return &mounts[i];
		}
	}
	return NULL;
}

static struct super_block *super_get(const char *path, const char **ret_rest)
{
	struct super_block *sb = NULL;
	struct mount *mount;

	pthread_mutex_lock(&table_lock);
	mount = mount_of(path, ret_rest);
	if (mount) {
		sb = mount->sb;
		__atomic_fetch_add(&sb->ref.refs.counter, 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&table_lock);
	return sb;
}

static int attach(const char *where, struct super_block *sb)
{
	int ret = -ENOSPC;

	pthread_mutex_lock(&table_lock);
	for (int i = 0; i < MAX_MOUNTS && ret; i++)
		if (!mounts[i].where) {
			mounts[i] = (struct mount){ strdup(where), sb };
			ret = 0;
		}
	pthread_mutex_unlock(&table_lock);
	return ret;
}

static int mount_new(struct fs_context *fc, const char *where)
{
	int ret = fc->ops->get_tree(fc);

	if (ret)
		return ret;
	ret = attach(where, fc->root->d_sb);
	if (ret)
		shim_super_put(fc->root->d_sb);
	return ret;
}

static int mount_change(struct fs_context *fc, const char *where)
{
	struct super_block *sb;
	const char *rest;
	int ret;

	sb = super_get(where, &rest);
	if (!sb)
		return -EINVAL;
	fc->root = sb->s_root;
	ret = fc->ops->reconfigure(fc);
	shim_super_put(sb);
	return ret;
}

int shim_mount(const char *name, const char *where, const char *options, bool remount)
{
	struct fs_context fc = { .fs_type = type, .user_ns = current_cred()->user_ns };
	char *copy;
	int ret;

	if (!type || strcmp(type->name, name))
		return -ENODEV;
	ret = type->init_fs_context(&fc);
	if (ret)
		return ret;
	copy = strdup(options);
	ret = parse_options(&fc, copy);
	free(copy);
	if (!ret)
		ret = remount ? mount_change(&fc, where) : mount_new(&fc, where);
	fc.ops->free(&fc);
	return ret;
}

int shim_umount(const char *where, bool lazy)
{
	struct super_block *sb = NULL;
	struct mount *mount;
	const char *rest;
	int ret = -EINVAL;

	pthread_mutex_lock(&table_lock);
	mount = mount_of(where, &rest);
	if (mount && !*rest) {
		ret = lazy || refcount_read(&mount->sb->ref) == 1 ? 0 : -EBUSY;
		if (!ret) {
			sb = mount->sb;
			free(mount->where);
			mount->where = NULL;
		}
	}
	pthread_mutex_unlock(&table_lock);
	if (sb)
		shim_super_put(sb);
	return ret;
}

static struct inode *lookup(struct super_block *sb, const char *rest)
{
	struct dentry *dentry = sb->s_root;
	const char *end;

	while (dentry && *rest) {
		end = strchrnul(rest, '/');
		for (dentry = dentry->child; dentry; dentry = dentry->next)
			if (strlen(dentry->name) == (size_t)(end - rest) &&
			    !memcmp(dentry->name, rest, end - rest))
				break;
		rest = *end ? end + 1 : end;
	}
	return dentry ? dentry->inode : NULL;
}

struct inode *shim_lookup(const char *path)
{
	struct inode *inode = NULL;
	struct super_block *sb;
	const char *rest;

	sb = super_get(path, &rest);
	if (sb)
		inode = lookup(sb, rest);
	if (sb && !inode)
		shim_super_put(sb);
	return inode;
}
