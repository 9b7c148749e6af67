/* SPDX-License-Identifier: MIT */
/* A mount under construction: see mount.c. */
#pragma once

#include "fs.h"

struct fs_parameter {
	const char *key;
	const char *string;
};

struct fs_context_operations {
	int (*parse_param)(struct fs_context *, struct fs_parameter *);
	int (*get_tree)(struct fs_context *);
	int (*reconfigure)(struct fs_context *);
	void (*free)(struct fs_context *);
};

struct fs_context {
	const struct fs_context_operations *ops;
	struct file_system_type *fs_type;
	struct user_namespace *user_ns;
	struct dentry *root;
	void *fs_private;
	unsigned long magic;
};

int get_tree_nodev(struct fs_context *fc,
		   int (*fill_super)(struct super_block *sb, struct fs_context *fc));
/* If SHIM_FS_LOG is set, prints the kernel's log to standard error. */
void shim_fs_log(const char *format, ...) __printf(1, 2);

#define invalfc(fc, ...) (shim_fs_log(__VA_ARGS__), -EINVAL)
