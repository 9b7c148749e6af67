/* SPDX-License-Identifier: MIT */
/* Files of the current process by number. */
#pragma once

#include "../kernel.h"

struct file;

struct file *fget(unsigned int fd);
void fput(struct file *file);
#define __fput_sync(file) fput(file)
/* Takes its own reference. Returns the number or -errno. */
int receive_fd(struct file *file, unsigned int flags);
