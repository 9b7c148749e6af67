// SPDX-License-Identifier: MIT
/*
 * Served calls that are watched, and their cancellation: see cancel.h.
 *
 * A served call is *watched* if it has a callback or dependents: calls and streams made for it.
 * Then it is in the table of calls, by the driver's number, from its first dependent or callback
 * until its last reference goes. The driver may report any call at any time; a call that is not in
 * the table is ignored. A call whose last reference has just gone is still in the table for a
 * moment, so it is used only if a reference is left.
 */
#include <errno.h>

#include "base/deadline.h"
#include "base/map.h"
#include "call.h"
#include "stream.h"

/* --- Being watched ---------------------------------------------------------------- */

/*
 * Puts the call into the table, unless it is there, and returns whether it can still be canceled:
 * 0, -ENOMEM, or -ECANCELED, -ECONNRESET and -EINVAL as call_add_dependent(). A report before the
 * call was in the table was ignored, so the driver is asked. A thread with a report that arrives
 * now waits for the lock.
 */
static int call_watch_locked(struct ipc_call *call)
{
	int r;

	if (call->oneway || atomic_load(&call->replied))
		return -EINVAL;
	if (!call->watched) {
		r = call_ask_canceled(call);
		if (r < 0)
			return r == -ESRCH ? -EINVAL : r;
		call->dependents = (struct dependents){ .canceled = r };
		r = map_add(&call->ipc->calls, call->number, call);
		if (r < 0)
			return r;
		TAILQ_INIT(&call->on_cancel);
		call->watched = true;
	}
	if (call->dependents.canceled)
		return atomic_load(&call->ipc->bus_ended) ? -ECONNRESET : -ECANCELED;
	return 0;
}

static int call_add_dependent(struct ipc_call *parent, struct dependent *dependent)
{
	struct ipc *ipc = parent->ipc;
	int r;

	ipc_lock(ipc);
	r = call_watch_locked(parent);
	if (r == 0)
		dependents_add_locked(&parent->dependents, dependent);
	ipc_unlock(ipc);
	return r;
}

int dependence_begin(struct ipc *ipc, const struct ipc_options *options, struct ipc_call *serving,
		     struct dependence *dependence)
{
	struct ipc_cancellation *cancellation = options->cancellation;
	struct ipc_stream *stream = options->parent_stream;
	struct ipc_call *parent = options->parent ?: serving;
	int r = 0;

	if (cancellation)
		r = dependents_add(ipc, &cancellation->dependents, &dependence->of_cancellation);
	if (r == 0 && stream) {
		r = dependents_add(ipc, &stream->children, &dependence->of_parent);
	} else if (r == 0 && parent) {
		r = call_add_dependent(parent, &dependence->of_parent);
		/* A handler may go on calling after its reply, and for a oneway. */
		if (r == -EINVAL && !options->parent)
			r = 0;
	}
	return r;
}

/* --- The end --------------------------------------------------------------------------- */

int ipc_call_on_cancel(struct ipc_call *call, ipc_cancel_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	struct ipc_slot *slot;
	int r;

	r = call && cb ? ipc_check(call->ipc) : -EINVAL;
	if (r == 0)
		r = callback_new(call->ipc, (void (*)(void))cb, userdata, &slot);
	if (r < 0)
		return r;
	ipc_lock(call->ipc);
	r = call_watch_locked(call);
	if (r == 0) {
		slots_append_locked(&call->on_cancel, slot);
		slot_give(slot, ret_slot);
	}
	ipc_unlock(call->ipc);
	if (r < 0)
		slot_abandon(slot, /* given= */ false);
	return r == -ECONNRESET ? -ECANCELED : r;
}

static void call_cancel_cb(struct ipc_slot *slot, const void *call)
{
	ipc_cancel_cb cb = (ipc_cancel_cb)((struct callback *)slot)->cb;

	cb((struct ipc_call *)call, slot->userdata);
}

void call_canceled(struct ipc *ipc, uint64_t number)
{
	struct slots slots = TAILQ_HEAD_INITIALIZER(slots);
	struct ipc_call *call;

	ipc_lock(ipc);
	call = map_get(&ipc->calls, number);
	if (!call || !refs_take_unless_none(&call->refs)) {
		ipc_unlock(ipc);
		return;
	}
	/* As ipc_call_ref(). */
	ipc_ref(ipc);
	dependents_cancel_locked(ipc, &call->dependents);
	slots_take_locked(&call->on_cancel, &slots);
	ipc_unlock(ipc);
	slots_call(ipc, &slots, call_cancel_cb, call);
	slots_close(&slots);
	ipc_call_unref(call);
}

static bool is_late(const struct ipc_call *call, uint64_t now)
{
	return call->deadline && call->deadline <= now && !atomic_load(&call->replied);
}

/* True: *ret_number is that of a call that was not canceled before, and is now. */
static bool cancel_next(struct ipc *ipc, bool late, size_t *place, uint64_t *ret_number)
{
	uint64_t now = time_now();
	struct ipc_call *call;

	ipc_lock(ipc);
	do {
		call = map_next(&ipc->calls, place, ret_number);
	} while (call && (call->dependents.canceled || (late && !is_late(call, now))));
	if (call)
		call->dependents.canceled = true;
	ipc_unlock(ipc);
	return call;
}

/* The callbacks may change the table, so this ends with a round that finds no call. */
void calls_canceled(struct ipc *ipc, bool late)
{
	uint64_t number;
	size_t place;
	bool found;

	do {
		place = 0;
		found = false;
		while (cancel_next(ipc, late, &place, &number)) {
			call_canceled(ipc, number);
			found = true;
		}
	} while (found);
}
