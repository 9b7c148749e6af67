/* SPDX-License-Identifier: MIT */
/*
 * The generations of a connection: each bus that it used is one. struct reconnect is the state of
 * a connection that survives its bus; core/reconnect.c has the steps.
 */
#ifndef IPC_GENERATION_H
#define IPC_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "slot.h"
#include "timer.h"

struct ipc;
struct thread;

/* Generation of a connection without a bus. No thread has it. */
#define GENERATION_LOST	UINT64_MAX

/* Member of struct ipc. */
struct reconnect {
	/* Set once, by ipc_set_reconnect(); NULL: the connection ends with its bus. Does the next
	 * step; returns false if it is not due. */
	bool (*step)(struct thread *t);
	/* Under ipc->lock. */
	struct slots slots;		/* its callbacks */
	bool busy;			/* a thread is doing the next step */
	bool ended;			/* all pending operations have completed */
	unsigned int delay_msec;	/* between attempts */
	uint64_t next_try;		/* of the monotonic clock, ns */
	struct timer timer;		/* for event loops: expires when the next step is due, which
					 * ipc_process() does */
};

bool generation_is_lost(const struct ipc *ipc);
/* Must be called when an operation failed with -ECONNRESET. Returns whether the bus will be opened
 * again. If so, either ATTEND_LOST is set while the bus is away, or the bus is back and the calling
 * thread must call thread_catch_up(). */
bool generation_lost(struct ipc *ipc);
/* The device was opened again: gives the connection a new generation. */
void generation_renew(struct ipc *ipc);
/* Makes the fd of ipc_get_fd() readable when the next step is due. Best effort: without memory or
 * fds, the next ipc_process() does the step. */
void generation_wake_later(struct ipc *ipc);

#endif /* IPC_GENERATION_H */
