// SPDX-License-Identifier: MIT
/* Batches of oneways: see more.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "entry.h"
#include "loop.h"
#include "more.h"
#include "object.h"

/* Events of a batch after the first. The driver allows more, and ipcbusd fewer. */
#define MORE_EVENTS	15
/* Maximum of more_state.wait. */
#define WAIT_MAX	64

struct more {
	struct backlog_work base;	/* while it is in the backlog */
	unsigned int depth;		/* t->depth in the handlers of this batch */
	unsigned int next;		/* of events */
	unsigned int n;
	struct ipcbus_event events[1 + MORE_EVENTS];	/* the first is unused if its thread serves
	                                            	 * it at once */
};

/* The exchange returned only its first event. */
static void came_alone(struct more_state *state)
{
	state->ask = false;
	state->wait = state->last_wait ? 2 * state->last_wait : 1;
	if (state->wait > WAIT_MAX)
		state->wait = WAIT_MAX;
	state->last_wait = state->wait;
}

static void done(struct thread *t, struct more *more)
{
	if (!t->more.spare)
		t->more.spare = more;
	else
		free(more);
}

static void drop(struct ipc *ipc, struct backlog_work *work)
{
	struct more *more = (struct more *)work;

	/* In a forked child they belong to the parent. */
	while (more->next < more->n && !ipc->foreign)
		event_refuse(ipc, &more->events[more->next++]);
	free(more);
}

static void run(struct thread *t, struct backlog_work *work);

static void leave(struct ipc *ipc, struct more *more)
{
	more->base = (struct backlog_work){ .run = run, .drop = drop };
	backlog_add(ipc, &more->base, /* wake= */ true);
}

void more_keep(struct thread *t, struct ipc_call *call)
{
	struct more *more = t->more.serving;

	/* Not for a nested call within a handler of the batch. A stream queues messages, and the
	 * next message does not wait until they are received. */
	if (more->depth != t->depth || more->next == more->n || call->detached ||
	    object_is_passive(call->object))
		return;
	t->more.serving = NULL;
	call->more = more;
}

void more_release(struct ipc *ipc, struct more *more)
{
	if (ipc->foreign)
		drop(ipc, &more->base);
	else
		leave(ipc, more);
}

/* A thread that ends in a handler never returns to the rest. */
void more_thread_ends(struct thread *t, bool live)
{
	struct more *more = t->more.serving;

	free(t->more.spare);
	t->more.spare = NULL;
	t->more.serving = NULL;
	if (more && live)
		leave(t->ipc, more);
	else
		free(more);
}

static uint64_t tick(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A batch for a stream is always served completely, because it runs no code of the program. */
static bool must_stop(struct ipc *ipc, const struct more *more, uint64_t since)
{
	bool stop = atomic_load_explicit(&ipc->attention, memory_order_acquire) & ATTEND_STOP;

	return unlikely(stop || tick() != since) &&
	       !dispatch_is_for_stream(ipc, more->events[more->next].cookie);
}

/* The driver discards queued oneways of an object that ends, so the rest of the batch is
 * discarded as well. */
static bool drop_ended(struct thread *t, const struct ipcbus_event *event, uint64_t *seen)
{
	uint64_t ends = atomic_load(&t->ipc->forced_ends);

	if (likely(ends == *seen))
		return false;
	if (!object_has_ended(t->ipc, event->cookie)) {
		*seen = ends;
		return false;
	}
	event_refuse(t->ipc, event);
	thread_release_next(t, event->buffer);
	return true;
}

/*
 * Serves the rest of the batch, after the first oneway only until the tick is over. Returns false
 * if other events of this thread must come first. If a handler keeps its call, the rest no longer
 * belongs to the thread.
 */
static bool serve_rest(struct thread *t, bool first, uint64_t since)
{
	struct ipc *ipc = t->ipc;
	uint64_t seen = 0;
	size_t bytes = 0;
	struct more *more;

	while ((more = t->more.serving)) {
		const struct ipcbus_event *event = &more->events[more->next];

		if (more->next == more->n || unlikely(ipc->foreign)) {
			t->more.serving = NULL;
			done(t, more);
			break;
		}
		if (!first && must_stop(ipc, more, since)) {
			t->more.serving = NULL;
			leave(ipc, more);
			return false;
		}
		bytes += event->data_size;
		if (unlikely(bytes > thread_may_hold(t))) {
			bytes = 0;
			thread_flush(t);
		}
		first = false;
		more->next++;
		if (!drop_ended(t, event, &seen))
			dispatch(t, event);
	}
	return true;
}

/* Runs a batch from the backlog. A handler that serves may call it while an outer batch is being
 * served. */
static void run(struct thread *t, struct backlog_work *work)
{
	struct more *more = (struct more *)work, *outer = t->more.serving;

	more->depth = t->depth + 1;
	t->more.serving = more;
	serve_rest(t, /* first= */ true, tick());
	t->more.serving = outer;
}

/* Takes an event, and further oneways into t->more.spare. flags: IPCBUS_NONBLOCK, or 0 */
static int take(struct thread *t, unsigned int flags, struct ipcbus_exchange *x)
{
	struct more *more = t->more.spare;

	if (!more)
		more = malloc(sizeof(*more));
	t->more.spare = more;
	x->more = more ? (uintptr_t)&more->events[1] : 0;
	x->more_count = more ? MORE_EVENTS : 0;
	x->reserved = 0;
	return thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_MORE | flags, x);
}

/* The batch is not the spare any more. */
static struct more *take_spare(struct thread *t, const struct ipcbus_event *event)
{
	struct more *more = t->more.spare;

	t->more.spare = NULL;
	more->next = 1;
	more->n = 1 + event->more;
	return more;
}

void more_oneway_came(struct thread *t)
{
	if (t->more.wait)
		t->more.wait--;
	else if (!t->depth)
		t->more.ask = true;
}

int more_take(struct thread *t, struct ipcbus_event *ret_event)
{
	struct more_state *state = &t->more;
	struct ipcbus_exchange x;
	bool asks = state->ask;
	struct more *more;
	int r;

	if (asks)
		r = take(t, IPCBUS_NONBLOCK, &x);
	else
		r = thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK, &x);
	if (r < 0)
		return r;
	*ret_event = x.event;
	if (!asks || !x.event.more) {
		if (x.event.kind != IPCBUS_EVENT_ONEWAY)
			return 0;
		if (asks)
			came_alone(state);
		else
			more_oneway_came(t);
		return 0;
	}
	state->last_wait = 0;
	more = take_spare(t, &x.event);
	more->events[0] = x.event;
	more->next = 0;
	if (dispatch_is_for_stream(t->ipc, x.event.cookie))
		run(t, &more->base);
	else
		leave(t->ipc, more);
	return 1;
}

int more_serve(struct thread *t)
{
	struct more_state *state = &t->more;
	struct ipcbus_exchange x;
	struct more *more;
	uint64_t since;
	int r;

	r = take(t, /* flags= */ 0, &x);
	if (unlikely(r < 0))
		return r;
	if (!x.event.more) {
		if (x.event.kind != IPCBUS_EVENT_INTERRUPTED)
			came_alone(state);
		dispatch(t, &x.event);
		return 0;
	}
	state->last_wait = 0;
	more = take_spare(t, &x.event);
	more->depth = t->depth + 1;
	state->serving = more;
	since = tick();
	dispatch(t, &x.event);
	/* The tick is over: serve another event first. */
	return serve_rest(t, /* first= */ false, since) ? 0 : loop_serve_one(t);
}
