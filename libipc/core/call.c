// SPDX-License-Identifier: MIT
/*
 * What a handler does with its call: answer it, keep it, ask who calls. See
 * call.h; the functions for users are in ipc.h, ipc_rpc_reply() is what
 * generated code answers with.
 *
 * An answer of the handler that is just running is only left with its thread
 * (thread_stash()) and leaves with the thread's next exchange. Answers from
 * elsewhere, and those with objects, whose sending may fail in ways that the
 * handler should learn of, are sent at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "typed/blob.h"
#include "call.h"
#include "cancel.h"
#include "deadline.h"
#include "errors.h"
#include "intercept.h"
#include "object.h"
#include "typed/table.h"

struct ipc_call *call_new(struct thread *t, const struct device_event *event)
{
	struct ipc_call *call = t->spare;

	if (likely(call))
		t->spare = NULL;
	else
		call = malloc(sizeof(*call));
	if (!call)
		return NULL;

	atomic_init(&call->refs, 1);
	call->detached = false;
	call->oneway = event->kind == DEVICE_EVENT_ONEWAY;
	atomic_init(&call->replied, false);
	call->watched = false;
	call->intercepted = false;
	atomic_init(&call->result, 0);
	call->ipc = t->ipc;
	call->object = NULL;
	call->method = NULL;
	call->number = event->call;
	call->buffer = event->buffer;
	call->payload = event->payload;
	call->size = event->size;
	call->uid = event->uid;
	call->gid = event->gid;
	call->pid = event->pid;
	call->tid = event->tid;
	call->deadline = event->deadline;
	call->label = event->label;
	call->label_size = event->label_size;
	message_init(&call->request, call->block, sizeof(call->block), event->size);
	return call;
}

/* --- Answering ---------------------------------------------------------------- */

static bool call_is_replied(const struct ipc_call *call)
{
	return atomic_load_explicit(&call->replied, memory_order_relaxed);
}

static void call_set_replied(struct ipc_call *call)
{
	atomic_store_explicit(&call->replied, true, memory_order_relaxed);
}

/* The thread to answer with, its scratch free. */
static int call_thread(struct ipc_call *call, struct thread **ret_thread)
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

static int call_send_now(struct ipc_call *call, struct thread *t, struct device_send *send)
{
	struct device_event event;
	int r;

	r = thread_exchange(t, send, /* flags= */ 0, &event);
	if (r < 0 && send->kind == DEVICE_SEND_ERROR && send->size) {
		/* Better the bare error than a caller that waits. */
		send->size = 0;
		r = thread_exchange(t, send, /* flags= */ 0, &event);
	}
	/* Open no more: another thread was faster. */
	if (r == -ESRCH)
		r = -EALREADY;
	if (r < 0)
		return r;

	call_set_replied(call);
	return 0;
}

/* The payload is in the thread's scratch. */
static int call_send(struct ipc_call *call, struct thread *t, enum device_send_kind kind,
		     uint32_t code, size_t size)
{
	struct device_send send = {
		.kind = kind,
		.code = code,
		.call = call->number,
		.data = t->scratch.data,
		.size = size,
	};

	if (unlikely(kind == DEVICE_SEND_ERROR))
		atomic_store_explicit(&call->result, -(int)code, memory_order_relaxed);
	if (likely(t->serving == call)) {
		thread_stash(t, kind, code, call->number, size);
		call_set_replied(call);
		return 0;
	}
	return call_send_now(call, t, &send);
}

/* A reply that can carry more than bytes; if it does not it may wait like any. */
static int call_send_parts(struct ipc_call *call, struct thread *t, const ProtobufCMessage *reply,
			   size_t large, bool *ret_shrink)
{
	uint32_t flags = call->method->flags;
	struct device_send send = { .kind = DEVICE_SEND_REPLY, .call = call->number };
	struct table table = { .n = 0 };
	struct parts parts;
	int r = 0;

	if (flags & IPC_METHOD_REPLY_OBJECTS)
		r = table_build(&table, call->ipc, reply);
	if (r < 0)
		return r;

	parts.large = large;
	r = blobs_pack(&parts, t, reply, flags & IPC_METHOD_REPLY_BLOBS, /* metadata= */ NULL,
		       &table, &send);
	if (r == 0 && !table.n && !send.n_parts)
		return call_send(call, t, DEVICE_SEND_REPLY, /* code= */ 0, send.size);
	if (r == 0) {
		send.objects = table.objects;
		send.n_objects = table.n;
		r = call_send_now(call, t, &send);
		*ret_shrink = lacks_space(r) && blobs_shrink(&parts);
		parts_done(&parts);
	}
	if (r < 0)
		table_unsent(&table, call->ipc);
	return r;
}

static __attribute__((noinline)) int call_send_more(struct ipc_call *call, struct thread *t,
						    const ProtobufCMessage *reply)
{
	bool shrink = false;
	int r;

	r = call_send_parts(call, t, reply, IPC_BLOB_LARGE, &shrink);
	/* The caller has little room: what can be a file becomes one. */
	if (shrink)
		r = call_send_parts(call, t, reply, BLOB_AGAIN, &shrink);
	return r;
}

int ipc_rpc_reply(struct ipc_call *call, const struct ipc_method *method,
		  const ProtobufCMessage *reply)
{
	struct thread *t;
	size_t size;
	int r;

	if (unlikely(!call || !method || method != call->method || !reply ||
		     reply->descriptor != method->reply))
		return -EINVAL;

	r = call_thread(call, &t);
	if (r < 0)
		return r;
	if (method->flags & (IPC_METHOD_REPLY_OBJECTS | IPC_METHOD_REPLY_BLOBS))
		return call_send_more(call, t, reply);

	r = thread_pack(t, reply, &size);
	if (r < 0)
		return r;
	return call_send(call, t, DEVICE_SEND_REPLY, /* code= */ 0, size);
}

/* Without anything to say, or without memory, the errno alone goes. */
static int call_send_explained(struct ipc_call *call, int code, const Ipc__Error *error)
{
	struct thread *t;
	size_t size = 0;
	int r;

	r = call_thread(call, &t);
	if (r < 0)
		return r;
	if ((error->name || error->message) && thread_pack(t, &error->base, &size) < 0)
		size = 0;
	return call_send(call, t, DEVICE_SEND_ERROR, (uint32_t)code, size);
}

/* text is freed here. */
static int call_send_error(struct ipc_call *call, int code, const char *name, char *text)
{
	Ipc__Error error = IPC__ERROR__INIT;
	int r;

	error.name = (char *)name;
	error.message = text;
	r = call_send_explained(call, code, &error);
	free(text);
	return r;
}

static char *format_text(const char *format, va_list args)
{
	char *text;

	if (!format || vasprintf(&text, format, args) < 0)
		return NULL;
	return text;
}

int ipc_call_error(struct ipc_call *call, const char *name, const char *format, ...)
{
	va_list args;
	char *text;

	if (!call || !name)
		return -EINVAL;

	va_start(args, format);
	text = format_text(format, args);
	va_end(args);
	return call_send_error(call, EREMOTEIO, name, text);
}

int ipc_call_raise(struct ipc_call *call, const struct ipc_error *error)
{
	Ipc__Error sent;
	int code;

	if (!call || error_check(error, &code) < 0)
		return -EINVAL;
	error_describe(error, &sent);
	return call_send_explained(call, -code, &sent);
}

int ipc_call_errno(struct ipc_call *call, int code, const char *format, ...)
{
	va_list args;
	char *text;

	if (code < 0 && code >= -ERRNO_MAX)
		code = -code;
	if (!call || code < 1 || code > ERRNO_MAX)
		return -EINVAL;

	va_start(args, format);
	text = format_text(format, args);
	va_end(args);
	return call_send_error(call, code, /* name= */ NULL, text);
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

/* Nobody holds the call any more, so nobody will answer it. */
static void call_reply_last(struct ipc_call *call, int code)
{
	/* What fails here fails for a caller that is gone, or in a fork. */
	if (!call->oneway && !call_is_replied(call))
		call_send_error(call, code, /* name= */ NULL, /* text= */ NULL);
}

void call_step(struct ipc_call *call, struct ipc_intercepted *ret_step)
{
	*ret_step = (struct ipc_intercepted){
		.interface = call->object ? call->object->interface->name : NULL,
		.method = call->method ? call->method->name : NULL,
		.call = call,
	};
}

static void call_notify_end(struct ipc_call *call)
{
	struct ipc_intercepted step;

	call_step(call, &step);
	intercept_after(call->ipc, &step, call->result);
}

static void call_done(struct ipc_call *call)
{
	if (unlikely(call->intercepted))
		call_notify_end(call);
	if (unlikely(call->watched))
		call_unwatch(call);
	claims_release(&call->request);
	message_done(&call->request);
	ipc_object_unref(call->object);
}

/* The last reference went somewhere else than in the loop. */
static void call_free(struct ipc_call *call)
{
	struct thread *t;

	call_reply_last(call, ENOMSG);
	if (!call->detached && thread_get(call->ipc, &t) == 0) {
		/* Now: a oneway that comes next may be waiting for it. */
		thread_release_next(t, call->buffer);
		thread_flush(t);
	}
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

static void call_recycle(struct thread *t, struct ipc_call *call)
{
	call_done(call);
	if (likely(!t->spare))
		t->spare = call;
	else
		free(call);
}

void call_end(struct thread *t, struct ipc_call *call, int r, struct ipc_call *outer)
{
	bool last;

	/* While others have it, they may just be beginning to watch it. */
	last = atomic_load_explicit(&call->refs, memory_order_acquire) == 1;
	if (last && unlikely(call->watched))
		last = call_unwatch_last(call);

	if (r < 0)
		call_reply_last(call, r >= -ERRNO_MAX ? -r : EIO);
	else if (last)
		call_reply_last(call, ENOMSG);

	t->serving = outer;
	if (likely(last)) {
		thread_release_next(t, call->buffer);
		call_recycle(t, call);
		return;
	}
	if (call->detached)
		thread_release_next(t, call->buffer);
	if (refs_drop(&call->refs))
		call_free(call);
}

/* --- Asking ------------------------------------------------------------------- */

uint64_t ipc_call_remaining(const struct ipc_call *call)
{
	return call->deadline ? time_until(call->deadline) : IPC_NEVER;
}

int ipc_call_canceled(const struct ipc_call *call)
{
	int r;

	if (!call || call->oneway || call_is_replied(call))
		return -EINVAL;
	if (call->ipc->foreign)
		return -ECHILD;

	r = device_call_canceled(&call->ipc->device, call->number);
	return r == -ESRCH ? -EINVAL : r;
}

const char *ipc_call_metadata(const struct ipc_call *call, const char *name)
{
	return call->request.framed ? frame_metadata(&call->request.frame, name) : NULL;
}

const char *ipc_call_label(const struct ipc_call *call)
{
	if (!call->label_size)
		return NULL;
	return (const char *)call->ipc->device.region + call->label;
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
	pid_t pid;
	int fd, r;

	if (call_is_replied(call))
		return -EINVAL;
	if (!call->pid)
		return -ENOENT;
	fd = (int)syscall(SYS_pidfd_open, call->pid, 0);
	if (fd < 0)
		return -errno;
	r = device_caller(&call->ipc->device, call->number, call->buffer, &pid);
	if (r > 0 && pid == call->pid)
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
