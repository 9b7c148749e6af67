// SPDX-License-Identifier: MIT
/*
 * Cancellations: see cancellation.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "cancellation.h"

int ipc_cancellation_new(struct ipc *ipc, struct ipc_cancellation **ret_cancellation)
{
	struct ipc_cancellation *cancellation;

	if (!ipc || !ret_cancellation)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	cancellation = calloc(1, sizeof(*cancellation));
	if (!cancellation)
		return -ENOMEM;
	atomic_init(&cancellation->refs, 1);
	cancellation->ipc = ipc_ref(ipc);
	*ret_cancellation = cancellation;
	return 0;
}

struct ipc_cancellation *ipc_cancellation_ref(struct ipc_cancellation *cancellation)
{
	if (cancellation)
		refs_take(&cancellation->refs);
	return cancellation;
}

/* Async calls in the list go on without it. */
struct ipc_cancellation *ipc_cancellation_unref(struct ipc_cancellation *cancellation)
{
	struct ipc *ipc;

	if (!cancellation || !refs_drop(&cancellation->refs))
		return NULL;

	ipc = cancellation->ipc;
	ipc_lock(ipc);
	while (cancellation->calls)
		call_remove_child_locked(cancellation->calls);
	ipc_unlock(ipc);
	free(cancellation);
	ipc_unref(ipc);
	return NULL;
}

int ipc_cancel(struct ipc_cancellation *cancellation)
{
	struct ipc *ipc = cancellation ? cancellation->ipc : NULL;

	if (!ipc)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	ipc_lock(ipc);
	cancellation->canceled = true;
	/* A call that has ended or is not sent yet is not found, which is no error. */
	for (struct call_child *call = cancellation->calls; call; call = call->next)
		device_cancel(&ipc->device, call->id);
	ipc_unlock(ipc);
	return 0;
}

static bool is_canceled(const struct ipc_cancellation *cancellation)
{
	bool canceled;

	ipc_lock(cancellation->ipc);
	canceled = cancellation->canceled;
	ipc_unlock(cancellation->ipc);
	return canceled;
}

int ipc_is_canceled(const struct ipc_cancellation *cancellation)
{
	return cancellation ? is_canceled(cancellation) : -EINVAL;
}

int cancellation_add(struct ipc_cancellation *cancellation, struct call_child *call)
{
	int r = -ECANCELED;

	ipc_lock(cancellation->ipc);
	if (!cancellation->canceled) {
		call_link_child_locked(&cancellation->calls, call);
		r = 0;
	}
	ipc_unlock(cancellation->ipc);
	return r;
}

void cancellation_sent(struct ipc_cancellation *cancellation, uint64_t id)
{
	if (is_canceled(cancellation))
		device_cancel(&cancellation->ipc->device, id);
}
