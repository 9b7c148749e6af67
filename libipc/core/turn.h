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
 * released. channels/turn.c has the functions.
 */
#ifndef IPC_TURN_H
#define IPC_TURN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "conn/backlog.h"
#include "ipcbus.h"

struct ipc_call;
struct ipc_object;
struct thread;

/* A parked event. */
struct turn_item {
	struct backlog_work base;	/* in the backlog once it has the turn */
	struct turn_item *next;		/* in turn.parked */
	struct ipc_object *object;	/* a reference, while in the backlog; otherwise NULL */
	struct ipcbus_event event;
};

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

#endif /* IPC_TURN_H */
