// SPDX-License-Identifier: MIT
/*
 * Calls to the service manager, in both forms: see name.h.
 *
 *   start -> send -> request -> take -> settle -> report
 *             ^                  |
 *             +---- again -------+----> parked, until there is a manager
 *
 * A blocking call takes these steps on the thread that called, and an async call takes the steps
 * from take on in the completions of its requests, on serving threads. The call holds its slot's
 * first reference until it is reported. While a request is in flight, its completion always runs:
 * the end of the slot only cancels the request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/call.h"
#include "base/deadline.h"
#include "core/request.h"
#include "core/stream.h"
#include "conn/thread.h"
#include "name.h"

/* How long a wait for a manager may overlook that the objects of its options were canceled. */
#define LOOK_USEC	500000

const struct ipc_options name_blocks = { .flags = IPC_RAW_BLOCK };
const struct ipc_options name_detached = { .flags = IPC_DETACHED };

static const struct name_call_type *type_of(const struct name_call *call)
{
	return (const struct name_call_type *)call->slot.type;
}

static struct ipc *ipc_of(const struct name_call *call)
{
	return call->slot.ipc;
}

void name_store_result(int result, void *userdata)
{
	*(int *)userdata = result;
}

/* --- Making ----------------------------------------------------------------------------- */

/* An async call depends only on objects that the options name. A blocking call in a handler depends
 * on the served call, unless that has ended: the handler cleans up then. */
static bool is_detached(const struct name_call *call)
{
	struct thread *t;

	if (call->options.parent || call->options.parent_stream)
		return false;
	if (!call->blocks)
		return true;
	return thread_get(ipc_of(call), &t) == 0 && t->serving &&
	       ipc_call_is_canceled(t->serving);
}

int name_call_new(struct names *names, const struct name_call_type *type,
		  const struct ipc_options *options, void (*cb)(void), void *userdata,
		  struct name_call **ret_call)
{
	static const struct ipc_options none;
	struct name_call *call;
	struct ipc_slot *slot;
	int r;

	if (!options)
		options = &none;
	if (!cb || options->metadata || options->flags & ~(IPC_DETACHED | IPC_RAW_BLOCK))
		return -EINVAL;
	r = slot_new(names->ipc, &type->slot, userdata, &slot);
	if (r < 0)
		return r;
	call = (struct name_call *)slot;
	call->names = names;
	call->cb = cb;
	call->result = NAME_AGAIN;
	call->blocks = options->flags & IPC_RAW_BLOCK;
	call->options = *options;
	call->options.flags &= ~IPC_RAW_BLOCK;
	ipc_cancellation_ref(call->options.cancellation);
	ipc_call_ref(call->options.parent);
	ipc_stream_ref(call->options.parent_stream);
	if (is_detached(call))
		call->options.flags = IPC_DETACHED;
	*ret_call = call;
	return 0;
}

int name_call_new_for(struct ipc *ipc, const char *name, const struct name_call_type *type,
		      const struct ipc_options *options, void (*cb)(void), void *userdata,
		      struct name_call **ret_call)
{
	struct names *names;
	int r;

	r = names_get_for(ipc, name, &names);
	if (r == 0)
		r = name_call_new(names, type, options, cb, userdata, ret_call);
	if (r == 0)
		strcpy((*ret_call)->text, name);
	return r;
}

void name_call_free(struct ipc_slot *slot)
{
	struct name_call *call = (struct name_call *)slot;

	if (type_of(call)->done)
		type_of(call)->done(call);
	ipc_cancellation_unref(call->options.cancellation);
	ipc_call_unref(call->options.parent);
	ipc_stream_unref(call->options.parent_stream);
	free(call);
}

/* --- Steps ------------------------------------------------------------------------------ */

static void name_call_finish(struct name_call *call, int r)
{
	struct slot_frame frame;

	if (type_of(call)->settle)
		r = type_of(call)->settle(call, r);
	if (slot_enter(&call->slot, &frame)) {
		type_of(call)->report(call, r);
		slot_leave(&frame);
	}
	slot_drop(&call->slot);
}

/* The end of a request. */
static int name_call_take(struct name_call *call, int r, ProtobufCMessage *reply,
			  const struct ipc_error *error)
{
	/* The manager died in the meantime: the same as without a manager. */
	if (r == -EOWNERDEAD)
		r = -ENOTCONN;
	return type_of(call)->take ? type_of(call)->take(call, r, reply, error) : r;
}

/* Sends requests until one is in flight or the call has ended. */
static int name_call_proceed(struct name_call *call)
{
	bool ended;
	int r;

	do {
		ipc_lock(ipc_of(call));
		ended = call->slot.ended;
		call->managers = call->names->managers;
		ipc_unlock(ipc_of(call));
		r = ended ? -ECANCELED : type_of(call)->send(call);
	} while (r == NAME_AGAIN);
	return r;
}

static void advance(struct name_call *call, int r)
{
	if (r == NAME_AGAIN)
		r = name_call_proceed(call);
	if (r != NAME_PENDING)
		name_call_finish(call, r);
}

static void complete(int r, ProtobufCMessage *reply, const struct ipc_error *error, ipc_rpc_cb cb,
		     void *userdata)
{
	struct name_call *call = userdata;

	(void)cb;
	advance(call, name_call_take(call, r, reply, error));
}

static void cancel_request(struct name_call *call)
{
	uint64_t id;

	ipc_lock(ipc_of(call));
	id = call->id;
	ipc_unlock(ipc_of(call));
	/* If it has ended, the driver does not know the id any more. */
	device_cancel(&ipc_of(call)->device, id);
}

static const struct ipc_method *method_named(const char *name)
{
	const struct ipc_interface *interface = &service_manager_interface;
	size_t i = 0;

	while (strcmp(interface->methods[i].name, name))
		i++;
	return &interface->methods[i];
}

static int request_now(struct name_call *call, const struct ipc_method *method,
		       const ProtobufCMessage *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ProtobufCMessage *reply = NULL;
	int r;

	/* A call with options can be interrupted. */
	r = ipc_rpc_call_with(&call->names->manager, method, &call->options, request, &reply,
			      &error);
	r = name_call_take(call, r, reply, &error);
	ipc_rpc_free(reply);
	return r;
}

int name_call_request(struct name_call *call, const char *name, const ProtobufCMessage *request)
{
	const struct ipc_method *method = method_named(name);
	struct ipc_error none = IPC_ERROR_INIT;
	bool ended;
	int r;

	if (call->blocks)
		return request_now(call, method, request);
	/* Another thread may complete it before this function returns. */
	slot_hold(&call->slot);
	r = rpc_call_async(&call->names->manager, method, &call->options, request, complete, call,
			   &call->id);
	if (r == 0) {
		ipc_lock(ipc_of(call));
		ended = call->slot.ended;
		ipc_unlock(ipc_of(call));
		if (ended && !type_of(call)->goes_on)
			cancel_request(call);
		r = NAME_PENDING;
	} else {
		r = name_call_take(call, r, /* reply= */ NULL, &none);
	}
	slot_put(&call->slot);
	return r;
}

/* --- Starting and ending ------------------------------------------------------------------ */

static void run_work(struct thread *t, struct backlog_work *work)
{
	struct name_call *call = (void *)((char *)work - offsetof(struct name_call, work));

	thread_enter(t);
	advance(call, call->result);
	thread_leave_handler(t);
}

static void drop_work(struct ipc *ipc, struct backlog_work *work)
{
	(void)ipc;
	name_call_finish((void *)((char *)work - offsetof(struct name_call, work)), -ECANCELED);
}

/* Leaves the call to a serving thread. */
static void defer(struct name_call *call)
{
	call->work = (struct backlog_work){ .run = run_work, .drop = drop_work };
	backlog_add(ipc_of(call), &call->work, /* wake= */ true);
}

int name_call_start(struct name_call *call, struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL;
	int r;

	/* Before another thread can end it. */
	slot_give(&call->slot, ret_slot);
	r = name_call_proceed(call);
	if (r == NAME_PENDING)
		return 0;
	if (call->blocks) {
		name_call_finish(call, r);
		return 0;
	}
	if (r >= 0) {
		call->result = r;
		defer(call);
		return 0;
	}
	if (ret_slot)
		*ret_slot = before;
	slot_abandon(&call->slot, /* given= */ ret_slot);
	return r;
}

/* If the timer is expiring on another thread, that thread drops its reference. */
static void stop_timer(struct name_call *call)
{
	if (timer_forget(ipc_of(call), &call->timer))
		slot_put(&call->slot);
}

void name_call_unpark(struct name_call *call, int r)
{
	stop_timer(call);
	advance(call, r);
}

void name_call_end(struct ipc_slot *slot, bool waits)
{
	struct name_call *call = (struct name_call *)slot;

	(void)waits;
	/* In a forked child, timers and requests are the parent's. */
	if (slot->ipc->foreign)
		return;
	if (slots_remove(slot))
		name_call_unpark(call, -ECANCELED);
	else if (!type_of(call)->goes_on)
		cancel_request(call);
}

/* --- Waiting for a manager ------------------------------------------------------------------ */

/* Whether another object can cancel the call. */
static bool has_owner(const struct name_call *call)
{
	const struct ipc_options *options = &call->options;

	return options->cancellation || options->parent || options->parent_stream;
}

/* Returns NAME_AGAIN when there is a manager, or after LOOK_USEC. */
static int wait_for_manager(struct name_call *call)
{
	uint64_t usec = call->deadline ? time_until(call->deadline) : IPC_NEVER;
	int r;

	if (has_owner(call) && usec > LOOK_USEC)
		usec = LOOK_USEC;
	r = device_wait_manager(ipc_of(call)->path, usec);
	if (r == -EINTR)
		r = request_interrupted(ipc_of(call));
	return r < 0 ? r : NAME_AGAIN;
}

/* A serving thread sends the request again, which notices a cancellation. */
static void name_call_expired(struct timer *timer)
{
	struct name_call *call = (void *)((char *)timer - offsetof(struct name_call, timer));
	bool parked;

	ipc_lock(ipc_of(call));
	parked = slots_remove_locked(&call->slot);
	call->late = !parked;
	ipc_unlock(ipc_of(call));
	if (parked)
		defer(call);
	slot_put(&call->slot);
}

static int start_timer(struct name_call *call)
{
	uint64_t until = call->deadline;
	int r;

	call->late = false;
	if (has_owner(call))
		until = deadline_earlier(until, deadline_after(LOOK_USEC));
	if (!until)
		return 0;
	call->timer.expired = name_call_expired;
	slot_hold(&call->slot);
	r = timer_set(ipc_of(call), &call->timer, until);
	if (r <= 0)
		slot_put(&call->slot);
	return r < 0 ? r : 0;
}

int name_call_park(struct name_call *call)
{
	struct names *names = call->names;
	int r;

	if (call->deadline && !time_until(call->deadline))
		return -ENOTCONN;
	if (call->blocks)
		return wait_for_manager(call);
	r = names_watch_manager(names);
	if (r == 0)
		r = start_timer(call);
	if (r < 0)
		return r;
	ipc_lock(ipc_of(call));
	if (call->slot.ended || call->late || call->managers != names->managers) {
		r = NAME_AGAIN;
	} else {
		slots_append_locked(&names->parked, &call->slot);
		r = NAME_PENDING;
	}
	ipc_unlock(ipc_of(call));
	if (r == NAME_AGAIN)
		stop_timer(call);
	return r;
}
