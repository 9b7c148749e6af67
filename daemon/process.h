/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Process: what the clients of one real process have in common, so that the driver knows
 * them as files of one process. See process.c.
 */
#pragma once

struct client_peer;
struct process;
struct shim_process;

/* The peer's, made if it has no other client. Main thread only. NULL: no memory. */
struct process *process_get(const struct client_peer *peer);
/* A client of it is about to end its last task. Any thread. */
void process_leave(struct process *process);
/* It has ended that. */
void process_put(struct process *process);

/* For the driver. */
struct shim_process *process_shim(const struct process *process);
