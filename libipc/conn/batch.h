/* SPDX-License-Identifier: MIT */
/*
 * A batch of oneways that a thread took with one exchange: core/more.c. The rest of a batch is of
 * the thread that serves it, of a call that a handler kept, or in the backlog.
 */
#ifndef IPC_BATCH_H
#define IPC_BATCH_H

#include <stdbool.h>

#include "backlog.h"
#include "ipcbus.h"

/* Events of a batch after the first. The driver allows more, and ipcbusd fewer. */
#define BATCH_MORE	15

struct batch {
	struct backlog_work base;	/* serves or drops the rest */
	unsigned int depth;		/* t->depth in the handlers of this batch */
	unsigned int next;		/* of events */
	unsigned int n;
	struct ipcbus_event events[1 + BATCH_MORE];	/* the first is unused if its thread serves
	                                         	 * it at once */
};

/*
 * State of a thread. A request for a batch that returns a single event only costs time. So the
 * thread requests a batch after oneways have arrived, and continues while it gets several. After
 * each failure it waits for twice as many oneways before the next request.
 */
struct batch_state {
	struct batch *serving;		/* the batch that is being served, or NULL */
	struct batch *spare;		/* memory for the next batch */
	bool ask;			/* the next exchange requests a batch */
	unsigned int wait;		/* if not: number of oneways before the next request */
	unsigned int last_wait;		/* last initial value of wait; 0: a request has paid
	                       		 * since */
};

#endif /* IPC_BATCH_H */
