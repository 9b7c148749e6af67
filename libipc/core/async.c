// SPDX-License-Identifier: MIT
/*
 * Async calls: see async.h. dispatch.c brings the events that end them.
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
#include "intercept.h"
#include "proxy.h"

#define SPARE_MAX	64

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
	uint64_t id = async->child.id;
	struct async gone;
	int attached = 0;
	int r;

	request->x.flags = 0;
	request->x.send.flags |= IPCBUS_SEND_ASYNC;
	request->x.send.cookie = id;
	r = async_attach(async, parent, request->t);
	if (r >= 0) {
		attached = r;
		r = thread_exchange(request->t, &request->x);
	}
	if (r < 0)
		async_take(ipc, id, &gone);
	else if (attached)
		call_child_sent(parent ? parent : request->t->serving, id);
	return r;
}

int request_async(struct request *request, const struct async *model, struct ipc_call *parent,
		  uint64_t *ret_id)
{
	struct async *async;
	int r;

	r = async_add(request->t->ipc, model, request->x.send.cookie, &async);
	if (r < 0)
		return r;
	if (ret_id)
		*ret_id = async->child.id;
	return async_send(request, async, parent);
}

/* --- The end ------------------------------------------------------------------------ */

static void end(struct ipc *ipc, struct thread *t, const struct async *async,
		struct ipcbus_event *event)
{
	struct ipc_intercepted step;
	int result;

	result = async->end(t, async, event);
	if (unlikely(async->intercepted)) {
		step = (struct ipc_intercepted){ .outgoing = 1, .method = async->name };
		intercept_after(ipc, &step, result);
	}
}

void async_end(struct thread *t, const struct ipcbus_event *event)
{
	struct ipcbus_event copy = *event;
	struct async async;

	/* The driver reports each end once, of calls that it was given. */
	if (async_take(t->ipc, event->cookie, &async))
		end(t->ipc, t, &async, &copy);
}

/* In a forked child there is nothing to end: those are the parent's. */
void asyncs_close(struct ipc *ipc)
{
	struct async *spare;
	struct async async;
	uint64_t id;

	while (map_first(&ipc->asyncs, &id)) {
		struct ipcbus_event event = {
			.kind = IPCBUS_EVENT_FAILED,
			.error = -ECANCELED,
		};

		if (async_take(ipc, id, &async) && !ipc->foreign)
			end(ipc, /* t= */ NULL, &async, &event);
	}
	while ((spare = ipc->spare_asyncs)) {
		ipc->spare_asyncs = spare->next;
		free(spare);
	}
}
