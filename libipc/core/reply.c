// SPDX-License-Identifier: MIT
/*
 * Replies and errors as they arrive. See reply.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "call.h"
#include "deadline.h"
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

void reply_hold(struct reply *reply, struct ipc *ipc, struct ipcbus_event *event, bool borrowed,
		const struct mapping *file)
{
	reply->file = *file;
	reply->borrowed = borrowed;
	reply->ipc = ipc_ref(ipc);
	reply->buffer = event->buffer;
	reply->buffer_size = event->data_size;
	event->buffer = 0;
}

/* The buffer is released with this thread's next exchange. The memory stays with the
 * thread that frees it. */
void reply_free(struct reply *reply)
{
	struct thread *t;

	if (unlikely(reply->ipc)) {
		payload_close(&reply->file);
		if (reply->borrowed)
			borrow_end(reply->ipc, reply->buffer_size);
		if (thread_get(reply->ipc, &t) == 0)
			thread_release_later(t, reply->buffer, reply->buffer_size);
		ipc_unref(reply->ipc);
	}
	t = thread_last;
	if (likely(t && !t->spare_reply && reply->size == SIZE_KEPT))
		t->spare_reply = reply;
	else
		free(reply);
}

uint64_t reply_deadline(const struct thread *t, const struct ipcbus_event *event,
			uint64_t deadline)
{
	if (event->flags & EVENT_DETACHED || !t->serving)
		return deadline;
	return deadline_earlier(deadline, t->serving->deadline);
}

/* A call that a service made for this one had the same deadline, and ended a moment before. */
static bool is_over(const struct thread *t, const struct ipcbus_event *event, uint64_t deadline)
{
	deadline = reply_deadline(t, event, deadline);
	return deadline && time_now() >= deadline;
}

int reply_failed(struct thread *t, const struct ipcbus_event *event, uint64_t deadline,
		 struct ipc_error *error)
{
	if (event->kind != IPCBUS_EVENT_ERROR)
		return error_from(error, IPC_ORIGIN_BUS, event->error);
	event_refuse(t->ipc, event);
	if (event->error == -ETIMEDOUT && is_over(t, event, deadline))
		return error_from(error, IPC_ORIGIN_BUS, event->error);
	if (event->data_size > atomic_load_explicit(&t->ipc->message_max, memory_order_relaxed))
		return error_from(error, IPC_ORIGIN_HERE, -EMSGSIZE);
	return error_decode(error, event->error,
			    wire_of(device_at(&t->ipc->device, event->offset),
				    event->data_size));
}
