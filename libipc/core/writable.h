/* SPDX-License-Identifier: MIT */
/*
 * Oneways whose receiver has no space; mostly messages of streams. When there may be space
 * again, the driver reports it by poll(), once, and without saying at which receiver. So all
 * waiters of a connection are in one list, and the thread that sees the report makes all of
 * them try again. Whoever serves the connection polls: an event loop and ipc_wait() on
 * device->poll_fd, the threads of ipc_run() if there are waiters (ATTEND_POLL), and a thread
 * that waits in a stream function.
 */
#ifndef IPC_WRITABLE_H
#define IPC_WRITABLE_H

#include <stdbool.h>

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

void writable_init(struct ipc *ipc);

/* Call this before device_poll(): it makes device->poll_fd, which reports space and what
 * polls says. 0 or -errno. */
int writable_make_poll(struct ipc *ipc, unsigned int polls);

/* Adds a waiter, which is notified once when to try again. Try once more after 1. 0: it
 * waited already; -errno. */
int writable_want(struct ipc *ipc, struct writable_waiter *waiter);
/* False: it did not wait (any more). */
bool writable_forget(struct ipc *ipc, struct writable_waiter *waiter);
/* Removes and notifies all waiters, if the driver reports space. */
void writable_notify(struct ipc *ipc);
/* Serving threads need not poll, unless somebody waits or a timer is set. */
void writable_stop_polling_locked(struct ipc *ipc);
/* The device is closed: notifies those that are there. What ipc_on_writable() registered ends. */
void writable_close(struct ipc *ipc);

#endif /* IPC_WRITABLE_H */
