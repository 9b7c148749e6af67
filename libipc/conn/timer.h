/* SPDX-License-Identifier: MIT */
/*
 * Timers: deadlines of streams that have callbacks (stream.c) and of async calls in channels
 * (channel-async.c), and the next attempt to open the bus (reconnect.c). They expire on serving
 * threads and on threads that wait for a stream.
 *
 * A timerfd, which is part of device.poll_fd, expires with the earliest timer or before it, so each
 * thread that polls for events wakes up. While a timer is set, the threads of ipc_run() poll, or
 * wait for channels until the earliest timer. ATTEND_TIMER is set.
 */
#ifndef IPC_TIMER_H
#define IPC_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct ipc;

/* In the caller's memory. */
struct timer {
	LIST_ENTRY(timer) link;
	bool is_set;
	uint64_t deadline;		/* of the monotonic clock, ns */
	/* Called once, without locks. Must not block. NULL: the timer only wakes a serving thread,
	 * or the program's loop. */
	void (*expired)(struct timer *timer);
};

LIST_HEAD(timer_list, timer);

/* Of a connection, under ipc->lock. */
struct timers {
	struct timer_list list;
	_Atomic uint64_t next;		/* when the timerfd expires; 0: never */
	int fd;				/* or -1 */
};

void timers_init(struct ipc *ipc);
void timers_done(struct ipc *ipc);

/* The functions below take ipc->lock. expired() may call them. */

/* Sets the timer, or changes its deadline, which must not be 0. Returns 1, or 0 if it was set
 * already. On failure returns -errno and changes nothing. */
int timer_set(struct ipc *ipc, struct timer *timer, uint64_t deadline);
/* Likewise, but never makes the timer expire later. */
int timer_set_earlier(struct ipc *ipc, struct timer *timer, uint64_t deadline);
/* Returns true if the timer was set: then expired() is not called. Otherwise it may be running on
 * another thread; does not wait for it. */
bool timer_forget(struct ipc *ipc, struct timer *timer);
/* Calls expired() of all timers whose deadline has passed, in any order. Timers that expired() sets
 * are left to the next call. */
void timers_run(struct ipc *ipc);

#endif /* IPC_TIMER_H */
