/* SPDX-License-Identifier: MIT */
/* Files by number, in the current process. */
#pragma once

#include "../kernel.h"

struct file;

struct file *fget(unsigned int fd);
void fput(struct file *file);
/* Takes a reference of its own; the number, or -errno. */
int receive_fd(struct file *file, unsigned int flags);
