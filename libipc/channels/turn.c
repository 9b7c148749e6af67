// SPDX-License-Identifier: MIT
/* Turns: see turn.h. */
#include <errno.h>
#include <stdlib.h>

#include "channel-server.h"
#include "core/call.h"
#include "core/entry.h"
#include "core/dispatch.h"
#include "core/object.h"

/* --- Taking and leaving --------------------------------------------------------------- */

/* Takes the turn and returns true. If it is taken, sets the flags if_taken and returns false. */
static bool turn_take(struct turn *turn, unsigned int if_taken)
{
	unsigned int state = atomic_load_explicit(&turn->state, memory_order_relaxed);

	for (;;) {
		unsigned int next = state & TURN_TAKEN ? state | if_taken : state | TURN_TAKEN;

		if (atomic_compare_exchange_weak(&turn->state, &state, next))
			return !(state & TURN_TAKEN);
	}
}

bool turn_enter(struct ipc_object *object)
{
	return turn_take(&object->turn, TURN_SKIPPED);
}

void turn_skip(struct ipc_object *object)
{
	atomic_fetch_or(&object->turn.state, TURN_SKIPPED);
}

static struct turn_item *unpark(struct ipc_object *object)
{
	struct turn *turn = &object->turn;
	struct turn_item *item;

	ipc_lock(object->ipc);
	item = turn->parked;
	turn->parked = item->next;
	if (!turn->parked)
		atomic_fetch_and(&turn->state, ~TURN_PARKED);
	ipc_unlock(object->ipc);
	return item;
}

void turn_leave(struct ipc_object *object)
{
	unsigned int state = TURN_TAKEN;
	struct turn_item *item;

	while (!atomic_compare_exchange_weak(&object->turn.state, &state, 0)) {
		if (!(state & TURN_PARKED))
			continue;
		/* The turn stays taken: the item has it now. */
		item = unpark(object);
		item->object = ipc_object_ref(object);
		backlog_add(object->ipc, &item->base, /* wake= */ true);
		return;
	}
	if (state & TURN_SKIPPED)
		channels_look_again(object->ipc);
}

/* --- Parking ---------------------------------------------------------------------------- */

static void turn_item_free(struct ipc *ipc, struct turn_item *item)
{
	ipc_object_unref(item->object);
	channel_event_drop(ipc, &item->event);
	free(item);
}

static void run_item(struct thread *t, struct backlog_work *work)
{
	struct turn_item *item = (struct turn_item *)work;

	/* As dispatch() does for an event that arrives. */
	thread_enter(t);
	turn_run(t, item->object, &item->event);
	thread_leave_handler(t);
	ipc_object_unref(item->object);
	free(item);
}

static void drop_item(struct ipc *ipc, struct backlog_work *work)
{
	turn_item_free(ipc, (struct turn_item *)work);
}

static struct turn_item *item_new(const struct ipcbus_event *event)
{
	struct turn_item *item = malloc(sizeof(*item));

	if (item)
		*item = (struct turn_item){
			.base = { .run = run_item, .drop = drop_item },
			.event = *event,
		};
	return item;
}

/* Drops an event because memory is short, and reports the loss to the type of the object. */
static void lose(struct thread *t, struct ipc_object *object, const struct ipcbus_event *event)
{
	channel_event_drop(t->ipc, event);
	thread_release_next(t, event->buffer);
	if (object->type->lost)
		object->type->lost(object, -ENOMEM);
}

/* Takes the turn for the item, or parks it as the last. Returns whether the turn was taken. */
static bool take_or_park(struct ipc_object *object, struct turn_item *item)
{
	struct turn_item **last = &object->turn.parked;
	bool taken;

	ipc_lock(object->ipc);
	taken = turn_take(&object->turn, TURN_PARKED);
	if (!taken) {
		while (*last)
			last = &(*last)->next;
		*last = item;
	}
	ipc_unlock(object->ipc);
	return taken;
}

void turn_run_or_park(struct thread *t, struct ipc_object *object,
		      const struct ipcbus_event *event)
{
	struct turn_item *item;

	if (!turn_take(&object->turn, 0)) {
		item = item_new(event);
		if (!item) {
			lose(t, object, event);
			return;
		}
		if (!take_or_park(object, item)) {
			t->parked = true;
			return;
		}
		free(item);
	}
	turn_run(t, object, event);
}

/* Parks a channel's event as the first, because not all its oneways are served. It continues when
 * the turn ends, or when the call that a handler keeps is released. */
static void park_first(struct thread *t, struct ipc_object *object,
		       const struct ipcbus_event *event)
{
	struct turn_item *item = item_new(event);

	if (!item) {
		lose(t, object, event);
		return;
	}
	ipc_lock(object->ipc);
	item->next = object->turn.parked;
	object->turn.parked = item;
	atomic_fetch_or(&object->turn.state, TURN_PARKED);
	ipc_unlock(object->ipc);
}

/* --- Running ---------------------------------------------------------------------------- */

void turn_run(struct thread *t, struct ipc_object *object, const struct ipcbus_event *event)
{
	struct turn_frame frame = { .outer = t->turn, .object = object, .depth = t->depth };
	bool more = false;

	t->turn = &frame;
	if (channel_has_event(event)) {
		frame.event = event;
		more = channel_serve_oneways(t, event, &frame);
		if (more && !frame.kept)
			park_first(t, object, event);
	} else {
		dispatch_serve(t, event);
	}
	/* Once for each event: not if it is parked, and will run again. */
	if (event->kind != ROUTE_EVENT && !more && !(frame.kept && frame.event))
		atomic_fetch_add(&object->turn.handled, 1);
	t->turn = frame.outer;
	/* In a forked child the turn is the parent's. */
	if (!frame.kept && !t->ipc->foreign)
		turn_leave(object);
}

bool turn_keep(struct thread *t, const struct ipc_call *call)
{
	struct turn_frame *frame = t->turn;

	/* Not for a nested call within a handler of the turn. */
	if (!frame || frame->kept || frame->depth != t->depth || frame->object != call->object ||
	    !call->oneway || call->detached)
		return false;
	if (frame->event)
		park_first(t, frame->object, frame->event);
	frame->kept = true;
	return true;
}
