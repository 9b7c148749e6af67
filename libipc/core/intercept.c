// SPDX-License-Identifier: MIT
/*
 * Interceptors: see intercept.h. Called by raw.c and typed/rpc.c for calls of ours,
 * by call.c for those that are served. The list does not change any
 * more once there are calls, so no lock is needed to walk it.
 */
#include <errno.h>
#include <stdlib.h>

#include "intercept.h"
#include "proxy.h"

struct interceptor {
	struct interceptor *next;	/* added later */
	struct interceptor *previous;
	struct ipc_interceptor user;
};

int ipc_add_interceptor(struct ipc *ipc, const struct ipc_interceptor *interceptor)
{
	struct interceptor *new, **link;

	if (!ipc || !interceptor || (!interceptor->before && !interceptor->after))
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = (struct interceptor){ .user = *interceptor };

	ipc_lock(ipc);
	for (link = &ipc->interceptors; *link; link = &(*link)->next)
		new->previous = *link;
	*link = new;
	ipc_unlock(ipc);
	return 0;
}

/* From one on back to the first. */
static void notify(struct interceptor *from, struct ipc_intercepted *step, int result)
{
	for (struct interceptor *i = from; i; i = i->previous)
		if (i->user.after)
			i->user.after(step, result, i->user.userdata);
}

int intercept_before(struct ipc *ipc, struct ipc_intercepted *step)
{
	for (struct interceptor *i = ipc->interceptors; i; i = i->next) {
		int r = i->user.before ? i->user.before(step, i->user.userdata) : 0;

		if (r < 0) {
			notify(i->previous, step, r);
			return r;
		}
	}
	return 0;
}

void intercept_after(struct ipc *ipc, struct ipc_intercepted *step, int result)
{
	struct interceptor *last = ipc->interceptors;

	while (last && last->next)
		last = last->next;
	notify(last, step, result);
}

int intercept_request(struct ipc_proxy *proxy, const char *method,
		      const struct ipc_options *options, struct ipc_intercepted *ret_step,
		      struct ipc_options *ret_options)
{
	int r;

	if (!proxy || !proxy->ipc || !proxy->ipc->interceptors)
		return 0;
	*ret_options = options ? *options : (struct ipc_options){ 0 };
	*ret_step = (struct ipc_intercepted){
		.outgoing = 1,
		.method = method,
		.proxy = proxy,
		.metadata = ret_options->metadata,
	};
	r = intercept_before(proxy->ipc, ret_step);
	ret_options->metadata = ret_step->metadata;
	return r < 0 ? r : 1;
}

void interceptors_close(struct ipc *ipc)
{
	while (ipc->interceptors) {
		struct interceptor *i = ipc->interceptors;

		ipc->interceptors = i->next;
		free(i);
	}
}
