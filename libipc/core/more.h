/* SPDX-License-Identifier: MIT */
/*
 * Oneways that come together: several of one object, by one exchange (IPCBUS_MORE).
 *
 * The driver hands out the next oneway of an object when the buffers of all before it are
 * released. So what is said here holds as if each had come by itself: they are served in their
 * order and one at a time, those behind a handler that blocks wait for it, and those behind a call
 * that a handler keeps (ipc_call_ref()) wait until that call is released. They are the call's then,
 * and after that work in the backlog, as a whole.
 *
 * A thread asks for several only outside of handlers, in ipc_run(), and only while that pays: see
 * struct more_state. They hold up what else this thread has to serve for a tick of the clock, some
 * milliseconds; then the rest goes to the backlog.
 *
 *   fetched by the thread that serves them -> its list (thread->more.serving)
 *   kept by a handler                      -> call->more, then the backlog
 *   a tick over, ipc_stop(), the thread's end -> the backlog
 *   connection closed, a child of fork()   -> dropped
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
 * Of a thread. An exchange that asks and gets nothing more costs its time for nothing. So the
 * thread asks if oneways have come, goes on while it gets several, and waits for twice as many
 * oneways after each time that it did not.
 */
struct more_state {
	struct more *serving;		/* what is being served here, and the rest; or NULL */
	struct more *spare;		/* memory for the next ones */
	bool ask;			/* by the next exchange */
	unsigned int wait;		/* if not: so many oneways come before it asks again */
	unsigned int last_wait;		/* how many it was last; 0: asking paid since */
};

/* Waits for events and serves them: 0 or -errno. */
int more_serve(struct thread *t);
/* A handler keeps this call, and returns: what came behind it waits for that. */
void more_keep(struct thread *t, struct ipc_call *call);
/* A kept call is released: what waits for it goes to the backlog. It has its reference of the
 * connection still. */
void more_release(struct ipc *ipc, struct more *more);
/* The thread ends, perhaps in a handler. Its connection is open, or live is false. */
void more_thread_ends(struct thread *t, bool live);

#endif /* IPC_MORE_H */
