// SPDX-License-Identifier: MIT
/*
 * The server's side of direct channels: oneways. See channel-served.h for the rules, and turn.h for
 * their order with oneways of the bus.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "channel-served.h"
#include "base/deadline.h"
#include "core/entry.h"
#include "core/dispatch.h"

/* Maximum of oneways of a turn. If other messages wait, the turn ends after TURN_NS. */
#define TURN_MAX 16U
#define TURN_NS	 50000U

/* See is_stale(). */
#define DYING_NS ((uint64_t)10000000000)
/* See is_abandoned(). */
#define RETRIES_MAX 10U

static struct served *served_of_event(const struct ipcbus_event *event)
{
	return (struct served *)(uintptr_t)event->label;
}

void channel_event(struct served *served, struct ipcbus_event *event)
{
	refs_take(&served->refs);
	*event = (struct ipcbus_event){
		.kind = ROUTE_EVENT,
		.cookie = served->cookie,
		.label = (uintptr_t)served,
	};
}

void channel_event_drop(struct ipc *ipc, const struct ipcbus_event *event)
{
	if (event->kind == ROUTE_EVENT)
		served_unref(served_of_event(event));
	else if (ipc && !ipc->foreign)
		event_refuse(ipc, event);
}

void channels_look_again(struct ipc *ipc)
{
	struct channels *channels = atomic_load(&ipc->channels);

	atomic_fetch_add(channels->words.bell, 1);
	channel_wake_private(channels->words.bell, 1);
	backlog_ring(ipc);
}

/* --- Serving ---------------------------------------------------------------------------- */

/* Whether the object has ended: then channels discard its oneways, as the bus does. */
static bool object_ended(struct ipc *ipc, struct served *served)
{
	uint64_t ends = atomic_load(&ipc->forced_ends);

	if (likely(ends == served->forced_ends))
		return false;
	if (object_has_ended(ipc, served->cookie))
		return true;
	served->forced_ends = ends;
	return false;
}

/* Returns whether the turn is over: its time has passed, and other messages wait. Reads the clock
 * only if there may be any. parked: a oneway of the bus waits. */
static bool is_over(const struct thread *t, const struct served *served, bool parked, uint64_t end)
{
	return (parked || channels_others_may_wait(t, served)) && time_now() >= end &&
	       (parked || channels_others_wait(t, served));
}

/* Serves oneways of a turn, and none at or after the position until, unless it is NULL. Returns
 * whether others may remain that need another turn. */
static bool serve_some(struct thread *t, struct served *served, const uint32_t *until,
		       const struct turn_frame *frame)
{
	uint32_t epoch = atomic_load_explicit(&served->epoch, memory_order_relaxed);
	const struct turn *turn = &frame->object->turn;
	bool ends = channels_others_may_wait(t, served) || atomic_load(&turn->handled);
	uint64_t end = ends ? time_now() + TURN_NS : 0;
	struct ipcbus_event event;

	/* The number is for ipc_call_pidfd(). */
	served_event(t, served, IPCBUS_EVENT_ONEWAY, CALL_OF(served->id, CHANNEL_ONEWAYS, 0),
		     &event);
	for (unsigned int n = 0; !frame->kept && !unlikely(t->ipc->foreign); n++) {
		/* A parked oneway comes after those before the position. */
		bool parked = !until && atomic_load(&turn->state) & TURN_PARKED;
		uint32_t left = until ? *until - atomic_load(&served->callee.drained) : 1;
		struct channel_taken taken;
		void *buffer;
		int r;

		if (!left || left > CHANNEL_RING_SIZE)
			return false;
		if (n == TURN_MAX || (n && is_over(t, served, parked, end)))
			return true;
		buffer = channel_buffer_get(t, CHANNEL_DATA_MAX);
		/* Without memory the oneways stay in the channel. */
		if (unlikely(!buffer))
			return false;
		r = channel_take_oneway(&served->callee, epoch, buffer, &taken);
		if (r <= 0 || object_ended(t->ipc, served)) {
			channel_buffer_put(t, buffer, CHANNEL_DATA_MAX);
			if (r)
				served_drop_oneways(served);
			return false;
		}
		served_event_take(t, &taken, buffer, &event);
		dispatch_serve(t, &event);
	}
	return false;
}

/* Serves what the client has sent before the end, except oneways that must wait for a fence.
 * Returns as serve_some(). */
static bool serve_more_oneways(struct thread *t, struct served *served,
			       const struct turn_frame *frame)
{
	bool more = serve_some(t, served, /* until= */ NULL, frame);

	if (!frame->kept && !unlikely(t->ipc->foreign) && atomic_load(&served->dying) &&
	    channel_sent(&served->callee) == atomic_load(&served->callee.drained))
		served_remove(served);
	return more;
}

/* Returns the sender's channel that a fence or drain names, with a reference, or NULL. */
static struct served *served_by_switch(struct thread *t, const struct ipcbus_event *event,
				       uint32_t *ret_number)
{
	struct served *served;
	struct channel_ref ref;

	if (event->object_count || event->data_size != sizeof(ref))
		return NULL;
	memcpy(&ref, device_at(&t->ipc->device, event->offset), sizeof(ref));
	if (ref.id >= 1U << ID_BITS)
		return NULL;
	served = served_find(t->ipc->channels, (uint32_t)ref.id);
	if (served && (served->uid != event->uid || served->pid != (pid_t)event->pid ||
		       served->cookie != event->cookie)) {
		served_unref(served);
		return NULL;
	}
	*ret_number = ref.number;
	return served;
}

/* Handles a fence or a drain. Returns as channel_serve_oneways(). */
static bool serve_switch(struct thread *t, const struct ipcbus_event *event,
			 const struct turn_frame *frame)
{
	uint32_t number;
	struct served *served = served_by_switch(t, event, &number);
	bool more = false;

	if (served && event->code == CHANNEL_DRAIN) {
		channel_drain_until(&served->callee, number);
		more = serve_some(t, served, &number, frame);
	} else if (served) {
		atomic_store(&served->epoch, number);
		if (atomic_load(&served->ended))
			more = serve_more_oneways(t, served, frame);
		else
			turn_skip(frame->object);
	}
	if (served)
		served_unref(served);
	if (frame->kept || more)
		return more;
	event_refuse(t->ipc, event);
	thread_release_next(t, event->buffer);
	return false;
}

bool channel_serve_oneways(struct thread *t, const struct ipcbus_event *event,
			   const struct turn_frame *frame)
{
	struct served *served;
	bool more = false;

	if (event->kind != ROUTE_EVENT)
		return serve_switch(t, event, frame);
	served = served_of_event(event);
	if (unlikely(atomic_load(&served->ended))) {
		more = serve_more_oneways(t, served, frame);
	} else {
		serve_some(t, served, /* until= */ NULL, frame);
		/* A handler that serves may not look at the channel again soon. */
		if (unlikely(t->depth > 1) && !frame->kept)
			turn_skip(frame->object);
	}
	if (!frame->kept && !more)
		served_unref(served);
	return more;
}

/* --- The end ---------------------------------------------------------------------------- */

void served_drop_oneways(struct served *served)
{
	channel_drop_oneways(&served->callee);
	served_end(served);
}

/*
 * Returns whether the oneways of a dead client must be dropped although its next oneway may be
 * served. If no thread is about to serve that oneway, starts to serve the rest again, at most
 * RETRIES_MAX times: there was no memory for it, or a child of the client writes the ring.
 */
static bool is_abandoned(struct served *served, struct ipc_object *object)
{
	/* The event of the channel may be parked. */
	if (atomic_load(&object->turn.state))
		return false;
	if (atomic_fetch_add(&served->retries, 1) >= RETRIES_MAX)
		return true;
	served_finish(served);
	return false;
}

/*
 * Whether no fence of the client comes any more. The bus keeps the oneways to an object in order.
 * Either it has none now, or as many were handled since the death of the client as the bus then had
 * messages. These include calls of other clients, so after DYING_NS it suffices that no oneway
 * waits for another oneway: the last fence was delivered long ago.
 */
static bool is_stale(struct served *served, struct ipc_object *object)
{
	struct ipc_object_info info = { .size = sizeof(info) };
	int r;

	if (atomic_load(&served->queued))
		return false;
	if (channel_has_oneway(&served->callee, atomic_load(&served->epoch)))
		return is_abandoned(served, object);
	r = ipc_object_info(object, &info);
	if (r < 0)
		return r == -ENOENT;
	return (!info.pending && !atomic_load(&object->turn.state)) ||
	       (int32_t)(atomic_load(&object->turn.handled) - served->last_fence) > 0 ||
	       (!info.oneways && time_now() - served->died_at > DYING_NS);
}

uint32_t served_last_fence(struct served *served)
{
	struct ipc_object *object = object_from_cookie(served->channels->ipc, served->cookie);
	struct ipc_object_info info = { .size = sizeof(info) };
	uint32_t last = 0;

	if (object && ipc_object_info(object, &info) == 0)
		last = atomic_load(&object->turn.handled) + info.pending;
	ipc_object_unref(object);
	return last;
}

void served_remove_stale(struct served *served)
{
	struct ipc_object *object = object_from_cookie(served->channels->ipc, served->cookie);

	if (!object || is_stale(served, object))
		served_remove(served);
	ipc_object_unref(object);
}

static struct served *served_of_work(struct backlog_work *work)
{
	return (struct served *)((char *)work - offsetof(struct served, work));
}

static void run_oneways(struct thread *t, struct backlog_work *work)
{
	struct served *served = served_of_work(work);
	struct ipc_object *object = object_from_cookie(t->ipc, served->cookie);
	struct ipcbus_event event;

	atomic_store(&served->queued, false);
	if (object) {
		thread_enter(t);
		channel_event(served, &event);
		turn_run_or_park(t, object, &event);
		thread_leave_handler(t);
	}
	if (!unlikely(t->ipc->foreign) && atomic_load(&served->dying))
		served_remove_stale(served);
	ipc_object_unref(object);
	served_unref(served);
}

static void drop_oneways(struct ipc *ipc, struct backlog_work *work)
{
	(void)ipc;
	served_unref(served_of_work(work));
}

void served_finish(struct served *served)
{
	if (channel_sent(&served->callee) == atomic_load(&served->callee.drained)) {
		if (atomic_load(&served->dying))
			served_remove(served);
		return;
	}
	if (atomic_exchange(&served->queued, true))
		return;
	refs_take(&served->refs);
	served->work = (struct backlog_work){ .run = run_oneways, .drop = drop_oneways };
	backlog_add(served->channels->ipc, &served->work, /* wake= */ true);
}
