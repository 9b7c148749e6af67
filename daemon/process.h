/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Process: the common state of all clients of one real process, so that the driver treats them as
 * files of one process. See process.c.
 */
#pragma once

#include <stdbool.h>

struct client_peer;
struct process;
struct task_struct;

/* Finds or creates the process of the peer and takes a reference. *ret_task is a new task of the
 * process; the caller must end it between process_leave() and process_put(). Returns NULL if memory
 * is short. Main thread only. */
struct process *process_get(const struct client_peer *peer, struct task_struct **ret_task);
/* process_get() no longer finds a process that all clients have left. Must be called before the
 * client's last task ends. Any thread. */
void process_leave(struct process *process);
/* Must be called after the client's last task has ended. Drops the reference. Any thread. */
void process_put(struct process *process);

/* Returns true if the process is in a PID namespace below the daemon's. Finding a thread then takes
 * long. Any thread. */
bool process_is_below(const struct process *process);
/* Returns a new task for the thread with that number in the process's own namespace, or NULL if
 * there is no such thread. The caller must end the task. Reads /proc. Any thread. */
struct task_struct *process_new_task(const struct process *process, int tid);
