// SPDX-License-Identifier: MIT
/*
 * Async calls: see async.h. dispatch.c has the events that end them.
 *
 * A struct async is in the connection's table before its call is sent, because the end may
 * arrive before the sending thread returns. The thread that takes it out of the table ends the
 * call, so that happens once.
 *
 * A call that is made in a handler is a child of the call that is served there, and is
 * canceled with it; see dependence_begin(). A call that is made for a stream is a child of
 * the stream. It may be canceled with a cancellation as well. Other calls may go through a direct
 * channel: channel-async.c.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "async.h"
#include "base/deadline.h"
#include "entry.h"
#include "proxy.h"
#include "request.h"
#include "shm/channel.h"
#include "stream.h"

static int async_add_locked(struct ipc *ipc, const struct async *model, struct async **ret_async)
{
	uint64_t id = ipc_next_cookie_locked(ipc);
	struct async *async;
	int r;

	async = malloc(sizeof(*async));
	if (!async)
		return -ENOMEM;
	*async = *model;
	async->id = id;
	async->dependence.of_parent.id = id;
	async->dependence.of_cancellation.id = id;
	r = map_add(&ipc->asyncs, id, async);
	if (r < 0) {
		free(async);
		return r;
	}
	*ret_async = async;
	return 0;
}

/* Takes a call out of the table and off its parent. Returns false if the call has ended already.
 * Enters its slot, unless the program has ended the slot. */
static bool async_take(struct ipc *ipc, uint64_t id, struct async *ret_async)
{
	struct async *async;

	ipc_lock(ipc);
	async = map_remove(&ipc->asyncs, id);
	if (async) {
		dependence_end_locked(&async->dependence);
		if (async->slot && !slot_enter_locked(&async->slot->base, &async->slot->frame))
			async->complete = async->cb = NULL;
	}
	ipc_unlock(ipc);
	if (!async)
		return false;
	*ret_async = *async;
	free(async);
	return true;
}

/* Removes a call that could not be sent. Returns false if the bus ended in the meantime, and the
 * call has completed. */
static bool async_forget(struct ipc *ipc, uint64_t id)
{
	struct async_slot *slot = NULL;
	struct async *async;

	ipc_lock(ipc);
	async = map_remove(&ipc->asyncs, id);
	if (async) {
		slot = async->slot;
		dependence_end_locked(&async->dependence);
	}
	ipc_unlock(ipc);
	if (!async)
		return false;
	ipc_proxy_unref(async->proxy);
	if (slot)
		slot_abandon(&slot->base, /* given= */ true);
	free(async);
	return true;
}

void async_sent(struct ipc *ipc, uint64_t id)
{
	const struct async *async;
	bool canceled;

	ipc_lock(ipc);
	async = map_get(&ipc->asyncs, id);
	canceled = async && ((!async->complete && !async->cb) ||
			     dependence_is_canceled_locked(&async->dependence));
	ipc_unlock(ipc);
	if (canceled)
		device_cancel(&ipc->device, id);
}

/* --- Channels ---------------------------------------------------------------------- */

struct ipc_proxy *async_use_bus(struct ipc *ipc, uint64_t id)
{
	struct ipc_proxy *proxy = NULL;
	struct async *async;

	ipc_lock(ipc);
	async = map_get(&ipc->asyncs, id);
	if (async) {
		proxy = async->proxy;
		async->proxy = NULL;
	}
	ipc_unlock(ipc);
	return proxy;
}

/* Ends a call in a channel, whose slot the program has ended. Not under the lock. */
static void cancel_in_channel(struct async *async)
{
	async->proxy->ipc->route->cancel_async(async->channel, async->cell, async->id);
	ipc_proxy_unref(async->proxy);
	free(async);
}

/* Cancels a posted call whose slot the program ended before the call was posted. */
static void cancel_posted_if_dropped(struct request *request, unsigned int cell, uint64_t id)
{
	struct ipc *ipc = request->t->ipc;
	struct async *async;
	bool waits;

	ipc_lock(ipc);
	async = map_get(&ipc->asyncs, id);
	waits = async && (async->complete || async->cb || !async->proxy);
	if (async && !waits)
		map_remove(&ipc->asyncs, id);
	ipc_unlock(ipc);
	if (async && !waits)
		cancel_in_channel(async);
	else if (!async)
		ipc->route->cancel_async(request->channel, cell, id);
}

/* Returns 1 if the bus must send the call. The end may arrive before the function returns. */
static int send_by_channel(struct request *request, struct async *async)
{
	const struct route *route = request->t->ipc->route;
	bool has_slot = async->slot;
	struct channel_call call;
	uint64_t id = async->id;
	unsigned int cell;
	int r;

	r = route->reserve_async(request->channel, request, async->deadline, &call, &cell);
	if (r)
		return r;
	ipc_lock(request->t->ipc);
	async->proxy = ipc_proxy_ref(request->proxy);
	async->channel = request->channel;
	async->cell = cell;
	atomic_store(&async->ready, true);
	ipc_unlock(request->t->ipc);
	r = route->send_async(request->channel, request->t, cell, &call, id);
	if (r < 0)
		return async_forget(request->t->ipc, id) ? r : 0;
	if (unlikely(has_slot))
		cancel_posted_if_dropped(request, cell, id);
	return 0;
}

static int async_send(struct request *request, struct async *async,
		      const struct ipc_options *options)
{
	static const struct ipc_options none;
	struct ipc_call *serving = request->t->serving;
	struct ipc *ipc = request->t->ipc;
	uint64_t id = async->id;
	bool can_end = async->slot;
	int r;

	if (request->x.send.flags & IPCBUS_SEND_DETACHED)
		serving = NULL;
	async->deadline = request->x.send.deadline;
	if (serving)
		async->deadline = deadline_earlier(async->deadline, serving->deadline);
	if (serving && is_route_call(serving->number))
		request->x.send.deadline = async->deadline;
	if (unlikely(request->channel)) {
		r = send_by_channel(request, async);
		if (r <= 0)
			return r;
	}
	request->x.flags = 0;
	request->x.send.kind = IPCBUS_SEND_CALL;
	request->x.send.flags |= IPCBUS_SEND_ASYNC;
	request->x.send.cookie = id;
	r = dependence_begin(ipc, options ?: &none, serving, &async->dependence);
	can_end |= async->dependence.of_parent.list || async->dependence.of_cancellation.list;
	/* From here on another thread may end the call and free its memory. */
	atomic_store_explicit(&async->ready, true, memory_order_release);
	if (r == 0)
		r = thread_exchange(request->t, &request->x);
	if (r < 0)
		return async_forget(ipc, id) ? r : 0;
	if (unlikely(can_end))
		async_sent(ipc, id);
	return 0;
}

/* Cancels the call of a slot that ends. A call of the bus stays in the table, because the event
 * that ends it brings resources to release. */
static void async_slot_end(struct ipc_slot *base, bool waits)
{
	struct async_slot *slot = (struct async_slot *)base;
	struct ipc *ipc = base->ipc;
	struct async *async;
	bool found, by_channel;

	(void)waits;
	ipc_lock(ipc);
	async = map_get(&ipc->asyncs, slot->id);
	found = async && async->slot == slot;
	if (found) {
		async->slot = NULL;
		async->complete = async->cb = NULL;
	}
	by_channel = found && async->proxy && !ipc->foreign;
	if (by_channel)
		map_remove(&ipc->asyncs, slot->id);
	ipc_unlock(ipc);
	if (!found)
		return;
	if (by_channel)
		cancel_in_channel(async);
	else if (!ipc->foreign)
		device_cancel(&ipc->device, slot->id);
	slot_drop(base);
}

static const struct slot_type async_slot_type = {
	.size = sizeof(struct async_slot),
	.end = async_slot_end,
};

int request_async(struct request *request, const struct async *model,
		  const struct ipc_options *options, struct ipc_slot **ret_slot)
{
	struct ipc *ipc = request->t->ipc;
	struct ipc_slot *before = NULL, *slot = NULL;
	struct async *async;
	int r;

	if (ret_slot) {
		before = *ret_slot;
		r = slot_new(ipc, &async_slot_type, model->userdata, &slot);
		if (r < 0)
			return r;
	}
	ipc_lock(ipc);
	r = async_add_locked(ipc, model, &async);
	if (r == 0 && model->ret_id)
		*model->ret_id = async->id;
	if (r == 0 && slot) {
		async->slot = (struct async_slot *)slot;
		async->slot->id = async->id;
		slot_give(slot, ret_slot);
	}
	ipc_unlock(ipc);
	if (r == 0)
		r = async_send(request, async, options);
	else if (slot)
		slot_abandon(slot, /* given= */ false);
	if (r < 0 && ret_slot)
		*ret_slot = before;
	return r;
}

bool async_calls_back(struct ipc *ipc, uint64_t id, void (*cb)(void))
{
	const struct async *async;
	bool does;

	ipc_lock(ipc);
	async = map_get(&ipc->asyncs, id);
	does = async && async->cb == cb;
	ipc_unlock(ipc);
	return does;
}

static void complete_async(struct thread *t, const struct async *async, struct ipcbus_event *event)
{
	ipc_proxy_unref(async->proxy);
	async->end(t, async, event);
	if (unlikely(async->slot)) {
		if (async->complete || async->cb)
			slot_leave(&async->slot->frame);
		slot_drop(&async->slot->base);
	}
}

void async_end(struct thread *t, const struct ipcbus_event *event)
{
	struct ipcbus_event copy = *event;
	struct async async;

	if (!async_take(t->ipc, event->cookie, &async)) {
		/* The program has canceled a call in a channel. */
		event_refuse(t->ipc, event);
		reply_release(t, event);
		return;
	}
	if (unlikely(async.proxy) && event->kind == IPCBUS_EVENT_FAILED &&
	    event->error == -ETIMEDOUT)
		t->ipc->route->async_is_late(async.channel, event);
	complete_async(t, &async, &copy);
}

/* Returns false if no call is left. Sets *ret_id to the id of a call that no thread is preparing,
 * or to 0 if a thread is preparing each call. */
static bool find_any(struct ipc *ipc, uint64_t *ret_id)
{
	const struct async *async;
	size_t place = 0;
	bool any;

	ipc_lock(ipc);
	any = ipc->asyncs.count;
	do {
		async = map_next(&ipc->asyncs, &place, ret_id);
	} while (async && !atomic_load(&async->ready) && !ipc->foreign);
	if (!async)
		*ret_id = 0;
	ipc_unlock(ipc);
	return any;
}

/* Does nothing, in place of the callback: in a forked child, the call is the parent's. */
static void end_in_child(struct thread *t, const struct async *async, struct ipcbus_event *event)
{
	(void)t, (void)async, (void)event;
}

void asyncs_end(struct ipc *ipc, struct thread *t, int error)
{
	struct async async;
	uint64_t id;

	while (find_any(ipc, &id)) {
		struct ipcbus_event event = { .kind = IPCBUS_EVENT_FAILED, .error = error };

		if (!id) {
			sched_yield();
			continue;
		}
		if (!async_take(ipc, id, &async))
			continue;
		if (ipc->foreign)
			async.end = end_in_child;
		complete_async(t, &async, &event);
	}
}
