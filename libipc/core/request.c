// SPDX-License-Identifier: MIT
/*
 * Requests: see request.h.
 *
 * While a thread waits for its reply, calls of the same chain may come back to it. It serves
 * them here, on top of the call that waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "call.h"
#include "dispatch.h"
#include "entry.h"
#include "object.h"
#include "own.h"
#include "proxy.h"
#include "request.h"
#include "stream.h"

/* --- Time and options ------------------------------------------------------------ */

static uint64_t timeout_get(const _Atomic uint64_t *timeout)
{
	return atomic_load_explicit(timeout, memory_order_relaxed);
}

static __attribute__((noinline)) void apply_timeout(struct ipcbus_send *send, uint64_t usec)
{
	send->deadline = deadline_after(usec);
}

static int check_options(const struct ipc_options *options, uint32_t kind)
{
	for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++)
		if (options->reserved[i])
			return -EINVAL;
	/* prepare() of stream-open.c takes it out. */
	if (options->window)
		return -EINVAL;
	if (options->metadata && !metadata_is_valid(options->metadata))
		return -EINVAL;
	if (kind == IPCBUS_SEND_ONEWAY)
		return options->cancellation || options->parent || options->parent_stream ||
				       options->flags & ~IPC_REPLACE ?
			       -EINVAL :
			       0;
	if (!!options->parent + !!options->parent_stream + !!options->flags > 1)
		return -EINVAL;
	return options->flags & ~IPC_DETACHED ? -EINVAL : 0;
}

static __attribute__((noinline)) int apply_options(struct ipcbus_send *send,
						   const struct ipc_proxy *proxy,
						   const struct ipc_options *options)
{
	const struct ipc_stream *stream = options->parent_stream;
	const struct ipc_call *parent = options->parent;
	int r;

	r = check_options(options, send->kind);
	if (r < 0)
		return r;
	if (parent && parent->ipc != proxy->ipc)
		return -EINVAL;
	if (stream && stream->ipc != proxy->ipc)
		return -EINVAL;
	if (options->cancellation && options->cancellation->ipc != proxy->ipc)
		return -EINVAL;

	if (options->timeout_usec)
		send->deadline = deadline_after(options->timeout_usec);
	/* Without a deadline a oneway does not wait. */
	if (options->timeout_usec && !send->deadline && send->kind == IPCBUS_SEND_ONEWAY)
		send->deadline = UINT64_MAX;
	if (parent)
		send->deadline = deadline_earlier(send->deadline, parent->deadline);
	if (stream)
		send->deadline = deadline_earlier(send->deadline, stream->deadline);
	if (options->flags & IPC_REPLACE)
		send->flags |= IPCBUS_SEND_REPLACE;
	if (options->flags & IPC_DETACHED)
		send->flags |= IPCBUS_SEND_DETACHED;
	if (unlikely(proxy->ipc->on_interrupt) && send->kind == IPCBUS_SEND_CALL)
		send->cookie = ipc_next_cookie(proxy->ipc);
	return 0;
}

/* Handles a proxy whose bus has ended, or a failure r of thread_get(). Sets the request's handle.
 * A call to the manager does not open the bus, because opening it sends such calls. */
static __attribute__((noinline)) int find_again(struct ipc_proxy *proxy, int r,
						struct request *request)
{
	struct ipc *ipc = proxy->ipc;

	if (r == -ECONNRESET && proxy->handle != MANAGER_HANDLE)
		r = thread_reconnect(ipc);
	if (r == 0 && proxy->handle == LOST_HANDLE)
		r = proxy_renew(proxy);
	/* The handle is read after the generation: see reconnect.c. */
	if (r == 0)
		r = thread_get(ipc, &request->t);
	if (r < 0)
		return r;
	atomic_thread_fence(memory_order_acquire);
	request->x.send.handle = proxy->handle;
	return request->x.send.handle == LOST_HANDLE ? -ECONNRESET : 0;
}

static bool is_simple_call(const struct request *request, uint32_t kind,
			   const struct ipc_options *options)
{
	if (kind == IPCBUS_SEND_ONEWAY || request->t->serving)
		return false;
	return !options || (!options->parent && !options->parent_stream && !options->cancellation &&
			    !request->proxy->ipc->on_interrupt);
}

static __attribute__((noinline)) void find_channel(struct request *request, uint32_t kind,
						   const struct ipc_options *options)
{
	const struct route *route = request->proxy->ipc->route;

	/* The call that sets up a channel uses none. */
	if (request->x.send.code == IPC_NUMBER_CHANNEL)
		return;
	if (is_simple_call(request, kind, options)) {
		request->channel = route->of_proxy(request->t, request->proxy);
	} else if (kind == IPCBUS_SEND_ONEWAY) {
		request->channel = atomic_load(&request->proxy->channel);
	}
}

int request_init(struct request *request, uint32_t kind, struct ipc_proxy *proxy, uint32_t code,
		 uint64_t timeout_usec, const struct ipc_options *options)
{
	uint32_t handle;
	uint64_t usec;
	int r;

	if (unlikely(!proxy || !proxy->ipc))
		return -EINVAL;
	r = thread_get(proxy->ipc, &request->t);
	handle = atomic_load_explicit(&proxy->handle, memory_order_relaxed);
	if (unlikely(r < 0) || unlikely(handle == LOST_HANDLE)) {
		r = find_again(proxy, r, request);
		if (r < 0)
			return r;
		handle = request->x.send.handle;
	}

	request->proxy = proxy;
	request->channel = NULL;
	request->x.send = (struct ipcbus_send){
		.kind = kind,
		.handle = handle,
		.code = code,
	};
	/* The first setting wins: method, proxy, connection. */
	if (kind != IPCBUS_SEND_ONEWAY) {
		usec = timeout_usec;
		if (!usec)
			usec = timeout_get(&proxy->timeout_usec);
		if (!usec)
			usec = timeout_get(&proxy->ipc->timeout_usec);
		if (unlikely(usec))
			apply_timeout(&request->x.send, usec);
	}
	if (unlikely(options)) {
		r = apply_options(&request->x.send, proxy, options);
		if (r < 0)
			return r;
	}
	if (unlikely(proxy->ipc->may_route))
		find_channel(request, kind, options);
	return thread_flush_stash(request->t);
}

/* --- Calls --------------------------------------------------------------------- */

int request_interrupted(struct ipc *ipc)
{
	int r = ipc->on_interrupt ? ipc->on_interrupt(ipc->interrupt_userdata) : 0;

	return r < 0 ? r : 0;
}

/* Waits for the reply, and serves what arrives before it. A call with a cookie can be canceled
 * after a signal, with the error that the program chose. */
static int wait_reply(struct thread *t, struct ipcbus_exchange *x, uint64_t cookie)
{
	uint64_t generation = t->generation;
	int r, why = 0;

	for (;;) {
		switch (x->event.kind) {
		case IPCBUS_EVENT_REPLY:
		case IPCBUS_EVENT_ERROR:
			return 0;
		case IPCBUS_EVENT_FAILED:
			if (why < 0 && x->event.error == -ECANCELED)
				x->event.error = why;
			return 0;
		case IPCBUS_EVENT_INTERRUPTED:
			if (cookie && why == 0)
				why = request_interrupted(t->ipc);
			if (why < 0)
				device_cancel(&t->ipc->device, cookie);
			break;
		default:
			dispatch(t, &x->event);
			/* The bus was opened again, and this call ended with the old one. */
			if (t->generation != generation)
				return -ECONNRESET;
		}
		if (t->early.kind && t->early_waiting == t->waiting) {
			r = thread_flush_stash(t);
			x->event = t->early;
			t->early.kind = IPCBUS_EVENT_NONE;
		} else {
			r = thread_wait(t, IPCBUS_WAIT, x);
		}
		if (r < 0)
			return r;
	}
}

static __attribute__((noinline)) int wait_longer(struct thread *t, struct ipcbus_exchange *x)
{
	uint64_t deadline = x->send.deadline;
	int r;

	if (t->serving && !(x->send.flags & IPCBUS_SEND_DETACHED))
		deadline = deadline_earlier(deadline, t->serving->deadline);
	t->waiting++;
	r = wait_reply(t, x, x->send.cookie);
	t->waiting--;
	/* For reply_failed(). The rest of the sent message is not needed any more. */
	x->send.deadline = deadline;
	return r;
}

static int send_and_look(struct request *request, const struct dependence *dependence)
{
	struct ipc *ipc = request->t->ipc;
	bool canceled;
	int r;

	request->x.flags = 0;
	r = thread_exchange(request->t, &request->x);
	if (r < 0)
		return r;
	ipc_lock(ipc);
	canceled = dependence_is_canceled_locked(dependence);
	ipc_unlock(ipc);
	if (canceled)
		device_cancel(&ipc->device, request->x.send.cookie);
	/* x.event is NONE now. */
	return wait_longer(request->t, &request->x);
}

/*
 * A call with a parent, a parent stream or a cancellation is canceled with these owners. Sending
 * and waiting are two steps. In between, this thread checks if an owner was canceled before the
 * driver knew the call. After that, a canceling thread finds the call.
 */
static __attribute__((noinline)) int send_for(struct request *request,
					      const struct ipc_options *options)
{
	struct ipc *ipc = request->t->ipc;
	uint64_t id = ipc_next_cookie(ipc);
	struct dependence dependence = { { .id = id }, { .id = id } };
	int r;

	request->x.send.cookie = id;
	request->x.event.stage = 0;
	r = dependence_begin(ipc, options, /* serving= */ NULL, &dependence);
	if (r == 0)
		r = send_and_look(request, &dependence);

	ipc_lock(ipc);
	dependence_end_locked(&dependence);
	ipc_unlock(ipc);
	return r;
}

static inline int send_and_wait(struct request *request)
{
	int r;

	if (unlikely(request->channel)) {
		r = request->t->ipc->route->call(request->channel, request);
		if (r <= 0)
			return r;
	}
	request->x.flags = IPCBUS_WAIT;
	r = thread_exchange(request->t, &request->x);
	if (unlikely(r < 0) || likely(request->x.event.kind == IPCBUS_EVENT_REPLY))
		return r;
	return wait_longer(request->t, &request->x);
}

static __attribute__((noinline)) int call_with(struct request *request,
					       const struct ipc_options *options)
{
	bool before = device_set_interruptible(request->t->ipc->on_interrupt);
	int r;

	if (options->parent || options->parent_stream || options->cancellation)
		r = send_for(request, options);
	else
		r = send_and_wait(request);
	device_set_interruptible(before);
	return r;
}

/* A handler makes a call. If its own call came by a channel, the bus does not know the chain.
 * Calls for a thread come from channels themselves. */
static __attribute__((noinline)) void nest(struct request *request)
{
	const struct ipc_call *serving = request->t->serving;

	if (!serving->object || serving->oneway || request->x.send.call)
		return;
	atomic_store_explicit(&serving->object->nests, true, memory_order_relaxed);
	if (!is_route_call(serving->number))
		return;
	request->t->ipc->route->nests(request->t, serving->number, serving->deadline);
	if (!(request->x.send.flags & IPCBUS_SEND_DETACHED))
		request->x.send.deadline =
			deadline_earlier(request->x.send.deadline, serving->deadline);
}

int request_call(struct request *request, const struct ipc_options *options)
{
	if (unlikely(request->t->serving))
		nest(request);
	if (unlikely(options))
		return call_with(request, options);
	return send_and_wait(request);
}

/* --- Oneways ------------------------------------------------------------------- */

/* Pauses between two tries of a oneway; each is twice as long as the pause before. */
#define PAUSE_MIN_USEC	50
#define PAUSE_MAX_USEC	16000

static inline int try_message(struct request *request)
{
	int r = 0;

	if (unlikely(request->channel))
		r = request->t->ipc->route->use_bus(request->channel, request);
	return r < 0 ? r : thread_try(request->t, &request->x);
}

/* Sleeps until the deadline at most. Returns 0, -ETIMEDOUT after the deadline, or the error of the
 * program's interrupt callback, which runs after each pause, also without a signal. */
static int pause_until(struct ipc *ipc, unsigned int usec, uint64_t deadline)
{
	uint64_t left = time_until(deadline);
	struct timespec time = { .tv_nsec = (long)(left < usec ? left : usec) * 1000 };

	if (!left)
		return -ETIMEDOUT;
	nanosleep(&time, NULL);
	return request_interrupted(ipc);
}

/* The first try has failed with r. While the receiver has no space, tries again. A file that was
 * made at an earlier try is sent at once. */
static __attribute__((noinline)) int try_otherwise(struct request *request, uint64_t deadline,
						   int r)
{
	unsigned int usec = PAUSE_MIN_USEC;
	int fd = -1;

	for (;;) {
		if (r == -EMSGSIZE && fd < 0)
			r = fd = exchange_make_file(&request->x.send, deadline);
		if (fd >= 0)
			r = exchange_send_file(request->t, &request->x, fd);
		if (r != -EAGAIN || !deadline)
			break;
		r = pause_until(request->t->ipc, usec, deadline);
		if (r < 0)
			break;
		usec = 2 * usec < PAUSE_MAX_USEC ? 2 * usec : PAUSE_MAX_USEC;
		if (fd < 0)
			r = try_message(request);
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static int oneway_by_bus(struct request *request)
{
	uint64_t deadline = request->x.send.deadline;
	int r;

	request->x.flags = 0;
	request->x.send.deadline = 0;
	r = try_message(request);
	return likely(r == 0) ? 0 : try_otherwise(request, deadline, r);
}

/* The bus may have channels. A proxy of a stream never gets one: see meet(). */
static __attribute__((noinline)) int oneway_by_channel(struct request *request)
{
	const struct route *route = request->proxy->ipc->route;
	struct ipc_proxy *proxy = request->proxy;
	int r;

	if (likely(request->channel)) {
		r = route->oneway(request->channel, request);
		if (likely(r <= 0))
			return r;
	}
	r = oneway_by_bus(request);
	/* Another thread may have opened the channel meanwhile. */
	request->channel = atomic_load(&proxy->channel);
	if (request->channel)
		route->used_bus(request->channel, request);
	/* Not in a handler, where it would be a nested call. */
	if (r == 0 && !request->t->serving)
		route->of_proxy(request->t, proxy);
	return r;
}

int request_oneway(struct request *request)
{
	if (unlikely(request->proxy->ipc->may_route))
		return oneway_by_channel(request);
	return oneway_by_bus(request);
}
