/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system call that moves messages.
 */
#ifndef IPCBUS_EXCHANGE_H
#define IPCBUS_EXCHANGE_H

#include <linux/types.h>

#include "main.h"

/* 0 or -errno for the ioctl; nonblock: the file is O_NONBLOCK. */
long ipcbus_exchange(struct ipcbus_proc *proc, struct ipcbus_exchange __user *arg, bool nonblock);

#endif
