// SPDX-License-Identifier: MIT
/*
 * Calls and streams that end together: see dependents.h.
 */
#include <errno.h>

#include "dependents.h"
#include "stream.h"

static int add(struct ipc *ipc, const struct dependents *list, struct call_child **where,
	       struct call_child *child)
{
	int r = -ECANCELED;

	ipc_lock(ipc);
	if (!list->canceled) {
		call_link_child_locked(where, child);
		r = 0;
	}
	ipc_unlock(ipc);
	return r;
}

int dependents_add_call(struct ipc *ipc, struct dependents *list, struct call_child *call)
{
	return add(ipc, list, &list->calls, call);
}

int dependents_add_stream(struct ipc *ipc, struct dependents *list,
			  struct dependent_stream *dependent)
{
	return add(ipc, list, &list->streams, &dependent->child);
}

bool dependents_canceled(struct ipc *ipc, const struct dependents *list)
{
	bool canceled;

	ipc_lock(ipc);
	canceled = list->canceled;
	ipc_unlock(ipc);
	return canceled;
}

void dependents_sent(struct ipc *ipc, struct dependents *list, uint64_t id)
{
	if (dependents_canceled(ipc, list))
		device_cancel(&ipc->device, id);
}

/* Takes one off the list, with a user's reference. One that is closing leaves by itself. */
static struct ipc_stream *take_stream_locked(struct dependents *list)
{
	struct ipc_stream *stream;

	while (list->streams) {
		stream = ((struct dependent_stream *)list->streams)->stream;
		call_remove_child_locked(list->streams);
		if (refs_take_unless_none(&stream->users))
			return stream;
	}
	return NULL;
}

void dependents_cancel(struct ipc *ipc, struct dependents *list)
{
	struct ipc_stream *stream;

	ipc_lock(ipc);
	list->canceled = true;
	/* A call that has ended or is not sent yet is not found, which is no error. */
	for (struct call_child *call = list->calls; call; call = call->next)
		device_cancel(&ipc->device, call->id);
	while ((stream = take_stream_locked(list))) {
		ipc_unlock(ipc);
		stream_cancel_with(stream);
		ipc_stream_unref(stream);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
}

void dependents_release(struct ipc *ipc, struct dependents *list)
{
	ipc_lock(ipc);
	while (list->calls)
		call_remove_child_locked(list->calls);
	while (list->streams)
		call_remove_child_locked(list->streams);
	ipc_unlock(ipc);
}
