/* SPDX-License-Identifier: MIT */
/* The threads of ipc_run(), and the dispatch of events (dispatch.c). */
#ifndef IPC_LOOP_H
#define IPC_LOOP_H

#include "conn/thread.h"

/* Returns 0 or -errno. */
int pool_init(struct pool *pool);
void pool_done(struct pool *pool);
/* Makes the threads of ipc_run() poll instead of waiting in the driver. Returns 1 if the
 * caller must wake them for that, 0 if they poll already, or -errno. */
int pool_poll_locked(struct ipc *ipc);
/* Starts another thread if none is idle and the limit of ipc_run() allows it. */
void pool_grow(struct ipc *ipc);

/* Serves one event without sleeping: 1, 0 if there is none, or -errno. */
int loop_serve_one(struct thread *t);

/* Whether a thread is in ipc_run(), and was not told to stop. */
bool pool_serves(struct ipc *ipc);
/*
 * This thread is in a handler or callback and is about to wait for a stream, so it does not serve
 * until its outermost handler has returned. Another thread must serve, and is started if needed.
 * Returns -EDEADLK if no thread would serve, and -ESHUTDOWN after ipc_stop().
 */
int pool_block(struct thread *t);

/* --- Events --------------------------------------------------------------------------- */

/* Events other than the reply that a thread waits for. Handlers run on the calling thread. A
 * reply may stay with the thread until its next exchange. */
void dispatch(struct thread *t, const struct ipcbus_event *event);
/* The same for a call or oneway, in a handler or callback, without turns: see turn.h. */
void dispatch_serve(struct thread *t, const struct ipcbus_event *event);
/*
 * The bus has ended: completes all pending operations of this connection with -ECONNRESET. Any
 * number of serving threads may call it; each callback runs once.
 */
void dispatch_bus_end(struct thread *t);
/* Move the handles and nodes of a bus that has ended out of the tables: proxy.c, object.c. */
void proxies_lost(struct ipc *ipc);
void objects_lost(struct ipc *ipc);
/* ipc.c: the device was opened again. Gives the connection a new generation. */
void connection_renew(struct ipc *ipc);
/* Whether an event for the object with that cookie runs no code of the program. */
bool dispatch_is_for_stream(struct ipc *ipc, uint64_t cookie);

/*
 * For a thread that waits for a stream: handles the event, of any stream, if that runs no code of
 * the program. Returns false if it would, so that a serving thread must handle the event.
 */
bool dispatch_waiting(struct thread *t, const struct ipcbus_event *event);

/* monitor.c: passes a record to the program. */
void monitor_deliver(struct thread *t, const struct ipcbus_event *event);

#endif /* IPC_LOOP_H */
