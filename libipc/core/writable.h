/* SPDX-License-Identifier: MIT */
/*
 * Oneways, above all messages of streams, whose receiver has no space. The driver
 * reports by poll that there may be some again, without saying whose, and reports it
 * once: so all that wait on a connection wait together, and whoever learns it, as
 * poll says so, has all of them try again. Who serves the connection polls for it: an
 * event loop and ipc_wait() on device->poll_fd, the threads of ipc_run() when they
 * have to (ATTEND_POLL), and a thread that waits in a stream.
 */
#ifndef IPC_WRITABLE_H
#define IPC_WRITABLE_H

#include <stdbool.h>

struct ipc;

/* Who wants to know; zeroes but for ready, which is called without locks. */
struct writable_waiter {
	struct writable_waiter *next;
	struct writable_waiter **link;	/* NULL: does not wait */
	void (*ready)(struct writable_waiter *waiter);
};

/* Of a connection; private.h. */
struct writable {
	struct writable_waiter *first;	/* the first come first */
	struct writable_waiter **last;
	struct writable_waiter user;	/* ipc_on_writable() */
	void (*cb)(struct ipc *ipc, void *userdata);
	void *cb_userdata;
};

void writable_init(struct ipc *ipc);
void writable_done(struct ipc *ipc);

/* Before device_poll(): that it hears of space from now on. polls: for what else
 * device->poll_fd is there. 0 or -errno. */
int writable_make_poll(struct ipc *ipc, unsigned int polls);

/* The waiter is notified once when to try again, for which the threads of ipc_run() are
 * to poll, or does so itself. Look once more after this: 1, 0: it waited already,
 * -errno. */
int writable_want(struct ipc *ipc, struct writable_waiter *waiter, bool by_others);
/* False: it did not wait (any more). */
bool writable_forget(struct ipc *ipc, struct writable_waiter *waiter);
/* There may be space: all that wait are notified, and wait no more. */
void writable_notify(struct ipc *ipc);

/* Whether serving threads are to stop. Async-signal-safe. */
void writable_stop(struct ipc *ipc, bool stop);

#endif /* IPC_WRITABLE_H */
