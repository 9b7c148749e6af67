// SPDX-License-Identifier: MIT
/*
 * Interceptors: see intercept.h. Called by raw.c and typed/rpc.c for calls of ours,
 * by call.c for those that are served.
 *
 * A call remembers the number of the last interceptor that it asked, so one that is added
 * while the call is under way does not get its end. One that ended meanwhile does not either.
 */
#include <errno.h>

#include "intercept.h"
#include "proxy.h"
#include "sized.h"
#include "slot.h"

struct interceptor {
	struct ipc_slot slot;
	struct ipc_interceptor user;
};

static void end(struct ipc_slot *slot)
{
	struct ipc *ipc = slot->ipc;
	bool listed;

	ipc_lock(ipc);
	listed = slots_remove_locked(&ipc->interceptors, slot);
	atomic_store_explicit(&ipc->has_interceptors, ipc->interceptors, memory_order_relaxed);
	ipc_unlock(ipc);
	if (listed)
		slot_drop(slot);
}

static const struct slot_type interceptor_type = {
	.size = sizeof(struct interceptor), .end = end,
};

int ipc_add_interceptor(struct ipc *ipc, const struct ipc_interceptor *interceptor, void *userdata,
			struct ipc_slot **ret_slot)
{
	struct ipc_interceptor own;
	struct ipc_slot *slot;
	int r;

	if (!ipc || !interceptor)
		return -EINVAL;
	r = sized_copy(&own, sizeof(own), sizeof(own), interceptor);
	if (r < 0)
		return r;
	if (!own.before && !own.after)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	r = slot_new(ipc, &interceptor_type, userdata, &slot);
	if (r < 0)
		return r;
	((struct interceptor *)slot)->user = own;

	ipc_lock(ipc);
	slots_append_locked(&ipc->interceptors, slot);
	slot_give(slot, ret_slot);
	atomic_store_explicit(&ipc->has_interceptors, true, memory_order_relaxed);
	ipc_unlock(ipc);
	return 0;
}

/* The first one after that number, entered; or NULL. */
static struct interceptor *next(struct ipc *ipc, uint64_t id, struct slot_frame *frame)
{
	struct ipc_slot *slot;

	ipc_lock(ipc);
	slot = slots_next_locked(ipc->interceptors, id);
	if (slot)
		slot_enter_locked(slot, frame);
	ipc_unlock(ipc);
	return (struct interceptor *)slot;
}

/* The last one up to that number, entered; or NULL. */
static struct interceptor *previous(struct ipc *ipc, uint64_t id, struct slot_frame *frame)
{
	struct ipc_slot *slot, *found = NULL;

	ipc_lock(ipc);
	for (slot = slots_next_locked(ipc->interceptors, 0); slot && slot->id <= id;
	     slot = slots_next_locked(slot, slot->id))
		found = slot;
	if (found)
		slot_enter_locked(found, frame);
	ipc_unlock(ipc);
	return (struct interceptor *)found;
}

int intercept_before(struct ipc *ipc, struct ipc_intercepted *step, uint64_t *ret_last)
{
	struct interceptor *interceptor;
	struct slot_frame frame;
	uint64_t id = 0;

	while ((interceptor = next(ipc, id, &frame))) {
		uint64_t last = id;
		int r = 0;

		id = interceptor->slot.id;
		if (interceptor->user.before)
			r = interceptor->user.before(step, interceptor->slot.userdata);
		slot_leave(&frame);
		if (r < 0) {
			intercept_after(ipc, step, last, r);
			return r;
		}
	}
	*ret_last = id;
	return 0;
}

void intercept_after(struct ipc *ipc, const struct ipc_intercepted *step, uint64_t last,
		     int result)
{
	struct interceptor *interceptor;
	struct slot_frame frame;

	while (last && (interceptor = previous(ipc, last, &frame))) {
		last = interceptor->slot.id - 1;
		if (interceptor->user.after)
			interceptor->user.after(step, result, interceptor->slot.userdata);
		slot_leave(&frame);
	}
}

int intercept_begin(struct interception *i, struct ipc_proxy *proxy, const char *method,
		    const struct ipc_options **options)
{
	int r;

	i->ipc = NULL;
	i->last = 0;
	if (!proxy || !proxy->ipc || proxy->hidden ||
	    !atomic_load_explicit(&proxy->ipc->has_interceptors, memory_order_relaxed))
		return 0;
	i->options = *options ? **options : (struct ipc_options){ 0 };
	i->step = (struct ipc_intercepted){
		.outgoing = 1,
		.method = method,
		.proxy = proxy,
		.metadata = i->options.metadata,
	};
	r = intercept_before(proxy->ipc, &i->step, &i->last);
	if (r < 0)
		return r;
	i->ipc = ipc_ref(proxy->ipc);
	i->options.metadata = i->step.metadata;
	*options = &i->options;
	return 0;
}

int intercept_end(struct interception *i, int result)
{
	if (i->ipc) {
		intercept_after(i->ipc, &i->step, i->last, result);
		ipc_unref(i->ipc);
	}
	return result;
}

void interceptors_close(struct ipc *ipc)
{
	slots_close(&ipc->interceptors);
}
