/* SPDX-License-Identifier: MIT */
/* Text files. */
#pragma once

#include "cred.h"
#include "fs.h"

struct seq_file {
	char *text;
	size_t used;
	size_t size;
	const struct seq_operations *op;
	void *private;
};

struct seq_operations {
	void *(*start)(struct seq_file *, loff_t *);
	void (*stop)(struct seq_file *, void *);
	void *(*next)(struct seq_file *, void *, loff_t *);
	int (*show)(struct seq_file *, void *);
};

void seq_printf(struct seq_file *seq, const char *format, ...) __printf(2, 3);
void seq_puts(struct seq_file *seq, const char *text);
void *__seq_open_private(struct file *file, const struct seq_operations *ops, int size);
int seq_release_private(struct inode *inode, struct file *file);
ssize_t seq_read(struct file *file, char *to, size_t size, loff_t *at);
loff_t seq_lseek(struct file *file, loff_t offset, int whence);
#define seq_user_ns(seq) (current_cred()->user_ns)

#define DEFINE_SHOW_ATTRIBUTE(name) \
	static const struct file_operations name##_fops = { .shim_show = name##_show }
