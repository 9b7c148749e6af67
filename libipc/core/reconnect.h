/* SPDX-License-Identifier: MIT */
/* Reconnection after the end of the bus: see reconnect.c. */
#ifndef IPC_RECONNECT_H
#define IPC_RECONNECT_H

#include <stdbool.h>

struct thread;

/* For a thread of ipc_run(), while ATTEND_LOST is set: does the next step, or waits for it. */
void reconnect_serve(struct thread *t);
/* Does the next step. Returns false if it is not due. */
bool reconnect_step(struct thread *t);

#endif /* IPC_RECONNECT_H */
