// SPDX-License-Identifier: MIT
/*
 * Replies and errors as they arrive. See reply.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "entry.h"
#include "reply.h"

/* What a thread keeps for its next reply: enough for a usual one, and not for more. */
#define SIZE_KEPT	((size_t)1280)

struct reply *reply_alloc(struct thread *t, size_t size)
{
	struct reply *reply = t->spare_reply;

	if (likely(reply && size <= reply->size)) {
		t->spare_reply = NULL;
	} else {
		if (size < SIZE_KEPT)
			size = SIZE_KEPT;
		reply = malloc(size);
		if (!reply)
			return NULL;
		reply->size = size;
	}
	reply->kept = false;
	reply->ipc = NULL;
	return reply;
}

void reply_hold(struct reply *reply, struct ipc *ipc, struct ipcbus_event *event)
{
	reply->ipc = ipc_ref(ipc);
	reply->buffer = event->buffer;
	reply->buffer_size = event->data_size;
	event->buffer = 0;
}

/* The buffer goes back with whatever this thread does next. */
static void release_buffer(struct reply *reply)
{
	struct thread *t;

	if (thread_get(reply->ipc, &t) == 0)
		thread_release_later(t, reply->buffer, reply->buffer_size);
	ipc_unref(reply->ipc);
}

/* The memory stays with the thread that frees it, whosever reply it was. */
void reply_free(struct reply *reply)
{
	struct thread *t;

	if (unlikely(reply->ipc))
		release_buffer(reply);
	t = thread_last;
	if (likely(t && !t->spare_reply && reply->size == SIZE_KEPT))
		t->spare_reply = reply;
	else
		free(reply);
}

int reply_failed(struct thread *t, const struct ipcbus_event *event, struct ipc_error *error)
{
	if (event->kind != IPCBUS_EVENT_ERROR)
		return error_set(error, event->error);
	event_refuse(t->ipc, event);
	return error_decode(error, event->error,
			    wire_of(device_at(&t->ipc->device, event->offset),
				    event->data_size));
}
