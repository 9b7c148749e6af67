/* SPDX-License-Identifier: MIT */
/*
 * Oneways whose receiver has no space; mostly messages of streams. When there may be space again,
 * the driver reports it by poll(), once, without naming the receiver. So all waiters of a
 * connection are in one list, and the thread that sees the report makes all waiters try again.
 * These threads poll: an event loop and ipc_wait_event() on device->poll_fd, the threads of
 * ipc_run() if there are waiters (ATTEND_POLL), and a thread that waits in a stream function or for
 * space for a oneway.
 */
#ifndef IPC_WRITABLE_H
#define IPC_WRITABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "backlog.h"

struct ipc;

/* A waiter: all zero except ready, which is called without locks. */
struct writable_waiter {
	struct writable_waiter *next;
	struct writable_waiter **link;	/* NULL: does not wait */
	void (*ready)(struct writable_waiter *waiter);
};

/* Of a connection; private.h. */
struct writable {
	struct writable_waiter *first;	/* oldest first */
	struct writable_waiter **last;
};

/* A thread that waits; begins with its waiter. */
struct writable_thread {
	struct writable_waiter waiter;
	struct ipc *ipc;
	int fd;			/* an eventfd, by which ready() wakes the thread */
	bool waits;		/* ready() has the waiter, or its notification is not read yet */
};

void writable_init(struct ipc *ipc);

/* Must be called before device_poll(): creates device->poll_fd, which reports space and the
 * conditions in polls. Returns 0 or -errno. */
int writable_make_poll(struct ipc *ipc, unsigned int polls);

/* Adds a waiter, which is notified once when to try again. Try once more after 1. 0: it
 * waited already; -errno. */
int writable_want(struct ipc *ipc, struct writable_waiter *waiter);
/* Returns false if it did not wait (any more). */
bool writable_forget(struct ipc *ipc, struct writable_waiter *waiter);

/*
 * A thread that waits for space: _begin(), any number of _want() and _wait(), and _end(). Each
 * returns 0 or -errno. Try once more between _want() and _wait(). _wait() returns when to try
 * again, and fails with -ETIMEDOUT after the deadline, with the error of the program's interrupt
 * callback, or with -ECONNRESET.
 */
int writable_thread_begin(struct ipc *ipc, struct writable_thread *thread);
int writable_thread_want(struct writable_thread *thread);
int writable_thread_wait(struct writable_thread *thread, uint64_t deadline);
void writable_thread_end(struct writable_thread *thread);

/* Removes and notifies all waiters, if the driver reports space. */
void writable_notify(struct ipc *ipc);
/* The bus was replaced: removes and notifies all waiters. */
void writable_retry(struct ipc *ipc);
/* Stops polling by the serving threads if no sender waits and no timer is set. */
void writable_stop_polling_locked(struct ipc *ipc);
/* The device is closed: notifies all waiters, and ends the callbacks of ipc_on_writable(). */
void writable_close(struct ipc *ipc);

#endif /* IPC_WRITABLE_H */
