// SPDX-License-Identifier: MIT
/*
 * A stub's way out: pack, send, wait, unpack. What generated code calls for
 * methods of others (rpc.h), but for calls that nobody waits for (async.c).
 *
 * While a thread waits for its reply, calls of the same chain may come back to
 * it; they are served right here, on top of the one that waits.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "call.h"
#include "dispatch.h"
#include "intercept.h"
#include "proxy.h"
#include "reply.h"
#include "request.h"

/* --- Calls --------------------------------------------------------------------- */

/* Waits for the reply of what was sent, and serves what comes before it. */
static int wait_reply(struct thread *t, struct device_event *event)
{
	int r;

	for (;;) {
		switch (event->kind) {
		case DEVICE_EVENT_REPLY:
		case DEVICE_EVENT_ERROR:
		case DEVICE_EVENT_FAILED:
			return 0;
		default:
			dispatch(t, event);
		}
		r = thread_wait(t, DEVICE_WAIT, event);
		if (r < 0)
			return r;
	}
}

/* The same when nothing came yet. */
static int wait_sent(struct thread *t, struct device_event *event)
{
	int r;

	t->waiting++;
	r = thread_wait(t, DEVICE_WAIT, event);
	if (r == 0)
		r = wait_reply(t, event);
	t->waiting--;
	return r;
}

static int send_and_wait(struct thread *t, const struct device_send *send,
			 struct device_event *event)
{
	int r;

	r = thread_exchange(t, send, DEVICE_WAIT, event);
	if (unlikely(r < 0))
		return r;
	if (likely(event->kind == DEVICE_EVENT_REPLY))
		return 0;

	t->waiting++;
	r = wait_reply(t, event);
	t->waiting--;
	return r;
}

/*
 * A call for one that another thread may serve ends with that one. It is sent before
 * it is waited for, to look in between whether its parent ended when the driver did
 * not know it yet: from then on whoever hears of that end cancels it.
 */
static __attribute__((noinline)) int send_for(struct request *request, struct ipc_call *parent,
					      struct device_event *event)
{
	struct call_child child;
	int r;

	if (!request->send.cookie)
		request->send.cookie = ipc_new_id(parent->ipc);
	child.id = request->send.cookie;
	r = call_add_child(parent, &child);
	if (r < 0)
		return r;

	r = thread_exchange(request->t, &request->send, /* flags= */ 0, event);
	if (r == 0) {
		call_child_sent(parent, child.id);
		r = wait_sent(request->t, event);
	}
	call_remove_child(parent, &child);
	return r;
}

static int call_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		     const struct ipc_options *options, const ProtobufCMessage *message,
		     ProtobufCMessage **ret_reply, struct ipc_error *error)
{
	struct device_event event;
	struct request request;
	int r, again;

	r = request_init(&request, DEVICE_SEND_CALL, proxy, method, options, message);
	if (unlikely(r < 0))
		return error_set(error, r);

	do {
		if (unlikely(options && options->parent))
			r = send_for(&request, options->parent, &event);
		else
			r = send_and_wait(request.t, &request.send, &event);
		again = unlikely(r < 0) ? request_shrink(&request, method, options, message, r) : 0;
	} while (unlikely(again > 0));
	if (unlikely(r < 0)) {
		request_done(&request, /* sent= */ false);
		return error_set(error, again);
	}
	request_done(&request, event.kind != DEVICE_EVENT_FAILED);
	return reply_receive(request.t, method, &event, ret_reply, error);
}

/* What a call is to interceptors; what they change of it is in ret_options. */
static int ask(struct ipc_proxy *proxy, const struct ipc_method *method,
	       const struct ipc_options *options, struct ipc_intercepted *ret_step,
	       struct ipc_options *ret_options)
{
	int r;

	*ret_options = options ? *options : (struct ipc_options){ 0 };
	*ret_step = (struct ipc_intercepted){
		.outgoing = 1,
		.method = method ? method->name : NULL,
		.proxy = proxy,
		.metadata = ret_options->metadata,
	};
	r = intercept_before(proxy->ipc, ret_step);
	ret_options->metadata = ret_step->metadata;
	return r;
}

static __attribute__((noinline)) int call_intercepted(struct ipc_proxy *proxy,
						      const struct ipc_method *method,
						      const struct ipc_options *options,
						      const ProtobufCMessage *message,
						      ProtobufCMessage **ret_reply,
						      struct ipc_error *error)
{
	struct ipc *ipc = ipc_ref(proxy->ipc);
	struct ipc_options changed;
	struct ipc_intercepted step;
	int r;

	r = ask(proxy, method, options, &step, &changed);
	if (r == 0) {
		r = call_with(proxy, method, &changed, message, ret_reply, error);
		intercept_after(ipc, &step, r);
	} else {
		error_set(error, r);
	}
	ipc_unref(ipc);
	return r;
}

int ipc_rpc_call_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		      const struct ipc_options *options, const ProtobufCMessage *message,
		      ProtobufCMessage **ret_reply, struct ipc_error *error)
{
	if (unlikely(proxy && proxy->ipc && proxy->ipc->interceptors))
		return call_intercepted(proxy, method, options, message, ret_reply, error);
	return call_with(proxy, method, options, message, ret_reply, error);
}

int ipc_rpc_call(struct ipc_proxy *proxy, const struct ipc_method *method,
		 const ProtobufCMessage *message, ProtobufCMessage **ret_reply,
		 struct ipc_error *error)
{
	return ipc_rpc_call_with(proxy, method, /* options= */ NULL, message, ret_reply, error);
}

/* --- Oneways ------------------------------------------------------------------- */

static int oneway_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		       const struct ipc_options *options, const ProtobufCMessage *message)
{
	struct device_event event;
	struct request request;
	int r;

	r = request_init(&request, DEVICE_SEND_ONEWAY, proxy, method, options, message);
	if (r < 0)
		return r;

	/* A signal ends the wait for room, not the time that there is for it. */
	do {
		r = thread_exchange(request.t, &request.send, /* flags= */ 0, &event);
		if (unlikely(r < 0 && r != -EINTR))
			r = request_shrink(&request, method, options, message, r);
	} while (unlikely(r == -EINTR || r > 0));
	request_done(&request, r >= 0);
	return r;
}

static __attribute__((noinline)) int oneway_intercepted(struct ipc_proxy *proxy,
							const struct ipc_method *method,
							const struct ipc_options *options,
							const ProtobufCMessage *message)
{
	struct ipc_options changed;
	struct ipc_intercepted step;
	int r;

	r = ask(proxy, method, options, &step, &changed);
	if (r < 0)
		return r;
	r = oneway_with(proxy, method, &changed, message);
	intercept_after(proxy->ipc, &step, r);
	return r;
}

int ipc_rpc_oneway_with(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *message)
{
	if (unlikely(proxy && proxy->ipc && proxy->ipc->interceptors))
		return oneway_intercepted(proxy, method, options, message);
	return oneway_with(proxy, method, options, message);
}

int ipc_rpc_oneway(struct ipc_proxy *proxy, const struct ipc_method *method,
		   const ProtobufCMessage *message)
{
	return ipc_rpc_oneway_with(proxy, method, /* options= */ NULL, message);
}

/* --- Serving ------------------------------------------------------------------- */

int ipc_rpc_register(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		  const void *ops, void *userdata)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_object_new(ipc, interface, ops, userdata, /* destroy= */ NULL, &object);
	if (r < 0)
		return r;
	return ipc_register_name(ipc, name, object);
}
