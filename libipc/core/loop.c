// SPDX-License-Identifier: MIT
/*
 * The serving threads, which wait for events and hand them to dispatch.c.
 *
 * ipc_run() makes its caller a serving thread, and joins the threads that it started before it
 * returns.
 *
 * If a sender waits for space, which only poll() reports, or a timer is set, the threads poll
 * before they wait. While there are channels, the threads do not poll: they wait for channels until
 * the next timer, and look for space after pauses.
 *
 * A handler may wait for a stream. Its thread does not serve then and is *blocked*. At least one of
 * the threads that ipc_set_threads() allows must not be blocked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "base/deadline.h"
#include "dispatch.h"
#include "more.h"
#include "reconnect.h"

/* ipc_process() then returns 0, so that events that keep coming do not starve the program's
 * loop. */
#define EVENTS_IN_A_ROW	64
/* Between two questions whether there is space, if channels have messages. */
#define SPACE_NS	((uint64_t)100000)

/* --- Serving ------------------------------------------------------------------ */

static int process(struct thread *t);

static int poll_bus(struct ipc *ipc)
{
	int r = 0;

	atomic_fetch_add(&ipc->pool.polling, 1);
	/* From now on, a thread that serves a first channel wakes this thread. */
	if (!ipc->route->is_served(ipc))
		r = device_poll(&ipc->device, DEVICE_POLL_EVENT, ipc->pool.stop_fd,
				ipc->backlog.fd, IPC_NEVER);
	atomic_fetch_sub(&ipc->pool.polling, 1);
	return r;
}

static int serve_polling(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	int r;

	r = thread_flush(t);
	if (r < 0)
		return r;
	if (ipc->route->arm(ipc, t))
		return process(t);
	r = poll_bus(ipc);
	if (r < 0)
		return r == -EINTR ? 0 : r;
	if (r & DEVICE_POLL_WRITABLE)
		writable_notify(ipc);
	return r & DEVICE_POLL_EVENT ? process(t) : 0;
}

/* Ignores a failure if the bus will be opened again. */
static int unless_lost(const struct ipc *ipc, int r)
{
	return r == -ECONNRESET && ipc->reconnect.step ? 0 : r;
}

/* Work of the backlog has the share of a channel, and that of a oneway of the bus that was parked:
 * serves as many events as there are channels, and one, or until a oneway is parked. Returns 1 or
 * -errno. */
static int serve_between(struct thread *t)
{
	int r = 1;

	t->parked = false;
	for (unsigned int n = 1 + t->ipc->route->n_served(t); n && r > 0 && !t->parked; n--)
		r = atomic_load(&t->ipc->attention) & ATTEND_STOP ? 0 : dispatch_next(t);
	return r < 0 ? r : 1;
}

/* Asks at most every SPACE_NS: poll() takes as long as a short call through a channel. */
static void look_for_space(struct ipc *ipc)
{
	uint64_t now = time_now();

	if (now - atomic_load(&ipc->space_asked) < SPACE_NS)
		return;
	atomic_store(&ipc->space_asked, now);
	writable_notify(ipc);
}

/* 0: the thread can wait for an event. 1: look again. */
static __attribute__((noinline)) int attend(struct thread *t, unsigned int attention)
{
	struct ipc *ipc = t->ipc;
	int r;

	if (attention & ATTEND_LOST) {
		reconnect_serve(t);
		return 1;
	}
	if (attention & ATTEND_TIMER)
		timers_run(ipc);
	if (attention & ATTEND_BACKLOG && backlog_run(t))
		return serve_between(t);
	if (attention & ATTEND_POLL && !ipc->route->is_served(ipc)) {
		r = serve_polling(t);
		return r < 0 ? r : 1;
	}
	if (attention & ATTEND_WRITABLE)
		look_for_space(ipc);
	return 0;
}

static int serve_events(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct ipcbus_exchange x;
	unsigned int attention;
	int r;

	for (;;) {
		thread_idle(t);
		attention = atomic_load_explicit(&ipc->attention, memory_order_acquire);
		if (unlikely(attention)) {
			if (attention & ATTEND_STOP)
				return unless_lost(ipc, thread_flush(t));
			r = attend(t, attention);
			if (r < 0)
				return r;
			if (r > 0)
				continue;
		}
		if (unlikely(t->batch.ask) && !t->depth) {
			r = more_serve(t);
			if (unlikely(r < 0))
				return r;
			continue;
		}
		r = thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE, &x);
		if (unlikely(r < 0))
			return r;
		if (x.event.kind == IPCBUS_EVENT_ONEWAY)
			more_oneway_came(t);
		dispatch(t, &x.event);
	}
}

static int serve_ended(struct thread *t, int r)
{
	if (unlikely(r == -ECONNRESET))
		dispatch_bus_end(t);
	return r;
}

static int serve_until_stop(struct thread *t)
{
	int r;

	do {
		thread_catch_up(t);
		r = serve_events(t);
	} while (unlikely(r == -ECONNRESET) && generation_lost(t->ipc));
	if (t->idle)
		atomic_fetch_sub(&t->ipc->pool.idle, 1);
	t->idle = false;
	return serve_ended(t, r);
}

static int serving_thread(struct ipc *ipc, struct thread **ret_thread)
{
	int r;

	if (!ipc)
		return -EINVAL;
	r = thread_find_serving(ipc, ret_thread);
	if (r < 0)
		return r;

	/* The thread waits for replies, which it must not take here. */
	return (*ret_thread)->waiting ? -EDEADLK : 0;
}

/* With channels, a look for events may not need the bus, and then does not notice its end. The fd
 * for event loops reports the end, so the loop comes here again after a look without result. */
static bool end_unnoticed(struct thread *t)
{
	return t->no_event && atomic_load(&t->ipc->channels) && device_has_ended(&t->ipc->device);
}

/* Before the program waits. */
static int finish_events(struct thread *t)
{
	if (unlikely(atomic_load(&t->ipc->attention) & ATTEND_WRITABLE)) {
		writable_notify(t->ipc);
		backlog_run(t);
	}
	return thread_flush(t);
}

static int process(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	int r;

	/* Timers, events and the backlog must not starve each other. */
	if (unlikely(atomic_load(&ipc->attention) & ATTEND_TIMER))
		timers_run(ipc);
	if (unlikely(atomic_load(&ipc->attention) & ATTEND_BACKLOG))
		backlog_run(t);
	thread_catch_up(t);
	if (unlikely(atomic_load(&ipc->attention) & ATTEND_LOST))
		return reconnect_step(t);
	r = dispatch_next(t);
	if (r == 0 && unlikely(end_unnoticed(t)))
		r = -ECONNRESET;
	t->no_event = r <= 0;
	if (unlikely(r == -ECONNRESET) && generation_lost(ipc))
		return 1;
	if (r)
		return serve_ended(t, r);
	r = finish_events(t);
	if (r < 0 || atomic_load(&ipc->attention) & ATTEND_BACKLOG)
		return r < 0 ? r : 1;
	/* Last of all, and also without channels: bells of ended channels keep the fd readable. */
	return t->in_loop && ipc->route->arm(ipc, t);
}

int ipc_process(struct ipc *ipc)
{
	struct thread *t;
	int r;

	r = serving_thread(ipc, &t);
	if (r < 0)
		return r;
	if (unlikely(!atomic_load(&ipc->pool.loops)))
		atomic_store(&ipc->pool.loops, true);
	if (unlikely(t->asleep))
		ipc->route->awake(t);
	if (t->processed < EVENTS_IN_A_ROW) {
		t->in_loop = true;
		r = process(t);
		t->in_loop = false;
		t->processed = r > 0 ? t->processed + 1 : 0;
		return r;
	}
	t->processed = 0;
	/* The next call reports an error. */
	finish_events(t);
	backlog_wake(ipc);
	return 0;
}

/* The fd must be readable if channels have replies already. */
static int report_answers(struct ipc *ipc)
{
	const struct ipcbus_event none = { .kind = IPCBUS_EVENT_NONE };
	struct dispatch_event *work;

	if (!ipc->route->arm(ipc, /* t= */ NULL))
		return 0;
	work = malloc(sizeof(*work));
	if (!work)
		return -ENOMEM;
	dispatch_later(ipc, work, &none);
	return 0;
}

int ipc_get_fd(struct ipc *ipc)
{
	int r = ipc_check(ipc);

	if (r == 0)
		r = writable_make_poll(ipc, DEVICE_POLL_EVENT);
	if (r == 0)
		r = backlog_make_fd(ipc);
	if (r == 0)
		r = report_answers(ipc);
	return r < 0 ? r : backlog_get_fd(ipc);
}

static int wait_event(struct ipc *ipc, uint64_t timeout_usec)
{
	struct thread *t = thread_last && thread_last->ipc == ipc ? thread_last : NULL;
	uint64_t deadline = deadline_after(timeout_usec), left = timeout_usec;
	int r;

	/* A server may ring for a call that has been canceled. */
	do {
		if (ipc->route->ready(ipc, t) || ipc->route->arm(ipc, t))
			return 1;
		r = device_poll(&ipc->device, DEVICE_POLL_EVENT, /* other= */ -1, ipc->backlog.fd,
				left);
		if (r == 0 && atomic_load(&ipc->attention) & ATTEND_BACKLOG)
			return 1;
		left = deadline ? time_until(deadline) : timeout_usec;
	} while (r == 0 && left && atomic_load(&ipc->channels));
	return r == 0 ? ipc->route->ready(ipc, t) : r;
}

int ipc_wait_event(struct ipc *ipc, uint64_t timeout_usec)
{
	int r = ipc_check(ipc);

	if (r < 0)
		return r;
	if (thread_last && thread_last->ipc == ipc)
		thread_last->processed = 0;
	r = writable_make_poll(ipc, /* polls= */ 0);
	if (r == 0)
		r = backlog_make_fd(ipc);
	if (r == 0)
		r = wait_event(ipc, timeout_usec);
	/* ipc_process() must complete pending operations once. */
	if (r == -ECONNRESET && !atomic_load(&ipc->bus_ended))
		return 1;
	return r > 0 ? 1 : r;
}

/* A thread that the pool has started, and counted as idle. */
static int serve_started(struct ipc *ipc)
{
	struct thread *t;
	int r;

	r = thread_find_serving(ipc, &t);
	if (r < 0) {
		atomic_fetch_sub(&ipc->pool.idle, 1);
		return r;
	}
	t->idle = true;
	return serve_until_stop(t);
}

int ipc_run(struct ipc *ipc)
{
	struct thread *t;
	int r;

	r = serving_thread(ipc, &t);
	if (r == 0 && t->depth)
		r = -EDEADLK;
	if (r < 0)
		return r;

	ipc_ref(ipc);
	pool_enter(ipc, serve_started);
	r = pool_leave(ipc, serve_until_stop(t));
	ipc_unref(ipc);
	return r;
}
