/* SPDX-License-Identifier: MIT */
/*
 * Events other than the reply that a thread waits for. A call of an object goes to its
 * handler, a death to its watchers. Handlers run on the calling thread. A reply may stay
 * with the thread until its next exchange.
 */
#ifndef IPC_DISPATCH_H
#define IPC_DISPATCH_H

#include "thread.h"

void dispatch(struct thread *t, const struct ipcbus_event *event);
/*
 * The bus has ended: completes or notifies, with -ECONNRESET, all that waits for an event of this
 * connection. Any number of serving threads may call it; each callback runs once.
 */
void dispatch_bus_end(struct thread *t);
/* Whether what comes for the object with that cookie runs nothing of the program's. */
bool dispatch_is_for_stream(struct ipc *ipc, uint64_t cookie);

/*
 * For a thread that waits for a stream: does with the event what the library does alone, for
 * any stream. False: its handler or callback is the program's, so the event is for a thread
 * that serves.
 */
bool dispatch_waiting(struct thread *t, const struct ipcbus_event *event);

/* monitor.c: passes a record to the program; ends the monitor of a connection that is closed. */
void monitor_deliver(struct thread *t, const struct ipcbus_event *event);
void monitor_close(struct ipc *ipc);

#endif /* IPC_DISPATCH_H */
