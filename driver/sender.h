/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sender of a message. The driver takes it from the sending thread itself while
 * that thread sends, never from another task later. There are two forms of it:
 *
 *   struct ipcbus_sender     what the receiver sees: numbers in its own namespaces
 *   struct ipcbus_sender_id  the sending process, for a receiver that asks later
 *
 * The second form costs nothing to keep, because it holds no reference. It still
 * never names another process: the start time distinguishes processes that reuse a
 * pid.
 */
#ifndef IPCBUS_SENDER_H
#define IPCBUS_SENDER_H

#include <linux/types.h>

#include "main.h"

struct pid;
struct pid_namespace;

/* Stores the current process. */
void ipcbus_sender_id_set(struct ipcbus_sender_id *id);

/* Returns the process, or NULL once its parent has waited for it. Call it under RCU. */
struct pid *ipcbus_sender_id_find(const struct ipcbus_sender_id *id);

/* Whether the process still exists, and its pid in a namespace; 0: it is not visible there. Where
 * the driver runs as a daemon, that has a function of its own. */
bool ipcbus_sender_id_exists(const struct ipcbus_sender_id *id, struct pid_namespace *ns,
			     u32 *ret_pid);

/* The sender of a message, as its receiver sees it. */
struct ipcbus_sender {
	u32 pid;
	u32 tid;
	u32 uid;
	u32 gid;
};

static inline void ipcbus_sender_to_event(const struct ipcbus_sender *sender,
					  struct ipcbus_event *event)
{
	event->pid = sender->pid;
	event->tid = sender->tid;
	event->uid = sender->uid;
	event->gid = sender->gid;
}

#endif
