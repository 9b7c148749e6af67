/* SPDX-License-Identifier: MIT */
/* The threads of ipc_run(). */
#ifndef IPC_LOOP_H
#define IPC_LOOP_H

#include "thread.h"

int pool_init(struct pool *pool);
void pool_done(struct pool *pool);
/* Makes the threads of ipc_run() poll instead of waiting in the driver. Returns 1 if the
 * caller must wake them for that, 0 if they poll already, or -errno. */
int pool_poll_locked(struct ipc *ipc);
/* Starts one more thread, for which the driver asked, if the limit of ipc_run() allows it. */
void pool_grow(struct ipc *ipc);

/* Serves one event without sleeping: 1, 0 if there is none, or -errno. */
int loop_serve_one(struct thread *t);

bool pool_serves(struct ipc *ipc);
/*
 * This thread is in a handler or callback and is about to wait for a stream, so it does not
 * serve until the outermost one has returned. Another thread must be there, or is started:
 * -EDEADLK if there would be none, -ESHUTDOWN after ipc_stop(). Then pool.stop_fd is there.
 */
int pool_block(struct thread *t);
/* Puts the waiter on the list if threads are in ipc_run(), else returns false. */
bool pool_add_waiter(struct ipc *ipc, struct pool_waiter *waiter);
void pool_remove_waiter(struct ipc *ipc, struct pool_waiter *waiter);

#endif /* IPC_LOOP_H */
