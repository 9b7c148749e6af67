/* SPDX-License-Identifier: MIT */
/*
 * Calls of ours that nobody waits for.
 */
#ifndef IPC_ASYNC_H
#define IPC_ASYNC_H

#include "thread.h"

/* A REPLY, ERROR or FAILED that is not of a call that this thread waits for. */
void async_end(struct thread *t, const struct device_event *event);
/* The connection is closed: ends those that are left with -ECANCELED. */
void asyncs_close(struct ipc *ipc);

#endif /* IPC_ASYNC_H */
