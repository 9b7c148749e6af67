// SPDX-License-Identifier: MIT
/*
 * Functions of handlers: reply to the call, keep it, identify the caller. See call.h; the functions
 * for programs are in ipc.h.
 *
 * A reply of the handler that is running stays with its thread (thread_stash()) and is sent
 * with the thread's next exchange. A reply from elsewhere is sent at once. So is a reply with
 * objects, because the handler should learn if that fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "call.h"
#include "conn/frame.h"
#include "entry.h"
#include "errors.h"
#include "object.h"

struct ipc_call *call_new(struct thread *t, const struct ipcbus_event *event)
{
	struct ipc_call *call = t->spare;

	if (likely(call))
		t->spare = NULL;
	else
		call = malloc(sizeof(*call));
	if (!call)
		return NULL;

	atomic_init(&call->refs, 1);
	call->oneway = event->kind == IPCBUS_EVENT_ONEWAY;
	atomic_init(&call->replied, false);
	call->watched = false;
	call->detached = false;
	call->has_turn = false;
	call->ipc = t->ipc;
	call->object = NULL;
	call->method = NULL;
	call->done = NULL;
	call->peer = NULL;
	call->more = NULL;
	call->file.data = NULL;
	call->number = event->call;
	call->buffer = event->buffer;
	call->payload = device_at(&t->ipc->device, event->offset);
	call->size = event->data_size;
	call->code = event->code;
	call->uid = event->uid;
	call->gid = event->gid;
	call->pid = (pid_t)event->pid;
	call->tid = (pid_t)event->tid;
	call->label_size = event->label_size;
	call->deadline = event->deadline;
	call->label = event->label;
	return call;
}

/* --- Replying ------------------------------------------------------------------ */

static bool call_is_replied(const struct ipc_call *call)
{
	return atomic_load_explicit(&call->replied, memory_order_relaxed);
}

static void call_set_replied(struct ipc_call *call)
{
	atomic_store_explicit(&call->replied, true, memory_order_relaxed);
}

int call_prepare_reply(struct ipc_call *call, struct thread **ret_thread)
{
	struct thread *t;
	int r;

	if (call->oneway)
		return -EINVAL;
	if (call_is_replied(call))
		return -EALREADY;

	r = thread_get(call->ipc, &t);
	if (r < 0)
		return r;
	r = thread_flush_stash(t);
	if (r < 0)
		return r;

	*ret_thread = t;
	return 0;
}

int call_send_now(struct ipc_call *call, struct thread *t, struct ipcbus_exchange *x)
{
	int r;

	x->flags = 0;
	x->send.call = call->number;
	r = thread_exchange(t, x);
	if (r < 0 && x->send.kind == IPCBUS_SEND_ERROR && x->send.data_size) {
		/* Better the bare error than a caller that waits. */
		x->send.data_size = 0;
		r = thread_exchange(t, x);
	}
	/* Another thread has replied. */
	if (r == -ESRCH)
		r = -EALREADY;
	if (r < 0)
		return r;

	call_set_replied(call);
	return 0;
}

int call_send(struct ipc_call *call, struct thread *t, uint32_t kind, uint32_t code, size_t size)
{
	struct ipcbus_exchange x;

	/* A client of a channel may receive the reply before it notices its deadline. */
	if (unlikely(kind == IPCBUS_SEND_ERROR) && is_route_call(call->number) &&
	    !ipc_call_remaining(call)) {
		code = ETIMEDOUT;
		size = 0;
	}
	if (likely(t->serving == call)) {
		thread_stash(t, kind, code, call->number, size);
		call_set_replied(call);
		return 0;
	}
	x.send = (struct ipcbus_send){
		.kind = kind,
		.code = code,
		.data = (uintptr_t)t->scratch.data,
		.data_size = size,
	};
	return call_send_now(call, t, &x);
}

/* Logs the first error of a oneway, because no caller gets it. Later errors are -EALREADY. */
static int oneway_fail(struct ipc_call *call, const struct ipc_error *error, int code)
{
	const char *interface = call->object->interface ?: "an object";
	struct ipc_error shown = *error;
	char text[IPC_ERROR_TEXT_MAX], number[24];
	const char *method = number;

	if (atomic_exchange(&call->replied, true))
		return -EALREADY;
	snprintf(number, sizeof(number), "method %#x", call->code);
	if (call->object->type->method_name)
		method = call->object->type->method_name(call);
	/* The handler chose the errno. */
	shown.origin = IPC_ORIGIN_PEER;
	ipc_log(LOG_WARNING, "ipc: %s%s%s (uid %u, pid %d): a oneway failed: %s", interface,
		method == number ? " " : ".", method, call->uid, call->pid,
		ipc_error_text(text, sizeof(text), code, &shown));
	return 0;
}

/* Without an explanation, or without memory for it, the errno goes alone. */
int ipc_call_fail_with(struct ipc_call *call, const struct ipc_error *error)
{
	struct thread *t;
	size_t size = 0;
	int code, r;

	if (!call || error_check(error, &code) < 0)
		return -EINVAL;
	if (call->oneway)
		return oneway_fail(call, error, code);
	r = call_prepare_reply(call, &t);
	if (r < 0)
		return r;
	if (error_explains(error) && thread_reserve(t, error_size(error)) == 0)
		size = error_encode(error, t->scratch.data);
	return call_send(call, t, IPCBUS_SEND_ERROR, (uint32_t)-code, size);
}

int ipc_call_fail(struct ipc_call *call, int code, const char *name, const char *format, ...)
{
	struct ipc_error error = { .code = code, .name = (char *)name };
	va_list args;
	int r;

	va_start(args, format);
	error.text = error_format(format, args);
	va_end(args);
	r = ipc_call_fail_with(call, &error);
	free(error.text);
	return r;
}

/* --- Life --------------------------------------------------------------------- */

struct ipc_call *ipc_call_ref(struct ipc_call *call)
{
	if (call) {
		ipc_ref(call->ipc);
		refs_take(&call->refs);
	}
	return call;
}

/* Replies with -ENOMSG to a call that the last reference left without a reply. */
static void call_reply_last(struct ipc_call *call)
{
	/* Best effort: no other reference is left with which to try again. */
	if (!call->oneway && !call_is_replied(call))
		ipc_call_fail_with(call, &(struct ipc_error){ .code = -ENOMSG });
}

int call_limit(struct ipc_call *call, const struct ipcbus_event *event)
{
	struct ipc_object *object = call->object;
	const char *name = object->interface ?: "the object";
	int r = 0;

	if (call->size > object->max_message)
		r = -EMSGSIZE;
	else if (object->limits[PEER_CALLS] != UINT_MAX)
		r = peer_add(object, call->uid, PEER_CALLS, 1, &call->peer);
	if (r < 0)
		event_refuse(call->ipc, event);
	if (r == -EMSGSIZE && !call->oneway)
		ipc_call_fail(call, r, NULL, "the request has %zu bytes, and %s takes %zu",
			      call->size, name, object->max_message);
	else if (r == -EDQUOT && !call->oneway)
		ipc_call_fail(call, r, NULL, "%s serves %u calls of one user at a time", name,
			      object->limits[PEER_CALLS]);
	return r;
}

/* Ends the watch of a served call, but only if no reference is left besides the caller's. Returns
 * whether this is the case. Dependents of the call go on without it. */
static bool call_unwatch_last(struct ipc_call *call)
{
	struct slots slots = TAILQ_HEAD_INITIALIZER(slots);
	bool last;

	ipc_lock(call->ipc);
	last = atomic_load_explicit(&call->refs, memory_order_acquire) <= 1;
	if (last) {
		map_remove(&call->ipc->calls, call->number);
		dependents_release_locked(&call->dependents);
		call->watched = false;
		slots_take_locked(&call->on_cancel, &slots);
	}
	ipc_unlock(call->ipc);
	slots_close(&slots);
	return last;
}

static void call_done(struct ipc_call *call)
{
	if (unlikely(call->watched))
		call_unwatch_last(call);
	if (unlikely(call->peer))
		peer_remove(call->ipc, call->peer, PEER_CALLS, 1);
	if (likely(call->done))
		call->done(call);
	if (unlikely(call->file.data))
		payload_close(&call->file);
	ipc_object_unref(call->object);
}

/* Moves the rest of the batch that the thread serves to the call, whose handler keeps it. */
static void keep_batch(struct thread *t, struct ipc_call *call)
{
	struct batch *batch = t->batch.serving;

	/* Not for a nested call within a handler of the batch. A stream queues messages, and the
	 * next message does not wait until they are received. */
	if (batch->depth != t->depth || batch->next == batch->n || call->detached ||
	    object_is_passive(call->object))
		return;
	t->batch.serving = NULL;
	call->more = batch;
}

/* A kept call is released: leaves its rest of the batch to a serving thread. In a forked child the
 * rest belongs to the parent. The call must still have its reference of the connection. */
static void release_batch(struct ipc *ipc, struct batch *batch)
{
	if (ipc->foreign)
		batch->base.drop(ipc, &batch->base);
	else
		backlog_add(ipc, &batch->base, /* wake= */ true);
}

/* Frees a call whose last reference was dropped outside the serving loop, with its buffer and its
 * turn. */
static void call_free(struct ipc_call *call)
{
	struct thread *t;

	call_reply_last(call);
	if (!call->detached && thread_get(call->ipc, &t) == 0) {
		/* Now: a oneway that comes next may be waiting for it. */
		thread_release_next(t, call->buffer);
		thread_flush(t);
	} else if (!call->detached) {
		thread_release_lost(call->ipc, call->buffer);
	}
	if (unlikely(call->more))
		release_batch(call->ipc, call->more);
	if (unlikely(call->has_turn) && !call->ipc->foreign)
		call->ipc->route->leave_turn(call->object);
	call_done(call);
	free(call);
}

struct ipc_call *ipc_call_unref(struct ipc_call *call)
{
	struct ipc *ipc;

	if (!call)
		return NULL;

	ipc = call->ipc;
	if (refs_drop(&call->refs))
		call_free(call);
	ipc_unref(ipc);
	return NULL;
}

void call_end(struct thread *t, struct ipc_call *call, int r, struct ipc_call *outer)
{
	bool last;

	/* Other threads with references may be starting to watch it now. */
	last = atomic_load_explicit(&call->refs, memory_order_acquire) == 1;
	if (last && unlikely(call->watched))
		last = call_unwatch_last(call);

	/* Has no effect after a reply. */
	if (r < 0)
		ipc_call_fail_with(call, &(struct ipc_error){ .code = r >= -ERRNO_MAX ? r : -EIO });
	else if (last)
		call_reply_last(call);

	t->serving = outer;
	if (likely(last)) {
		thread_release_next(t, call->buffer);
		call_done(call);
		if (likely(!t->spare))
			t->spare = call;
		else
			free(call);
		return;
	}
	if (unlikely(t->batch.serving))
		keep_batch(t, call);
	if (unlikely(t->turn))
		call->has_turn = t->ipc->route->keep_turn(t, call);
	if (call->detached)
		thread_release_next(t, call->buffer);
	if (refs_drop(&call->refs))
		call_free(call);
}

/* --- Caller ------------------------------------------------------------------- */

int ipc_call_is_oneway(const struct ipc_call *call)
{
	return call && call->oneway;
}

uint64_t ipc_call_remaining(const struct ipc_call *call)
{
	return call->deadline ? time_until(call->deadline) : IPC_NEVER;
}

int call_ask_canceled(const struct ipc_call *call)
{
	struct ipcbus_call_info info = { .call = call->number };
	int r;

	if (is_route_call(call->number)) {
		r = call->ipc->route->call_canceled(call->ipc, call->number);
		/* A client that is stopped, or does not poll, does not cancel it. */
		return r ?: !ipc_call_remaining(call);
	}
	r = device_request(&call->ipc->device, IPCBUS_IOC_CALL_INFO, &info);
	return r < 0 ? r : !!(info.flags & IPCBUS_CALL_CANCELED);
}

int ipc_call_is_canceled(const struct ipc_call *call)
{
	int r;

	if (!call || call->oneway || call_is_replied(call))
		return 0;
	if (call->ipc->foreign)
		return 1;
	r = call_ask_canceled(call);
	/* Another thread has just replied. */
	return r != 0 && r != -ESRCH;
}

static bool parse_frame(const struct ipc_call *call, struct frame *frame)
{
	const uint8_t *data = call->payload;
	size_t size = call->size;

	return unlikely_frame(data, size) && frame_parse(frame, &data, &size) == 0;
}

const char *ipc_call_metadata(const struct ipc_call *call, const char *name)
{
	struct frame frame;

	return parse_frame(call, &frame) ? frame_metadata(&frame, name) : NULL;
}

const char *ipc_raw_next_metadata(const struct ipc_call *call, const char *name,
				  const char **ret_value)
{
	struct frame frame;

	return parse_frame(call, &frame) ? frame_next_metadata(&frame, name, ret_value) : NULL;
}

const char *ipc_call_label(const struct ipc_call *call)
{
	if (!call->label_size)
		return NULL;
	return device_at(&call->ipc->device, call->label);
}

uid_t ipc_call_uid(const struct ipc_call *call)
{
	return call->uid;
}

gid_t ipc_call_gid(const struct ipc_call *call)
{
	return call->gid;
}

pid_t ipc_call_pid(const struct ipc_call *call)
{
	return call->pid;
}

pid_t ipc_call_tid(const struct ipc_call *call)
{
	return call->tid;
}

/*
 * The number may have been given to another process before the pidfd was made. If
 * the sender is still there afterwards, it had the number all the time.
 */
int ipc_call_pidfd(const struct ipc_call *call)
{
	struct ipcbus_sender_info info = { 0 };
	int fd, r;

	if (!call || call_is_replied(call))
		return -EINVAL;
	if (!call->pid)
		return -ENOENT;
	if (is_route_call(call->number))
		return call->ipc->route->call_pidfd(call->ipc, call->number);
	fd = descriptor_move((int)syscall(SYS_pidfd_open, call->pid, 0));
	if (fd < 0)
		return -errno;
	info.call = call->number;
	if (!info.call)
		info.buffer = call->buffer;
	r = device_request(&call->ipc->device, IPCBUS_IOC_SENDER_INFO, &info);
	if (r == 0 && info.flags & IPCBUS_SENDER_ALIVE && (pid_t)info.pid == call->pid)
		return fd;

	close(fd);
	return r < 0 ? r : -ESRCH;
}

struct ipc *ipc_call_ipc(const struct ipc_call *call)
{
	return call->ipc;
}

const void *ipc_call_payload(const struct ipc_call *call, size_t *ret_size)
{
	if (ret_size)
		*ret_size = call->size;
	return call->payload;
}
