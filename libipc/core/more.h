/* SPDX-License-Identifier: MIT */
/*
 * Batches of oneways: several oneways of an object, received by a single exchange (IPCBUS_MORE).
 *
 * The driver hands out the next oneway of an object when the buffers of all earlier oneways are
 * released. So a batch must behave as if each oneway had arrived separately: its oneways are served
 * in order, never concurrently. If a handler blocks, the rest waits. If a handler keeps its call
 * (ipc_call_ref()), the rest belongs to that call until it is released, and then becomes work in
 * the backlog, as a whole.
 *
 * A thread requests batches only outside of handlers: in ipc_run(), or while it waits for
 * a stream, and only while batches pay: see struct more_state. A batch may delay other events of
 * this thread for a tick of the clock, some milliseconds; then the rest goes to the backlog.
 *
 *   fetched by the thread that serves them -> its list (thread->more.serving)
 *   kept by a handler                      -> call->more, then the backlog
 *   a tick over, ipc_stop(), the thread's end -> the backlog
 *   connection closed, a child of fork()   -> discarded
 */
#ifndef IPC_MORE_H
#define IPC_MORE_H

#include <stdbool.h>
#include <stdint.h>

struct ipc;
struct ipc_call;
struct ipcbus_event;
struct more;
struct thread;

/*
 * State of a thread. A request for a batch that returns a single event only costs time. So the
 * thread requests a batch after oneways have arrived, and continues while it gets several. After
 * each failure it waits for twice as many oneways before the next request.
 */
struct more_state {
	struct more *serving;		/* the batch that is being served, or NULL */
	struct more *spare;		/* memory for the next batch */
	bool ask;			/* the next exchange requests a batch */
	unsigned int wait;		/* if not: number of oneways before the next request */
	unsigned int last_wait;		/* last initial value of wait; 0: a request has paid
	                       		 * since */
};

/* A oneway came that was not of a batch: the next exchange may request one. */
void more_oneway_came(struct thread *t);
/* Waits for events and serves them: 0 or -errno. */
int more_serve(struct thread *t);
/* Takes an event without waiting, for a thread that waits for a stream: 0, with the event, or
 * -errno. Returns 1 if it took a batch, which it served if the oneways are a stream's, and left to
 * the backlog otherwise. */
int more_take(struct thread *t, struct ipcbus_event *ret_event);
/* A handler keeps this call, and returns: moves the rest of the batch to the call. */
void more_keep(struct thread *t, struct ipc_call *call);
/* A kept call is released: moves its rest of the batch to the backlog. The call must still have its
 * reference of the connection. */
void more_release(struct ipc *ipc, struct more *more);
/* The thread ends, perhaps in a handler. live: its connection is open. */
void more_thread_ends(struct thread *t, bool live);

#endif /* IPC_MORE_H */
