/* SPDX-License-Identifier: MIT */
/* The dispatch of events: event -> object -> serve function of its type. */
#ifndef IPC_DISPATCH_H
#define IPC_DISPATCH_H

#include "conn/thread.h"

struct dispatch_event {
	struct backlog_work base;
	struct ipcbus_event event;
};

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
/* Whether an event for the object with that cookie runs no code of the program. */
bool dispatch_is_for_stream(struct ipc *ipc, uint64_t cookie);

/*
 * For a thread that waits for a stream: handles the event, of any stream, if that runs no code of
 * the program. Returns false if it would, so that a serving thread must handle the event.
 */
bool dispatch_waiting(struct thread *t, const struct ipcbus_event *event);

/* monitor.c: passes a record to the program. */
void monitor_deliver(struct thread *t, const struct ipcbus_event *event);
/* Serves one event without sleeping: 1, 0 if there is none, or -errno. */
int dispatch_next(struct thread *t);
/* Leaves an event that was taken to a serving thread. Takes ownership of the memory, which comes
 * from malloc() and must be allocated before the event is taken. */
void dispatch_later(struct ipc *ipc, struct dispatch_event *memory,
		    const struct ipcbus_event *event);

#endif /* IPC_DISPATCH_H */
