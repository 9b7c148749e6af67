// SPDX-License-Identifier: MIT
/*
 * Event -> object -> method -> handler. See dispatch.h; called by the serving
 * threads (loop.c) and by a thread that waits for a reply (client.c).
 *
 * The request is a stranger's. What cannot be given to a handler is refused
 * with an error that says why; a oneway is dropped instead:
 *   -EOWNERDEAD   the object ended while the message was on its way
 *   -EOPNOTSUPP   its interface has no method with this number
 *   -EPROTO       called for a reply where the method is oneway, or the
 *                 reverse: the two sides were built from different files
 *   -EBADMSG      not a request of this method
 */
#define _GNU_SOURCE
#include <errno.h>

#include "async.h"
#include "typed/blob.h"
#include "typed/builtin.h"
#include "call.h"
#include "death.h"
#include "dispatch.h"
#include "intercept.h"
#include "loop.h"
#include "monitor.h"
#include "typed/name.h"
#include "object.h"
#include "typed/table.h"

static const struct ipc_method *method_find(const struct ipc_interface *interface,
					    uint32_t code)
{
	size_t low = 0;
	size_t high = interface->n_methods;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (interface->methods[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == interface->n_methods || interface->methods[low].code != code)
		return builtin_find(code);
	return &interface->methods[low];
}

/* Everything that a handler is given. */
static int call_prepare(struct ipc_call *call, const struct device_event *event)
{
	const struct ipc_method *method;
	int r;

	r = claims_take(&call->request, call->ipc, event);
	if (unlikely(r < 0)) {
		/* A caller is told that and no more. */
		if (call->oneway)
			call->object = object_from_cookie(call->ipc, event->cookie);
		return r;
	}

	call->object = object_from_cookie(call->ipc, event->cookie);
	if (unlikely(!call->object))
		return -EOWNERDEAD;

	call->method = method = method_find(call->object->interface, event->code);
	if (unlikely(!method))
		return -EOPNOTSUPP;
	if (unlikely(call->oneway != !!(method->flags & IPC_METHOD_ONEWAY)))
		return -EPROTO;

	r = message_unpack(&call->request, method->request,
			   method->flags & IPC_METHOD_REQUEST_RECURSIVE, call->payload,
			   call->size);
	if (r == 0 && unlikely(method->flags & IPC_METHOD_REQUEST_BLOBS))
		r = blobs_bind(&call->request);
	if (r < 0)
		return r;
	if (method->flags & IPC_METHOD_REQUEST_OBJECTS)
		return claims_bind(&call->request);

	/* No field can take any: not to be held for as long as the call is kept. */
	if (unlikely(call->request.claims))
		claims_release(&call->request);
	return 0;
}

/* Nobody is answered, but the object may want to know. */
static void oneway_lost(struct ipc_object *object, int r)
{
	if (object && object->lost)
		object->lost(object->userdata, r);
}

/* The same codes come from handlers too, so each says what it is about. */
static void call_refuse(struct ipc_call *call, uint32_t code, int r)
{
	if (call->oneway) {
		oneway_lost(call->object, r);
		return;
	}
	/* Found before it was known what is called: such as an object of no known type. */
	if (!call->object) {
		ipc_call_errno(call, r, NULL);
		return;
	}

	switch (r) {
	case -EOPNOTSUPP:
		ipc_call_errno(call, r, "%s has no method with the number 0x%x",
			       call->object->interface->name, code);
		break;
	case -EPROTO:
		ipc_call_errno(call, r, "%s.%s is oneway: it has no reply",
			       call->object->interface->name, call->method->name);
		break;
	case -EBADMSG:
		ipc_call_errno(call, r, "%s.%s: the request is not a valid %s",
			       call->object->interface->name, call->method->name,
			       call->method->request->name);
		break;
	default:
		ipc_call_errno(call, r, NULL);
	}
}

/* Without memory for a call: it is answered all the same. */
static void serve_nothing(struct thread *t, const struct device_event *event)
{
	struct ipc_object *object;

	claims_refuse(t->ipc, event);
	thread_release_next(t, event->buffer);
	if (event->kind == DEVICE_EVENT_CALL) {
		thread_stash(t, DEVICE_SEND_ERROR, ENOMEM, event->call, /* size= */ 0);
		return;
	}
	object = object_from_cookie(t->ipc, event->cookie);
	oneway_lost(object, -ENOMEM);
	ipc_object_unref(object);
}

/* Interceptors may answer themselves; else their refusal is the answer. */
static int call_intercept(struct ipc_call *call)
{
	struct ipc_intercepted step;
	int r;

	call_step(call, &step);
	r = intercept_before(call->ipc, &step);
	call->intercepted = r == 0;
	return r;
}

static int call_serve(struct ipc_call *call, const struct device_event *event)
{
	int r;

	r = call_prepare(call, event);
	if (unlikely(r < 0)) {
		call_refuse(call, event->code, r);
		return r;
	}
	if (unlikely(call->ipc->interceptors)) {
		r = call_intercept(call);
		if (r < 0)
			return r;
	}
	return call->method->invoke(call, call->request.root, call->object->ops,
				    call->object->userdata);
}

static void serve(struct thread *t, const struct device_event *event)
{
	struct ipc_call *outer = t->serving;
	struct ipc_call *call;

	call = call_new(t, event);
	if (unlikely(!call)) {
		serve_nothing(t, event);
		return;
	}

	t->serving = call;
	call_end(t, call, call_serve(call, event), outer);
}

void dispatch(struct thread *t, const struct device_event *event)
{
	if (unlikely(event->spawn))
		pool_grow(t->ipc);

	switch (event->kind) {
	case DEVICE_EVENT_CALL:
	case DEVICE_EVENT_ONEWAY:
		serve(t, event);
		break;
	case DEVICE_EVENT_DEAD:
		death_fire(t->ipc, event->cookie);
		break;
	case DEVICE_EVENT_IDLE:
		object_idle(t->ipc, event->cookie);
		break;
	case DEVICE_EVENT_MANAGER:
		names_replay(t->ipc);
		break;
	case DEVICE_EVENT_REPLY:
	case DEVICE_EVENT_ERROR:
	case DEVICE_EVENT_FAILED:
		async_end(t, event);
		break;
	case DEVICE_EVENT_CANCELED:
		call_canceled(t->ipc, event->call);
		break;
	case DEVICE_EVENT_FROZEN:
	case DEVICE_EVENT_THAWED:
		freeze_fire(t->ipc, event->cookie, event->kind == DEVICE_EVENT_FROZEN,
			    event->code);
		break;
	case DEVICE_EVENT_RECORD:
		monitor_deliver(t, event);
		break;
	case DEVICE_EVENT_NONE:
	case DEVICE_EVENT_INTERRUPTED:
		break;
	}
}
