/* SPDX-License-Identifier: MIT */
/* Reconnection after the end of the bus: see reconnect.c. */
#ifndef IPC_RECONNECT_H
#define IPC_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "conn/slot.h"
#include "conn/timer.h"

struct ipc;
struct thread;

/* Generation of a connection without a bus. No thread has it. */
#define GENERATION_LOST	UINT64_MAX

/* Member of struct ipc. */
struct reconnect {
	bool enabled;			/* set once, by ipc_set_reconnect() */
	/* Under ipc->lock. */
	struct slots slots;		/* its callbacks */
	bool busy;			/* a thread is doing the next step */
	bool ended;			/* all pending operations have completed */
	unsigned int delay_msec;	/* between attempts */
	uint64_t next_try;		/* of the monotonic clock, ns */
	struct timer timer;		/* for event loops: expires when the next step is due */
};

/* Must be called when an operation failed with -ECONNRESET. Returns whether the bus will be opened
 * again. If so, either ATTEND_LOST is set while the bus is away, or the bus is back and the calling
 * thread must call reconnect_catch_up(). */
bool reconnect_lost(struct ipc *ipc);

/* Drops the thread's numbers, which belong to an earlier generation. Fails with -ECONNRESET while
 * the bus is away. */
int reconnect_catch_up(struct thread *t);

/* For a thread of ipc_run(), while ATTEND_LOST is set: does the next step, or waits for it. */
void reconnect_serve(struct thread *t);
/* Does the next step. Returns false if it is not due. */
bool reconnect_step(struct thread *t);
/* For a thread that is about to make a call. If no thread serves the connection, does all steps.
 * Fails with -ECONNRESET if the bus is still away. */
int reconnect_call(struct ipc *ipc);

#endif /* IPC_RECONNECT_H */
