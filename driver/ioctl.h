/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of a bus's file.
 */
#ifndef IPCBUS_IOCTL_H
#define IPCBUS_IOCTL_H

struct file;

long ipcbus_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif
