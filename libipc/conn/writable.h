/* SPDX-License-Identifier: MIT */
/*
 * Oneways whose receiver has no space; mostly messages of streams. When there may be space again,
 * the driver reports it by poll(), once, without naming the receiver. So all waiters of a
 * connection are in one list, and the thread that sees the report makes all waiters try again.
 * These threads poll: an event loop and ipc_wait_event() on device->poll_fd, the threads of
 * ipc_run() if there are waiters (ATTEND_POLL), and a thread that waits in a stream function. A
 * thread with a oneway that must wait is no waiter here: it tries again after pauses (request.c).
 */
#ifndef IPC_WRITABLE_H
#define IPC_WRITABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backlog.h"

struct ipc;

/* A waiter: all zero except ready, which is called without locks. */
struct writable_waiter {
	TAILQ_ENTRY(writable_waiter) link;
	bool waits;
	void (*ready)(struct writable_waiter *waiter);
};

/* Of a connection, oldest first; private.h. */
TAILQ_HEAD(writable, writable_waiter);

void writable_init(struct ipc *ipc);

/* Must be called before device_poll(): creates device->poll_fd, which reports space and the
 * conditions in polls. Returns 0 or -errno. */
int writable_make_poll(struct ipc *ipc, unsigned int polls);

/* Adds a waiter, which is notified once when to try again. Try once more after 1. 0: it
 * waited already; -errno. */
int writable_want(struct ipc *ipc, struct writable_waiter *waiter);
/* Returns false if it did not wait (any more). */
bool writable_forget(struct ipc *ipc, struct writable_waiter *waiter);

/* Removes and notifies all waiters, if the driver reports space. */
void writable_notify(struct ipc *ipc);
/* The bus was replaced: removes and notifies all waiters. */
void writable_retry(struct ipc *ipc);
/* Stops polling by the serving threads if no sender waits and no timer is set. */
void writable_stop_polling_locked(struct ipc *ipc);
/* The device is closed: notifies all waiters, and ends the callbacks of ipc_on_writable(). */
void writable_close(struct ipc *ipc);

#endif /* IPC_WRITABLE_H */
