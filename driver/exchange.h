/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls that move messages.
 */
#ifndef IPCBUS_EXCHANGE_H
#define IPCBUS_EXCHANGE_H

#include <linux/types.h>

#include "main.h"

/* Both return 0 or -errno for the ioctl; nonblock: the file is O_NONBLOCK. */
long ipcbus_exchange(struct ipcbus_proc *proc, struct ipcbus_exchange __user *arg, bool nonblock);
long ipcbus_send_batch(struct ipcbus_proc *proc, struct ipcbus_batch __user *arg);

/*
 * Copies a structure in, whose first field is its size: shorter ones are
 * completed with zeroes but for the first version's fields, longer ones must be
 * zero behind what is known. -EINVAL, -E2BIG, -EFAULT.
 */
int ipcbus_copy_args(void *args, size_t size, size_t first_size, const void __user *arg);

/* Copies it back, of which the user's structure has user_size bytes. */
int ipcbus_copy_result(void __user *arg, const void *args, size_t size, u32 user_size);

#endif
