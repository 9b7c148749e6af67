/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Process: what the clients of one real process have in common, so that the driver knows
 * them as files of one process. See process.c.
 */
#pragma once

#include <stdbool.h>

struct client_peer;
struct process;
struct task_struct;

/* The peer's, made if it has no other client. *ret_task: a new task of it, which ends between
 * process_leave() and process_put(). Main thread only. NULL: no memory. */
struct process *process_get(const struct client_peer *peer, struct task_struct **ret_task);
/* A client of it is about to end its last task. Any thread. */
void process_leave(struct process *process);
/* It has ended that. */
void process_put(struct process *process);

/* Whether its threads have other numbers here: to find one takes long. */
bool process_is_below(const struct process *process);
/* A task for a thread of it that has that number where the process is. NULL: there is none. */
struct task_struct *process_new_task(const struct process *process, int tid);
