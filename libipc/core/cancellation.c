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

/* Async calls and streams with it go on without it. */
struct ipc_cancellation *ipc_cancellation_unref(struct ipc_cancellation *cancellation)
{
	struct ipc *ipc;

	if (!cancellation || !refs_drop(&cancellation->refs))
		return NULL;

	ipc = cancellation->ipc;
	dependents_release(ipc, &cancellation->dependents);
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

	dependents_cancel(ipc, &cancellation->dependents);
	return 0;
}

int ipc_is_canceled(const struct ipc_cancellation *cancellation)
{
	if (!cancellation)
		return -EINVAL;
	return dependents_canceled(cancellation->ipc, &cancellation->dependents);
}
