// SPDX-License-Identifier: MIT
/* Batches of oneways: see more.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "dispatch.h"
#include "entry.h"
#include "more.h"
#include "object.h"

/* Maximum of batch_state.wait. */
#define WAIT_MAX	64

/* Asks for no batch in the next exchanges, because the last exchange returned only its first
 * event. The pause doubles each time. */
static void came_alone(struct batch_state *state)
{
	state->ask = false;
	state->wait = state->last_wait ? 2 * state->last_wait : 1;
	if (state->wait > WAIT_MAX)
		state->wait = WAIT_MAX;
	state->last_wait = state->wait;
}

static void batch_done(struct thread *t, struct batch *batch)
{
	if (!t->batch.spare)
		t->batch.spare = batch;
	else
		free(batch);
}

static void drop_batch(struct ipc *ipc, struct backlog_work *work)
{
	struct batch *batch = (struct batch *)work;

	/* In a forked child they belong to the parent. */
	while (batch->next < batch->n && !ipc->foreign)
		event_refuse(ipc, &batch->events[batch->next++]);
	free(batch);
}

static uint64_t tick(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Returns whether the rest of the batch must wait: for ipc_stop(), or because a tick has passed. A
 * batch for a stream runs no code of the program, and is always served completely. */
static bool must_stop(struct ipc *ipc, const struct batch *batch, uint64_t since)
{
	bool stop = atomic_load_explicit(&ipc->attention, memory_order_acquire) & ATTEND_STOP;

	return unlikely(stop || tick() != since) &&
	       !dispatch_is_for_stream(ipc, batch->events[batch->next].cookie);
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
static bool batch_serve(struct thread *t, bool first, uint64_t since)
{
	struct ipc *ipc = t->ipc;
	uint64_t seen = 0;
	size_t bytes = 0;
	struct batch *batch;

	while ((batch = t->batch.serving)) {
		const struct ipcbus_event *event = &batch->events[batch->next];

		if (batch->next == batch->n || unlikely(ipc->foreign)) {
			t->batch.serving = NULL;
			batch_done(t, batch);
			break;
		}
		if (!first && must_stop(ipc, batch, since)) {
			t->batch.serving = NULL;
			backlog_add(ipc, &batch->base, /* wake= */ true);
			return false;
		}
		bytes += event->data_size;
		if (unlikely(bytes > thread_may_hold(t))) {
			bytes = 0;
			thread_flush(t);
		}
		first = false;
		batch->next++;
		if (!drop_ended(t, event, &seen))
			dispatch(t, event);
	}
	return true;
}

/* Runs a batch from the backlog. A handler that serves may call it while an outer batch is being
 * served. */
static void run_batch(struct thread *t, struct backlog_work *work)
{
	struct batch *batch = (struct batch *)work, *outer = t->batch.serving;

	batch->depth = t->depth + 1;
	t->batch.serving = batch;
	batch_serve(t, /* first= */ true, tick());
	t->batch.serving = outer;
}

/* Takes an event, and further oneways into t->batch.spare. flags: IPCBUS_NONBLOCK, or 0 */
static int take_more(struct thread *t, unsigned int flags, struct ipcbus_exchange *x)
{
	struct batch *batch = t->batch.spare;

	if (!batch)
		batch = malloc(sizeof(*batch));
	t->batch.spare = batch;
	x->more = batch ? (uintptr_t)&batch->events[1] : 0;
	x->more_count = batch ? BATCH_MORE : 0;
	x->reserved = 0;
	return thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_MORE | flags, x);
}

/* Makes a batch of the spare, which holds the events that followed the first. */
static struct batch *take_spare(struct thread *t, const struct ipcbus_event *event)
{
	struct batch *batch = t->batch.spare;

	t->batch.spare = NULL;
	batch->base = (struct backlog_work){ .run = run_batch, .drop = drop_batch };
	batch->next = 1;
	batch->n = 1 + event->more;
	return batch;
}

void more_oneway_came(struct thread *t)
{
	if (t->batch.wait)
		t->batch.wait--;
	else if (!t->depth)
		t->batch.ask = true;
}

/* Takes an event without waiting: 0, with the event, or -errno. Returns 1 if it took a batch, which
 * it served if the oneways are a stream's, and left to the backlog otherwise. */
static int take_or_batch(struct thread *t, struct ipcbus_event *ret_event)
{
	struct batch_state *state = &t->batch;
	struct ipcbus_exchange x;
	bool asks = state->ask;
	struct batch *batch;
	int r;

	if (asks)
		r = take_more(t, IPCBUS_NONBLOCK, &x);
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
	batch = take_spare(t, &x.event);
	batch->events[0] = x.event;
	batch->next = 0;
	if (dispatch_is_for_stream(t->ipc, x.event.cookie))
		run_batch(t, &batch->base);
	else
		backlog_add(t->ipc, &batch->base, /* wake= */ true);
	return 1;
}

int more_take_event(struct thread *t)
{
	struct dispatch_event *memory = malloc(sizeof(*memory));
	struct ipcbus_event event;
	int r;

	if (!memory)
		return -ENOMEM;
	r = take_or_batch(t, &event);
	if (r || dispatch_waiting(t, &event)) {
		free(memory);
		return r < 0 ? r : event.kind != IPCBUS_EVENT_NONE;
	}
	dispatch_later(t->ipc, memory, &event);
	return 1;
}

int more_serve(struct thread *t)
{
	struct batch_state *state = &t->batch;
	struct ipcbus_exchange x;
	struct batch *batch;
	uint64_t since;
	int r;

	r = take_more(t, /* flags= */ 0, &x);
	if (unlikely(r < 0))
		return r;
	if (!x.event.more) {
		if (x.event.kind != IPCBUS_EVENT_INTERRUPTED)
			came_alone(state);
		dispatch(t, &x.event);
		return 0;
	}
	state->last_wait = 0;
	batch = take_spare(t, &x.event);
	batch->depth = t->depth + 1;
	state->serving = batch;
	since = tick();
	dispatch(t, &x.event);
	/* The tick is over: serve another event first. */
	return batch_serve(t, /* first= */ false, since) ? 0 : dispatch_next(t);
}
