/* SPDX-License-Identifier: MIT */
/*
 * Turns: the oneways of an object are handled one at a time, also if some of them come by the bus
 * and others by direct channels.
 *
 * Only an object that has, or had, a channel needs turns: turn.shared. The thread that handles its
 * oneways has the object's turn. A oneway of the bus that arrives meanwhile is *parked*, and a
 * thread that finds oneways in a channel leaves them there. The end of a turn hands the turn to the
 * oldest parked oneway, which becomes work of the backlog, or makes a serving thread look at the
 * channels again. No thread waits for a turn.
 *
 * If a handler keeps its oneway (ipc_call_ref()), the turn belongs to that call until it is
 * released.
 */
#ifndef IPC_TURN_H
#define IPC_TURN_H

#include <stdatomic.h>
#include <stdbool.h>

struct ipc_call;
struct ipc_object;
struct ipcbus_event;
struct thread;
struct turn_item;

/* Of an object. */
struct turn {
	atomic_bool shared;		/* never cleared */
	atomic_uint state;		/* TURN_* */
	atomic_uint handled;		/* oneways that came by the bus: number so far */
	struct turn_item *parked;	/* oldest first; under ipc->lock */
};

#define TURN_TAKEN   1U
#define TURN_PARKED  2U			/* there are parked oneways; only with TAKEN */
#define TURN_SKIPPED 4U			/* a channel's oneways wait for the end of the turn */

/* A turn that a thread has, on its stack. */
struct turn_frame {
	struct turn_frame *outer;
	struct ipc_object *object;
	const struct ipcbus_event *event;	/* of a channel: stands for several oneways; or
	                                 	 * NULL */
	unsigned int depth;		/* t->depth in its handlers */
	bool kept;			/* a call has the turn now, and the event is parked */
};

/* Takes the turn, for oneways of a channel. If it is taken, returns false, and its end makes a
 * serving thread look at the channels again. */
bool turn_enter(struct ipc_object *object);
/* Called by the thread that has the turn: a serving thread must look at the channels when the turn
 * ends. */
void turn_skip(struct ipc_object *object);
/* Ends the turn. Takes ipc->lock, under which no handler runs. */
void turn_leave(struct ipc_object *object);
/* Runs an event in the turn that the thread has taken, and ends the turn. */
void turn_run(struct thread *t, struct ipc_object *object, const struct ipcbus_event *event);
/* Takes the turn and runs the event. If it is taken, parks a copy, or without memory drops it. */
void turn_run_or_park(struct thread *t, struct ipc_object *object,
		      const struct ipcbus_event *event);
/* A oneway's handler keeps its call, and returns: the call has the turn now. Returns whether the
 * call must end the turn. */
bool turn_keep(struct thread *t, const struct ipc_call *call);
/* Drops the parked oneways of an object that is freed. */
void turn_done(struct ipc_object *object);

#endif /* IPC_TURN_H */
