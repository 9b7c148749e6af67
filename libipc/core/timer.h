/* SPDX-License-Identifier: MIT */
/*
 * Times at which something runs on a serving thread: the deadlines of streams that have
 * callbacks or an fd (stream.c). A thread that waits for a stream looks at the clock itself.
 *
 * The timers of a connection are a heap with one timerfd for the earliest, which is part of
 * device.poll_fd. So whoever polls for events wakes up. While there is a timer, the threads of
 * ipc_run() poll, and ATTEND_TIMER is set.
 */
#ifndef IPC_TIMER_H
#define IPC_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipc;

/* In the memory of whoever sets it. */
struct timer {
	size_t place;			/* in the heap, from 1; 0: not set */
	uint64_t deadline;		/* of the monotonic clock, ns */
	/* Once, without locks, and with what the timer held. Does not wait. */
	void (*expired)(struct timer *timer);
};

/* Of a connection, under ipc->lock. */
struct timers {
	struct timer **heap;
	size_t n;
	size_t space;
	int fd;				/* a timerfd, or -1 */
};

void timers_init(struct ipc *ipc);
void timers_done(struct ipc *ipc);

/* 1: it is set now; 0: it was already; or -errno. */
int timer_set(struct ipc *ipc, struct timer *timer);
/* True: it was set, and does not expire any more. */
bool timer_forget(struct ipc *ipc, struct timer *timer);
/* Runs what is due. */
void timers_run(struct ipc *ipc);

#endif /* IPC_TIMER_H */
