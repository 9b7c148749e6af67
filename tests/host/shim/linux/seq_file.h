/* SPDX-License-Identifier: MIT */
/* Text that a file consists of. */
#pragma once

#include "fs.h"

struct seq_file {
	char *text;
	size_t used;
	size_t size;
};

void seq_printf(struct seq_file *seq, const char *format, ...) __printf(2, 3);

#define DEFINE_SHOW_ATTRIBUTE(name) \
	static const struct file_operations name##_fops = { .shim_show = name##_show }
