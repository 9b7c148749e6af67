/* SPDX-License-Identifier: MIT */
/* The bus ends and comes back: see reconnect.c. */
#ifndef IPC_RECONNECT_H
#define IPC_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "timer.h"

struct ipc;
struct ipc_slot;
struct thread;

/* Generation of a connection without a bus. No thread has it. */
#define GENERATION_LOST	UINT64_MAX

/* Of a connection; private.h. */
struct reconnect {
	bool enabled;			/* set once, by ipc_set_reconnect() */
	/* Under ipc->lock. */
	struct ipc_slot *slots;		/* its callbacks */
	bool busy;			/* a thread does the next step */
	bool ended;			/* all that waited has completed */
	unsigned int delay_msec;	/* between two tries */
	uint64_t next_try;		/* of the monotonic clock, ns */
	struct timer timer;		/* for event loops: expires when a step is to be done */
};

/* An operation failed with -ECONNRESET. Returns whether the bus will be opened again: then
 * ATTEND_LOST is set while it is away, or the calling thread has to catch up with its return. */
bool reconnect_lost(struct ipc *ipc);

/* The thread's numbers are those of an earlier generation: forgets them. Fails with -ECONNRESET
 * while the bus is away. */
int reconnect_catch_up(struct thread *t);

/* For a thread of ipc_run(), while ATTEND_LOST is set: does the next step, or waits for it. */
void reconnect_serve(struct thread *t);
/* For ipc_process(): 1 if it did a step, or 0. */
int reconnect_process(struct thread *t);
/* For a thread that wants to make a call. If no thread serves the connection, does all steps. Fails
 * with -ECONNRESET if the bus is still away. */
int reconnect_call(struct ipc *ipc);

/* The connection closes: ends the callbacks. */
void reconnect_close(struct ipc *ipc);

#endif /* IPC_RECONNECT_H */
