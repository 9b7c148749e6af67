/* SPDX-License-Identifier: MIT */
/*
 * Serving: ipc_run() and its threads, ipc_process().
 */
#ifndef IPC_LOOP_H
#define IPC_LOOP_H

#include "private.h"

int pool_init(struct pool *pool);
void pool_done(struct pool *pool);
/* The driver asks for one more thread: starts one if ipc_run() may. */
void pool_grow(struct ipc *ipc);

#endif /* IPC_LOOP_H */
