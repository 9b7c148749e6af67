// SPDX-License-Identifier: MIT
/*
 * The end of calls before their reply, on both sides: ipc_cancel() of our own,
 * and what happens here when nobody waits any more for one that we serve.
 *
 * A served call that wants to hear of it is *watched*: in the table of calls by
 * the driver's number. It gets there with its first child or callback and leaves
 * with its last reference. The driver may report any call, at any time, also of
 * one that is not there any more: then there is nothing to do. A watched call
 * whose last reference has just gone is still in the table for a moment; it is
 * taken only with a reference left.
 */
#include <errno.h>

#include "call.h"
#include "cancel.h"

uint64_t ipc_new_id(struct ipc *ipc)
{
	uint64_t id;

	if (!ipc)
		return 0;

	ipc_lock(ipc);
	id = ipc_next_cookie_locked(ipc);
	ipc_unlock(ipc);
	return id;
}

int ipc_cancel(struct ipc *ipc, uint64_t id)
{
	if (!ipc || !id)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	return device_cancel(&ipc->device, id);
}

/* --- Being watched ---------------------------------------------------------------- */

/* 1: it was not, so what the driver reported before was not heard. */
static int call_watch_locked(struct ipc_call *call)
{
	int r;

	if (call->watched)
		return call->canceled ? -ECANCELED : 0;
	r = map_add(&call->ipc->calls, call->number, call);
	if (r < 0)
		return r;

	call->children = NULL;
	call->cancel_cb = NULL;
	call->canceled = false;
	call->watched = true;
	return 1;
}

static void call_unwatch_locked(struct ipc_call *call)
{
	map_remove(&call->ipc->calls, call->number);
	while (call->children)
		call_remove_child_locked(call->children);
	call->watched = false;
}

void call_unwatch(struct ipc_call *call)
{
	ipc_lock(call->ipc);
	call_unwatch_locked(call);
	ipc_unlock(call->ipc);
}

bool call_unwatch_last(struct ipc_call *call)
{
	bool last;

	ipc_lock(call->ipc);
	last = atomic_load_explicit(&call->refs, memory_order_acquire) == 1;
	if (last)
		call_unwatch_locked(call);
	ipc_unlock(call->ipc);
	return last;
}

/* Asked once the call is watched, so that no end falls between. */
static int check_end(struct ipc_call *call)
{
	int r = ipc_call_canceled(call);

	return r > 0 ? -ECANCELED : r;
}

/* --- Children ----------------------------------------------------------------------- */

int call_add_child(struct ipc_call *parent, struct call_child *child)
{
	struct ipc *ipc = parent->ipc;
	int r;

	ipc_lock(ipc);
	r = call_watch_locked(parent);
	if (r >= 0) {
		child->next = parent->children;
		child->link = &parent->children;
		if (child->next)
			child->next->link = &child->next;
		parent->children = child;
	}
	ipc_unlock(ipc);
	if (r <= 0)
		return r;

	r = check_end(parent);
	if (r < 0)
		call_remove_child(parent, child);
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

void call_remove_child(struct ipc_call *parent, struct call_child *child)
{
	ipc_lock(parent->ipc);
	call_remove_child_locked(child);
	ipc_unlock(parent->ipc);
}

/* --- The end --------------------------------------------------------------------------- */

static ipc_cancel_cb call_take_cb(struct ipc_call *call, void **ret_userdata)
{
	ipc_cancel_cb cb;

	ipc_lock(call->ipc);
	cb = call->cancel_cb;
	call->cancel_cb = NULL;
	*ret_userdata = call->cancel_userdata;
	ipc_unlock(call->ipc);
	return cb;
}

int ipc_call_on_cancel(struct ipc_call *call, ipc_cancel_cb cb, void *userdata)
{
	int r;

	if (!call || call->oneway || atomic_load(&call->replied))
		return -EINVAL;
	if (call->ipc->foreign)
		return -ECHILD;

	ipc_lock(call->ipc);
	r = call_watch_locked(call);
	if (r >= 0) {
		call->cancel_cb = cb;
		call->cancel_userdata = userdata;
	}
	ipc_unlock(call->ipc);
	if (r <= 0)
		return r;

	r = check_end(call);
	/* If the callback is not there any more it is being called right now. */
	return r < 0 && cb && !call_take_cb(call, &userdata) ? 0 : r;
}

/* Takes a reference as ipc_call_ref(), unless the last one is gone. */
static bool call_ref_unless_gone(struct ipc_call *call)
{
	unsigned int n = atomic_load_explicit(&call->refs, memory_order_relaxed);

	while (n)
		if (atomic_compare_exchange_weak_explicit(&call->refs, &n, n + 1,
							  memory_order_relaxed,
							  memory_order_relaxed)) {
			ipc_ref(call->ipc);
			return true;
		}
	return false;
}

/* Those that ended meanwhile are not there any more: no error. */
static void cancel_children_locked(struct ipc_call *call)
{
	for (struct call_child *child = call->children; child; child = child->next)
		device_cancel(&call->ipc->device, child->id);
}

void call_canceled(struct ipc *ipc, uint64_t number)
{
	struct ipc_call *call;
	void *userdata;
	ipc_cancel_cb cb;

	ipc_lock(ipc);
	call = map_get(&ipc->calls, number);
	if (call && !call_ref_unless_gone(call))
		call = NULL;
	if (call) {
		call->canceled = true;
		cancel_children_locked(call);
	}
	ipc_unlock(ipc);
	if (!call)
		return;

	cb = call_take_cb(call, &userdata);
	if (cb)
		cb(call, userdata);
	ipc_call_unref(call);
}
