/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which process, in a form that costs nothing to keep: no reference, yet no other
 * process can ever be taken for it. For messages whose sender may have gone, and
 * its number come round, by the time somebody asks (identity.c).
 */
#ifndef IPCBUS_ORIGIN_H
#define IPCBUS_ORIGIN_H

#include <linux/types.h>

struct pid;

/**
 * struct ipcbus_origin - one process
 * @pid: its number in the first pid namespace
 * @started: when, in nanoseconds: two with one number did not begin at once
 */
struct ipcbus_origin {
	u32 pid;
	u64 started;
};

/* The current process. */
void ipcbus_origin_set(struct ipcbus_origin *origin);

/* The process, as long as it is there and not waited for yet, or NULL (RCU). */
struct pid *ipcbus_origin_find(const struct ipcbus_origin *origin);

#endif
