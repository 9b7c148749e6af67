// SPDX-License-Identifier: MIT
/*
 * The end of calls that this process serves, when nobody waits for them any more.
 *
 * A served call is *watched* if it has a callback or children, which are calls made for it.
 * Then it is in the table of calls, by the driver's number, from its first child or callback
 * until its last reference goes. The driver may report any call at any time; one that is not
 * in the table is ignored. A call whose last reference has just gone is still in the table
 * for a moment, so it is used only if a reference is left.
 */
#include <errno.h>

#include "call.h"
#include "cancel.h"

/* --- Callbacks -------------------------------------------------------------------- */

struct cancel_slot {
	struct ipc_slot base;
	struct ipc_call *call;		/* on whose list it is, without a reference; or NULL */
	ipc_cancel_cb cb;
};

static struct cancel_slot *cancel_slot(struct ipc_slot *slot)
{
	return (struct cancel_slot *)slot;
}

static void slot_end(struct ipc_slot *slot)
{
	struct ipc_call *call;

	ipc_lock(slot->ipc);
	call = cancel_slot(slot)->call;
	if (call)
		slots_remove_locked(&call->on_cancel, slot);
	cancel_slot(slot)->call = NULL;
	ipc_unlock(slot->ipc);
	if (call)
		slot_drop(slot);
}

static const struct slot_type cancel_slot_type = {
	.size = sizeof(struct cancel_slot), .end = slot_end,
};

/* --- Being watched ---------------------------------------------------------------- */

/*
 * Puts the call into the table, unless it is there, and returns whether it can still be canceled:
 * 0, -ENOMEM, or -ECANCELED, -ECONNRESET and -EINVAL as call_add_child(). What the driver reported
 * before the call was in the table found nothing, so the driver is asked. The lock keeps a
 * thread with a report that arrives now waiting.
 */
static int call_watch_locked(struct ipc_call *call)
{
	int r;

	if (call->oneway || atomic_load(&call->replied))
		return -EINVAL;
	if (!call->watched) {
		r = device_call_canceled(&call->ipc->device, call->number);
		if (r < 0)
			return r == -ESRCH ? -EINVAL : r;
		call->canceled = r;
		r = map_add(&call->ipc->calls, call->number, call);
		if (r < 0)
			return r;
		call->children = NULL;
		call->on_cancel = NULL;
		call->watched = true;
	}
	if (call->canceled)
		return atomic_load(&call->ipc->bus_ended) ? -ECONNRESET : -ECANCELED;
	return 0;
}

/* The callbacks that it has left, for calls_drop(). */
static struct ipc_slot *call_unwatch_locked(struct ipc_call *call)
{
	struct ipc_slot *slots = call->on_cancel;

	map_remove(&call->ipc->calls, call->number);
	while (call->children)
		call_remove_child_locked(call->children);
	for (struct ipc_slot *slot = slots; slot; slot = slot->next)
		cancel_slot(slot)->call = NULL;
	call->on_cancel = NULL;
	call->watched = false;
	return slots;
}

void call_unwatch(struct ipc_call *call)
{
	struct ipc_slot *slots;

	ipc_lock(call->ipc);
	slots = call_unwatch_locked(call);
	ipc_unlock(call->ipc);
	slots_close(&slots);
}

bool call_unwatch_last(struct ipc_call *call)
{
	struct ipc_slot *slots = NULL;
	bool last;

	ipc_lock(call->ipc);
	last = atomic_load_explicit(&call->refs, memory_order_acquire) == 1;
	if (last)
		slots = call_unwatch_locked(call);
	ipc_unlock(call->ipc);
	slots_close(&slots);
	return last;
}

/* --- Children ----------------------------------------------------------------------- */

void call_link_child_locked(struct call_child **list, struct call_child *child)
{
	child->next = *list;
	child->link = list;
	if (child->next)
		child->next->link = &child->next;
	*list = child;
}

int call_add_child(struct ipc_call *parent, struct call_child *child)
{
	struct ipc *ipc = parent->ipc;
	int r;

	ipc_lock(ipc);
	r = call_watch_locked(parent);
	if (r == 0)
		call_link_child_locked(&parent->children, child);
	ipc_unlock(ipc);
	return r;
}

void call_child_sent(struct ipc_call *parent, uint64_t id)
{
	bool canceled;

	ipc_lock(parent->ipc);
	canceled = parent->canceled;
	ipc_unlock(parent->ipc);
	if (canceled)
		device_cancel(&parent->ipc->device, id);
}

void call_remove_child_locked(struct call_child *child)
{
	if (!child->link)
		return;
	*child->link = child->next;
	if (child->next)
		child->next->link = child->link;
	child->link = NULL;
}

/* --- The end --------------------------------------------------------------------------- */

int ipc_call_on_cancel(struct ipc_call *call, ipc_cancel_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	struct ipc_slot *slot;
	int r;

	if (!call || !cb)
		return -EINVAL;
	if (call->ipc->foreign)
		return -ECHILD;

	r = slot_new(call->ipc, &cancel_slot_type, userdata, &slot);
	if (r < 0)
		return r;
	cancel_slot(slot)->cb = cb;
	ipc_lock(call->ipc);
	r = call_watch_locked(call);
	if (r == 0) {
		cancel_slot(slot)->call = call;
		slots_append_locked(&call->on_cancel, slot);
		slot_give(slot, ret_slot);
	}
	ipc_unlock(call->ipc);
	if (r < 0)
		slot_abandon(slot, /* given= */ false);
	return r == -ECONNRESET ? -ECANCELED : r;
}

void call_canceled(struct ipc *ipc, uint64_t number)
{
	struct slot_frame frame;
	struct ipc_slot *slot;
	struct ipc_call *call;

	ipc_lock(ipc);
	call = map_get(&ipc->calls, number);
	if (!call || !refs_take_unless_none(&call->refs)) {
		ipc_unlock(ipc);
		return;
	}
	/* As ipc_call_ref(). */
	ipc_ref(ipc);
	call->canceled = true;
	/* A child that has ended by itself is not found, which is no error. */
	for (struct call_child *child = call->children; child; child = child->next)
		device_cancel(&ipc->device, child->id);
	while ((slot = call->on_cancel)) {
		bool entered = slot_enter_locked(slot, &frame);

		slots_remove_locked(&call->on_cancel, slot);
		cancel_slot(slot)->call = NULL;
		ipc_unlock(ipc);
		if (entered) {
			cancel_slot(slot)->cb(call, slot->userdata);
			slot_leave(&frame);
		}
		slot_drop(slot);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
	ipc_call_unref(call);
}

/* True: *ret_number is that of a call that was not canceled before, and is now. */
static bool cancel_next(struct ipc *ipc, size_t *place, uint64_t *ret_number)
{
	struct ipc_call *call;

	ipc_lock(ipc);
	do {
		call = map_next(&ipc->calls, place, ret_number);
	} while (call && call->canceled);
	if (call)
		call->canceled = true;
	ipc_unlock(ipc);
	return call;
}

/* The callbacks may change the table, so this ends with a round that finds no call. */
void calls_canceled(struct ipc *ipc)
{
	uint64_t number;
	size_t place;
	bool found;

	do {
		place = 0;
		found = false;
		while (cancel_next(ipc, &place, &number)) {
			call_canceled(ipc, number);
			found = true;
		}
	} while (found);
}
