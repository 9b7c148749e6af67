/* SPDX-License-Identifier: MIT */
/* debugfs files, stored by name. shim_debugfs_read() reads them. */
#pragma once

#include "fs.h"

struct dentry;

struct dentry *debugfs_create_dir(const char *name, struct dentry *parent);
struct dentry *debugfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				   void *data, const struct file_operations *fops);
void debugfs_remove(struct dentry *dentry);
