// SPDX-License-Identifier: MIT
/*
 * Event -> object -> its type. See dispatch.h.
 *
 * A call that cannot be served gets an error; a oneway is discarded. Here that is -EOWNERDEAD,
 * because the object ended while the message was on its way, and -ENOMEM. The types'
 * serve() refuse for other reasons.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "async.h"
#include "call.h"
#include "dispatch.h"
#include "entry.h"
#include "errors.h"
#include "object.h"
#include "own.h"
#include "proxy.h"

/* Reports a oneway that is discarded before the type of its object serves it. */
static void oneway_lost(struct ipc_object *object, int error)
{
	if (object->type->lost)
		object->type->lost(object, error);
	else
		log_failure(object->ipc, FAILURE_ONEWAY, error, object->interface);
}

/* Refuses a call or oneway for which there is no memory. The caller of a call gets -ENOMEM. */
static void refuse_event(struct thread *t, const struct ipcbus_event *event)
{
	struct ipc_object *object;

	event_refuse(t->ipc, event);
	thread_release_next(t, event->buffer);
	if (event->kind == IPCBUS_EVENT_CALL) {
		thread_stash(t, IPCBUS_SEND_ERROR, ENOMEM, event->call, /* size= */ 0);
		return;
	}
	object = object_from_cookie(t->ipc, event->cookie);
	if (object)
		oneway_lost(object, -ENOMEM);
	ipc_object_unref(object);
}

static int refuse_call(struct ipc_call *call, int error)
{
	if (!call->oneway)
		return error;
	oneway_lost(call->object, error);
	return 0;
}

static inline int serve_by_type(struct ipc_call *call, const struct ipcbus_event *event)
{
	int r;

	/* Before the request is unpacked: many small fields take thirty times their size. */
	if (unlikely(call->object->limited)) {
		r = call_limit(call, event);
		if (r < 0)
			return refuse_call(call, r);
	}
	return call->object->type->serve(call, event);
}

static __attribute__((noinline)) int serve_file(struct ipc_call *call,
						const struct ipcbus_event *event)
{
	struct ipcbus_event mapped = *event;
	int r;

	r = payload_open(call->ipc, &mapped, &call->file);
	if (r < 0)
		return refuse_call(call, r);
	call->payload = call->file.data;
	call->size = call->file.size;
	return serve_by_type(call, &mapped);
}

static int call_serve(struct thread *t, struct ipc_call *call, const struct ipcbus_event *event)
{
	call->object = object_served(t, event->cookie);
	if (unlikely(call->code == IPC_NUMBER_CHANNEL && call->object && !call->oneway))
		return call->ipc->route->serve(call, event);
	if (likely(call->object))
		return payload_is_file(call->ipc, event) ? serve_file(call, event) :
							   serve_by_type(call, event);
	event_refuse(call->ipc, event);
	return call->oneway ? 0 : -EOWNERDEAD;
}

void dispatch_serve(struct thread *t, const struct ipcbus_event *event)
{
	struct ipc_call *outer = t->serving;
	struct ipc_call *call;

	call = call_new(t, event);
	if (unlikely(!call)) {
		refuse_event(t, event);
		return;
	}

	t->serving = call;
	call_end(t, call, call_serve(t, call, event), outer);
}

/* Serves a oneway of the bus, in turn with the oneways that its object may have in channels. */
static __attribute__((noinline)) void serve_oneway(struct thread *t,
						   const struct ipcbus_event *event)
{
	struct ipc_object *object = object_from_cookie(t->ipc, event->cookie);

	if (object && t->ipc->route->take_message(t, object, event))
		; /* It was a reply, or told that a reply has come. */
	else if (object && atomic_load(&object->turn.shared))
		t->ipc->route->run_or_park(t, object, event);
	else
		dispatch_serve(t, event);
	ipc_object_unref(object);
}

bool dispatch_is_for_stream(struct ipc *ipc, uint64_t cookie)
{
	struct ipc_object *object = object_from_cookie(ipc, cookie);
	bool is = object_is_passive(object);

	ipc_object_unref(object);
	return is;
}

bool dispatch_waiting(struct thread *t, const struct ipcbus_event *event)
{
	switch (event->kind) {
	case IPCBUS_EVENT_CALL:
	case IPCBUS_EVENT_ONEWAY:
		if (!dispatch_is_for_stream(t->ipc, event->cookie))
			return false;
		dispatch_serve(t, event);
		return true;
	case IPCBUS_EVENT_IDLE:
		if (!dispatch_is_for_stream(t->ipc, event->cookie))
			return false;
		object_idle(t->ipc, event->cookie);
		return true;
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		if (!t->ipc->route->has_asked(t->ipc, event->cookie))
			return false;
		async_end(t, event);
		return true;
	case IPCBUS_EVENT_NONE:
	case IPCBUS_EVENT_INTERRUPTED:
		return true;
	default:
		return false;
	}
}

/* Watches must come first: watches of streams break the streams off with this error, before calls
 * that end would cancel streams that were opened for them. */
void dispatch_bus_end(struct thread *t)
{
	struct ipc *ipc = t->ipc;

	/* From here on ioctls fail without a wait. */
	device_has_ended(&ipc->device);
	atomic_store(&ipc->bus_ended, true);
	thread_enter(t);
	watches_died(ipc);
	asyncs_end(ipc, t, -ECONNRESET);
	calls_canceled(ipc, /* late= */ false);
	writable_notify(ipc);
	ipc->names_ops->bus_ended(ipc);
	thread_leave_handler(t);
	while (backlog_run(t))
		;
}

void dispatch(struct thread *t, const struct ipcbus_event *event)
{
	if (unlikely(event->kind <= IPCBUS_EVENT_INTERRUPTED))
		return;

	thread_enter(t);
	switch (event->kind) {
	case IPCBUS_EVENT_ONEWAY:
		if (unlikely(atomic_load_explicit(&t->ipc->channels, memory_order_relaxed))) {
			serve_oneway(t, event);
			break;
		}
		/* fall through */
	case IPCBUS_EVENT_CALL:
		dispatch_serve(t, event);
		break;
	case ROUTE_EVENT:
		t->ipc->route->run(t, route_event_object(event), event);
		ipc_object_unref(route_event_object(event));
		break;
	case IPCBUS_EVENT_DEAD:
		watch_died(t->ipc, event->cookie);
		break;
	case IPCBUS_EVENT_IDLE:
		object_idle(t->ipc, event->cookie);
		break;
	case IPCBUS_EVENT_MANAGER:
		t->ipc->names_ops->manager_came(t->ipc);
		break;
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		async_end(t, event);
		break;
	case IPCBUS_EVENT_CANCELED:
		call_canceled(t->ipc, event->call);
		if (unlikely(atomic_load(&t->ipc->channels)))
			call_canceled(t->ipc, t->ipc->route->join_canceled(t->ipc, event->call));
		break;
	case IPCBUS_EVENT_RECORD:
		monitor_deliver(t, event);
		break;
	default:
		break;
	}
	thread_leave_handler(t);
}

/*
 * Whether the buffer of an async call's reply may stay until the thread's next exchange, like the
 * buffer of a blocking call's reply. It must not stay if the reply contained objects, whose owners
 * may wait for their release, or if the thread has other buffers or a stash.
 */
static bool may_keep(const struct thread *t, const struct ipcbus_event *event)
{
	bool is_end = event->kind == IPCBUS_EVENT_REPLY || event->kind == IPCBUS_EVENT_ERROR;

	return is_end && !event->object_count && t->stash.kind == IPCBUS_SEND_NONE &&
	       t->n_release == 1 && t->release[0] == event->buffer;
}

int dispatch_next(struct thread *t)
{
	struct ipcbus_exchange x;
	int r;

	do {
		r = thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK, &x);
		if (r < 0)
			return r;
	} while (x.event.kind == IPCBUS_EVENT_INTERRUPTED);
	if (x.event.kind == IPCBUS_EVENT_NONE)
		return 0;

	dispatch(t, &x.event);
	if (may_keep(t, &x.event))
		return 1;
	r = thread_flush(t);
	return r < 0 ? r : 1;
}

static void run_event(struct thread *t, struct backlog_work *work)
{
	struct ipcbus_event event = ((struct dispatch_event *)work)->event;

	free(work);
	dispatch(t, &event);
}

/* The sender learns of it when the device is closed. */
static void drop_event(struct ipc *ipc, struct backlog_work *work)
{
	const struct ipcbus_event *event = &((struct dispatch_event *)work)->event;

	if (event->kind == ROUTE_EVENT)
		ipc_object_unref(route_event_object(event));
	ipc->route->drop(ipc, event);
	free(work);
}

void dispatch_later(struct ipc *ipc, struct dispatch_event *memory,
		    const struct ipcbus_event *event)
{
	*memory = (struct dispatch_event){
		.base = { .run = run_event, .drop = drop_event },
		.event = *event,
	};
	backlog_add(ipc, &memory->base, /* wake= */ true);
}
