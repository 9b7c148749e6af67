// SPDX-License-Identifier: MIT
/*
 * Async calls: sent by a stub, ended by an event that any serving thread takes.
 * See rpc.h for the contract with generated code; dispatch.c brings the events.
 *
 * What is remembered of one, struct async, is in the connection's table before
 * the call is sent, since its end may overtake the sending. Whoever takes it out
 * of the table ends it, so that is done once. The memory is kept for the next.
 *
 * A call that is made in a handler is a child of the call that is served there, and
 * cancelled with it; see call_add_child().
 */
#include <errno.h>
#include <stdlib.h>

#include "async.h"
#include "call.h"
#include "intercept.h"
#include "proxy.h"
#include "reply.h"
#include "request.h"

#define SPARE_MAX	64

struct async {
	struct async *next;		/* of the spare ones */
	const struct ipc_method *method;
	ipc_rpc_complete complete;
	ipc_rpc_cb cb;
	void *userdata;
	struct call_child child;	/* with its id; on a list or not */
	bool intercepted;
};

/* --- The table -------------------------------------------------------------------- */

static struct async *async_new_locked(struct ipc *ipc)
{
	struct async *async = ipc->spare_asyncs;

	if (!async)
		return malloc(sizeof(*async));
	ipc->spare_asyncs = async->next;
	ipc->n_spare_asyncs--;
	return async;
}

static void async_free_locked(struct ipc *ipc, struct async *async)
{
	if (ipc->n_spare_asyncs == SPARE_MAX) {
		free(async);
		return;
	}
	async->next = ipc->spare_asyncs;
	ipc->spare_asyncs = async;
	ipc->n_spare_asyncs++;
}

/* Makes one from a model and puts it into the table. id: 0, or the user's own. */
static int async_add_locked(struct ipc *ipc, const struct async *model, uint64_t id,
			    struct async **ret_async)
{
	struct async *async;
	int r;

	if (!id)
		id = ipc_next_cookie_locked(ipc);
	else if (map_get(&ipc->asyncs, id))
		return -EEXIST;

	async = async_new_locked(ipc);
	if (!async)
		return -ENOMEM;
	*async = *model;
	async->child = (struct call_child){ .id = id };
	r = map_add(&ipc->asyncs, id, async);
	if (r < 0) {
		async_free_locked(ipc, async);
		return r;
	}
	*ret_async = async;
	return 0;
}

static int async_add(struct ipc *ipc, const struct async *model, uint64_t id,
		     struct async **ret_async)
{
	int r;

	ipc_lock(ipc);
	r = async_add_locked(ipc, model, id, ret_async);
	ipc_unlock(ipc);
	return r;
}

/* Takes one out of the table and off its parent: false, it was ended already. */
static bool async_take(struct ipc *ipc, uint64_t id, struct async *ret_async)
{
	struct async *async;

	ipc_lock(ipc);
	async = map_remove(&ipc->asyncs, id);
	if (async) {
		call_remove_child_locked(&async->child);
		*ret_async = *async;
		async_free_locked(ipc, async);
	}
	ipc_unlock(ipc);
	return async;
}

/* --- Sending ---------------------------------------------------------------------- */

/*
 * Whose child it is: the call it is said to be for, or whose handler runs here. 1:
 * it is one; 0: there is no such call.
 */
static int async_attach(struct async *async, struct ipc_call *parent, struct thread *t)
{
	int r;

	if (parent) {
		r = call_add_child(parent, &async->child);
		return r < 0 ? r : 1;
	}
	if (!t->serving || t->serving->oneway || atomic_load(&t->serving->replied))
		return 0;

	r = call_add_child(t->serving, &async->child);
	return r == -EINVAL ? 0 : r < 0 ? r : 1;
}

static int async_send(struct request *request, struct async *async, struct ipc_call *parent)
{
	struct ipc *ipc = request->t->ipc;
	struct device_event event;
	uint64_t id = async->child.id;
	struct async gone;
	int attached = 0;
	int r;

	request->send.async = true;
	request->send.cookie = id;
	r = async_attach(async, parent, request->t);
	if (r >= 0) {
		attached = r;
		r = thread_exchange(request->t, &request->send, /* flags= */ 0, &event);
	}
	if (r < 0)
		async_take(ipc, id, &gone);
	else if (attached)
		call_child_sent(parent ? parent : request->t->serving, id);
	return r;
}

static int call_async(struct ipc_proxy *proxy, const struct async *model,
		      const struct ipc_options *options, const ProtobufCMessage *message,
		      uint64_t *ret_id)
{
	const struct ipc_method *method = model->method;
	struct request request;
	struct async *async;
	int r;

	r = request_init(&request, DEVICE_SEND_CALL, proxy, method, options, message);
	if (r < 0)
		return r;

	do {
		r = async_add(request.t->ipc, model, request.send.cookie, &async);
		if (r < 0)
			break;
		if (ret_id)
			*ret_id = async->child.id;
		r = async_send(&request, async, options ? options->parent : NULL);
		if (unlikely(r < 0))
			r = request_shrink(&request, method, options, message, r);
	} while (unlikely(r > 0));
	request_done(&request, r >= 0);
	return r;
}

static struct ipc_intercepted step_of(const struct async *async, struct ipc_proxy *proxy)
{
	return (struct ipc_intercepted){
		.outgoing = 1,
		.method = async->method ? async->method->name : NULL,
		.proxy = proxy,
	};
}

/* Told of the end where that is, by async_end(). */
static int call_intercepted(struct ipc_proxy *proxy, const struct async *model,
			    const struct ipc_options *options, const ProtobufCMessage *message,
			    uint64_t *ret_id)
{
	struct ipc_options changed = options ? *options : (struct ipc_options){ 0 };
	struct ipc_intercepted step = step_of(model, proxy);
	int r;

	step.metadata = changed.metadata;
	r = intercept_before(proxy->ipc, &step);
	if (r < 0)
		return r;
	changed.metadata = step.metadata;
	r = call_async(proxy, model, &changed, message, ret_id);
	if (r < 0)
		intercept_after(proxy->ipc, &step, r);
	return r;
}

int ipc_rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		       const struct ipc_options *options, const ProtobufCMessage *message,
		       ipc_rpc_complete complete, ipc_rpc_cb cb, void *userdata,
		       uint64_t *ret_id)
{
	struct async model = {
		.method = method,
		.complete = complete,
		.cb = cb,
		.userdata = userdata,
	};

	if (!complete)
		return -EINVAL;
	if (unlikely(proxy && proxy->ipc && proxy->ipc->interceptors)) {
		model.intercepted = true;
		return call_intercepted(proxy, &model, options, message, ret_id);
	}
	return call_async(proxy, &model, options, message, ret_id);
}

/* --- The end ------------------------------------------------------------------------ */

static void async_complete(struct ipc *ipc, const struct async *async, int result,
			   ProtobufCMessage *reply, const struct ipc_error *error)
{
	struct ipc_intercepted step;

	async->complete(result, reply, error, async->cb, async->userdata);
	if (unlikely(async->intercepted)) {
		step = step_of(async, /* proxy= */ NULL);
		intercept_after(ipc, &step, result);
	}
}

void async_end(struct thread *t, const struct device_event *event)
{
	struct ipc_error error = IPC_ERROR_INIT;
	ProtobufCMessage *reply = NULL;
	struct device_event copy;
	struct async async;
	int r;

	/* The driver tells each end once, of calls that it was given. */
	if (!async_take(t->ipc, event->cookie, &async))
		return;

	copy = *event;
	r = reply_receive(t, async.method, &copy, &reply, &error);
	async_complete(t->ipc, &async, r, reply, &error);
	reply_release(reply);
	ipc_error_done(&error);
}

/* In a forked child there is nothing to end: those are the parent's. */
void asyncs_close(struct ipc *ipc)
{
	struct ipc_error error = { .code = -ECANCELED };
	struct async *spare;
	struct async async;
	uint64_t id;

	while (map_first(&ipc->asyncs, &id)) {
		if (async_take(ipc, id, &async) && !ipc->foreign)
			async_complete(ipc, &async, -ECANCELED, /* reply= */ NULL, &error);
	}
	while ((spare = ipc->spare_asyncs)) {
		ipc->spare_asyncs = spare->next;
		free(spare);
	}
}
