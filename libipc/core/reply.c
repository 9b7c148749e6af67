// SPDX-License-Identifier: MIT
/* Replies and errors: see reply.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/deadline.h"
#include "entry.h"
#include "reply.h"

/* Minimum size of a reply's memory. A thread keeps only memory of this size for its next reply. */
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
	reply->has_own = unlikely(event->object_count) && event_has_own(ipc, event);
	reply->ipc = ipc_ref(ipc);
	reply->buffer = event->buffer;
	reply->buffer_size = event->data_size;
	event->buffer = 0;
}

/* The buffer is released with this thread's next exchange. A buffer with own objects must be
 * released at once: until then they live, and this thread may not use the bus for long. */
static void release_buffer(struct thread *t, uint64_t buffer, size_t size, bool has_own)
{
	thread_release_later(t, buffer, size);
	if (unlikely(has_own))
		thread_flush(t);
}

void reply_release_objects(struct thread *t, const struct ipcbus_event *event)
{
	release_buffer(t, event->buffer, event->data_size, event_has_own(t->ipc, event));
}

/* The memory stays with the thread that frees it. */
void reply_free(struct reply *reply)
{
	struct thread *t;

	if (unlikely(reply->ipc)) {
		payload_close(&reply->file);
		if (reply->borrowed)
			borrow_end(reply->ipc, reply->buffer_size);
		if (thread_get(reply->ipc, &t) == 0)
			release_buffer(t, reply->buffer, reply->buffer_size, reply->has_own);
		else
			thread_release_lost(reply->ipc, reply->buffer);
		ipc_unref(reply->ipc);
	}
	t = thread_last;
	if (likely(t && !t->spare_reply && reply->size == SIZE_KEPT))
		t->spare_reply = reply;
	else
		free(reply);
}

int reply_failed(struct thread *t, const struct ipcbus_event *event, uint64_t deadline,
		 struct ipc_error *error)
{
	if (event->kind != IPCBUS_EVENT_ERROR)
		return error_from(error, IPC_ORIGIN_BUS, event->error);
	event_refuse(t->ipc, event);
	/* A call that the service made for this call had the same deadline, and ended a moment
	 * before. */
	if (event->error == -ETIMEDOUT && deadline && time_now() >= deadline)
		return error_from(error, IPC_ORIGIN_BUS, event->error);
	if (event->data_size > atomic_load_explicit(&t->ipc->message_max, memory_order_relaxed))
		return error_from(error, IPC_ORIGIN_HERE, -EMSGSIZE);
	return error_decode(error, event->error,
			    wire_of(device_at(&t->ipc->device, event->offset),
				    event->data_size));
}
