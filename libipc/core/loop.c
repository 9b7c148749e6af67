// SPDX-License-Identifier: MIT
/*
 * The serving threads, which wait for events and hand them to dispatch.c.
 *
 * ipc_run() makes its caller a serving thread, and joins the threads that it started before it
 * returns.
 *
 * The rule for starting threads holds for work of the bus, of channels and of the backlog. A thread
 * is *idle* while it looks or waits for work. A started thread is idle from its start. The thread
 * that takes work when no other thread is idle starts a thread, if ipc_set_threads() allows it.
 * So while fewer threads serve than are allowed, new work does not wait for a handler that blocks.
 * If a start fails, the thread that next takes work in this way tries again.
 *
 * ipc_stop() sets a flag, makes stop_fd readable for threads that poll, and makes the driver
 * interrupt all waits. A thread may have read the flag just before, and wait now. The driver
 * interrupts the next wait of a thread that does not wait, and the first wait of a thread that it
 * does not know yet.
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
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "channels/channel-client.h"
#include "channels/channel-server.h"
#include "base/deadline.h"
#include "base/descriptor.h"
#include "loop.h"
#include "more.h"

/* ipc_process() then returns 0, so that events that keep coming do not starve the program's
 * loop. */
#define EVENTS_IN_A_ROW	64

struct pool_thread {
	struct pool_thread *next;
	struct ipc *ipc;
	pthread_t id;
};

int pool_init(struct pool *pool)
{
	*pool = (struct pool){
		.limit = 1,
		.stop_fd = descriptor_move(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
	};
	pthread_mutex_init(&pool->lock, NULL);
	return pool->stop_fd < 0 ? -errno : 0;
}

void pool_done(struct pool *pool)
{
	if (pool->stop_fd >= 0)
		close(pool->stop_fd);
	pthread_mutex_destroy(&pool->lock);
}

/* --- Serving ------------------------------------------------------------------ */

static int process(struct thread *t);

static int poll_bus(struct ipc *ipc)
{
	int r = 0;

	atomic_fetch_add(&ipc->pool.polling, 1);
	/* From now on, a thread that serves a first channel wakes this thread. */
	if (!channels_serve(ipc))
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
	if (channels_arm(ipc))
		return process(t);
	r = poll_bus(ipc);
	if (r < 0)
		return r == -EINTR ? 0 : r;
	if (r & DEVICE_POLL_WRITABLE)
		writable_notify(ipc);
	return r & DEVICE_POLL_EVENT ? process(t) : 0;
}

/*
 * Whether the buffer of an async call's reply may stay until the thread's next exchange, like the
 * buffer of a blocking call's reply. It must not stay if the reply contained objects, whose owners
 * may wait for their release, or if the thread has other buffers or a stash.
 */
static bool may_keep(const struct thread *t, const struct ipcbus_event *event)
{
	bool is_end = event->kind == IPCBUS_EVENT_REPLY || event->kind == IPCBUS_EVENT_ERROR;

	return is_end && !event->object_count && t->stash.kind == IPCBUS_SEND_NONE &&
	       t->n_release == 1 && t->release[0] == event->buffer;
}

int loop_serve_one(struct thread *t)
{
	struct ipcbus_exchange x;
	int r;

	do {
		r = thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK, &x);
		if (r < 0)
			return r;
	} while (x.event.kind == IPCBUS_EVENT_INTERRUPTED);
	if (x.event.kind == IPCBUS_EVENT_NONE)
		return 0;

	dispatch(t, &x.event);
	if (may_keep(t, &x.event))
		return 1;
	r = thread_flush(t);
	return r < 0 ? r : 1;
}

/* Ignores a failure if the bus will be opened again. */
static int unless_lost(const struct ipc *ipc, int r)
{
	return r == -ECONNRESET && ipc->reconnect.enabled ? 0 : r;
}

/* Work of the backlog has the share of a channel, and that of a oneway of the bus that was parked:
 * serves as many events as there are channels, and one, or until a oneway is parked. Returns 1 or
 * -errno. */
static int serve_between(struct thread *t)
{
	int r = 1;

	t->parked = false;
	for (unsigned int n = 1 + channels_viewed(t); n && r > 0 && !t->parked; n--)
		r = atomic_load(&t->ipc->attention) & ATTEND_STOP ? 0 : loop_serve_one(t);
	return r < 0 ? r : 1;
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
	if (attention & ATTEND_POLL && !channels_serve(ipc)) {
		r = serve_polling(t);
		return r < 0 ? r : 1;
	}
	if (attention & ATTEND_WRITABLE)
		writable_notify(ipc);
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
		if (unlikely(t->more.ask) && !t->depth) {
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
		reconnect_catch_up(t);
		r = serve_events(t);
	} while (unlikely(r == -ECONNRESET) && reconnect_lost(t->ipc));
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
static int finish(struct thread *t)
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
	reconnect_catch_up(t);
	if (unlikely(atomic_load(&ipc->attention) & ATTEND_LOST))
		return reconnect_step(t);
	r = loop_serve_one(t);
	if (r == 0 && unlikely(end_unnoticed(t)))
		r = -ECONNRESET;
	t->no_event = r <= 0;
	if (unlikely(r == -ECONNRESET) && reconnect_lost(ipc))
		return 1;
	if (r)
		return serve_ended(t, r);
	r = finish(t);
	return r < 0 ? r : !!(atomic_load(&ipc->attention) & ATTEND_BACKLOG);
}

int ipc_process(struct ipc *ipc)
{
	struct thread *t;
	int r;

	r = serving_thread(ipc, &t);
	if (r < 0)
		return r;
	if (t->processed < EVENTS_IN_A_ROW) {
		r = process(t);
		t->processed = r > 0 ? t->processed + 1 : 0;
		return r;
	}
	t->processed = 0;
	/* The next call reports an error. */
	finish(t);
	backlog_wake(ipc);
	return 0;
}

/* The fd must be readable if channels have replies already. */
static int report_answers(struct ipc *ipc)
{
	const struct ipcbus_event none = { .kind = IPCBUS_EVENT_NONE };
	struct backlog_event *work;

	if (!channels_arm(ipc))
		return 0;
	work = malloc(sizeof(*work));
	if (!work)
		return -ENOMEM;
	backlog_add_event(ipc, work, &none);
	return 0;
}

int ipc_get_fd(struct ipc *ipc)
{
	int r = ipc_check(ipc);

	if (r == 0)
		r = writable_make_poll(ipc, DEVICE_POLL_EVENT);
	if (r == 0)
		r = report_answers(ipc);
	return r < 0 ? r : backlog_get_fd(ipc);
}

static int wait_event(struct ipc *ipc, uint64_t timeout_usec)
{
	uint64_t deadline = deadline_after(timeout_usec), left = timeout_usec;
	int r;

	/* A server may ring for a call that has been canceled. */
	do {
		if (channels_arm(ipc))
			return 1;
		r = device_poll(&ipc->device, DEVICE_POLL_EVENT, /* other= */ -1, ipc->backlog.fd,
				left);
		if (r == 0 && atomic_load(&ipc->attention) & ATTEND_BACKLOG)
			return 1;
		left = deadline ? time_until(deadline) : timeout_usec;
	} while (r == 0 && left && atomic_load(&ipc->channels));
	return r == 0 ? channels_arm(ipc) : r;
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

/* --- Stopping -------------------------------------------------------------------- */

int pool_poll_locked(struct ipc *ipc)
{
	int r;

	if (atomic_load(&ipc->attention) & ATTEND_POLL)
		return 0;
	r = backlog_make_fd_locked(ipc);
	if (r < 0)
		return r;
	atomic_fetch_or(&ipc->attention, ATTEND_POLL);
	return 1;
}

void ipc_stop(struct ipc *ipc)
{
	int saved = errno;

	if (!ipc)
		return;
	atomic_fetch_or(&ipc->attention, ATTEND_STOP);
	/* If the fd is full, it is readable. In a forked child it is the parent's. */
	if (!ipc->foreign)
		eventfd_write(ipc->pool.stop_fd, 1);
	device_wake(&ipc->device);
	errno = saved;
}

static bool is_stopping(const struct ipc *ipc)
{
	return atomic_load(&ipc->attention) & ATTEND_STOP;
}

static void reset_stop_fd(struct ipc *ipc)
{
	eventfd_t value;

	eventfd_read(ipc->pool.stop_fd, &value);
	/* ipc_stop() may have been called before. */
	if (is_stopping(ipc))
		eventfd_write(ipc->pool.stop_fd, 1);
}

/* --- The pool ----------------------------------------------------------------- */

/* A thread that cannot serve any more ends ipc_run(), which returns the error. */
static void pool_fail(struct ipc *ipc, int error)
{
	pthread_mutex_lock(&ipc->pool.lock);
	if (!ipc->pool.error)
		ipc->pool.error = error;
	pthread_mutex_unlock(&ipc->pool.lock);
	ipc_stop(ipc);
}

static void *pool_main(void *data)
{
	struct pool_thread *self = data;
	struct thread *t;
	int r;

	r = thread_find_serving(self->ipc, &t);
	if (r == 0) {
		t->idle = true;
		r = serve_until_stop(t);
	} else {
		atomic_fetch_sub(&self->ipc->pool.idle, 1);
	}
	if (r < 0)
		pool_fail(self->ipc, r);
	return NULL;
}

/* Signals are for the user's own threads. */
static int start_without_signals(struct pool_thread *thread)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r)
		return -r;
	r = pthread_create(&thread->id, NULL, pool_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static int pool_start_locked(struct ipc *ipc)
{
	struct pool_thread *thread;
	int r;

	thread = malloc(sizeof(*thread));
	if (!thread)
		return -ENOMEM;

	thread->ipc = ipc;
	atomic_fetch_add(&ipc->pool.idle, 1);
	r = start_without_signals(thread);
	if (r < 0) {
		atomic_fetch_sub(&ipc->pool.idle, 1);
		free(thread);
		return r;
	}
	thread->next = ipc->pool.threads;
	ipc->pool.threads = thread;
	ipc->pool.started++;
	return 0;
}

static bool may_grow(const struct pool *pool)
{
	return pool->runners && pool->runners + pool->started < pool->limit;
}

void pool_grow(struct ipc *ipc)
{
	struct pool *pool = &ipc->pool;

	if (!may_grow(pool))
		return;
	pthread_mutex_lock(&pool->lock);
	if (may_grow(pool) && !atomic_load(&pool->idle) && !is_stopping(ipc))
		pool_start_locked(ipc);
	pthread_mutex_unlock(&pool->lock);
}

/* --- Threads that wait for a stream ------------------------------------------------ */

bool pool_serves(struct ipc *ipc)
{
	bool serves;

	pthread_mutex_lock(&ipc->pool.lock);
	serves = ipc->pool.runners && !is_stopping(ipc);
	pthread_mutex_unlock(&ipc->pool.lock);
	return serves;
}

/* A program with its own event loop is trusted to have pool->limit threads. */
static int block_locked(struct ipc *ipc)
{
	struct pool *pool = &ipc->pool;
	unsigned int most = pool->limit > pool->runners ? pool->limit : pool->runners;

	if (pool->blocked + 1 >= most)
		return -EDEADLK;
	if (pool->runners && pool->runners + pool->started <= pool->blocked + 1 &&
	    pool_start_locked(ipc) < 0)
		return -EDEADLK;
	pool->blocked++;
	return 0;
}

int pool_block(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	int r;

	if (is_stopping(ipc))
		return -ESHUTDOWN;
	if (t->blocked)
		return 0;
	pthread_mutex_lock(&ipc->pool.lock);
	r = block_locked(ipc);
	pthread_mutex_unlock(&ipc->pool.lock);
	t->blocked = r == 0;
	return r;
}

void pool_unblock(struct thread *t)
{
	pthread_mutex_lock(&t->ipc->pool.lock);
	t->ipc->pool.blocked--;
	pthread_mutex_unlock(&t->ipc->pool.lock);
	t->blocked = false;
}

/* --- The last one ------------------------------------------------------------------- */

/* Repeats until no thread is left: a joined thread may have started others. */
static void pool_join(struct pool *pool)
{
	struct pool_thread *thread;

	pthread_mutex_lock(&pool->lock);
	while ((thread = pool->threads)) {
		pool->threads = thread->next;
		pthread_mutex_unlock(&pool->lock);
		pthread_join(thread->id, NULL);
		free(thread);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
}

static void pool_enter(struct ipc *ipc)
{
	struct pool *pool = &ipc->pool;

	pthread_mutex_lock(&pool->lock);
	if (!pool->runners++)
		reset_stop_fd(ipc);
	pthread_mutex_unlock(&pool->lock);
}

/* The last thread to leave joins the started threads and resets the pool for the next ipc_run(). */
static int pool_leave(struct ipc *ipc, int r)
{
	struct pool *pool = &ipc->pool;
	bool last;

	/* A handler forked and returned in the child: the pool is the parent's. */
	if (ipc->foreign)
		return -ECHILD;
	if (r < 0)
		pool_fail(ipc, r);

	pthread_mutex_lock(&pool->lock);
	r = pool->error;
	last = pool->runners == 1;
	if (!last)
		pool->runners--;
	pthread_mutex_unlock(&pool->lock);
	if (!last)
		return r;

	pool_join(pool);
	channels_end(ipc);
	pthread_mutex_lock(&pool->lock);
	r = pool->error;
	pool->error = 0;
	pool->started = 0;
	/* After a failure, other threads may have entered ipc_run() in the meantime. */
	atomic_fetch_and(&ipc->attention, ~ATTEND_STOP);
	/* Without runners the fd stays readable, for threads that wait for streams. */
	if (--pool->runners)
		reset_stop_fd(ipc);
	pthread_mutex_unlock(&pool->lock);
	return r;
}

int ipc_set_threads(struct ipc *ipc, unsigned int threads)
{
	int r = threads >= 1 && threads <= IPC_MAX_THREADS ? ipc_check(ipc) : -EINVAL;

	if (r < 0)
		return r;

	pthread_mutex_lock(&ipc->pool.lock);
	ipc->pool.limit = threads;
	pthread_mutex_unlock(&ipc->pool.lock);
	/* All threads may be in handlers already. */
	if (!atomic_load(&ipc->pool.idle))
		pool_grow(ipc);
	return 0;
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
	pool_enter(ipc);
	r = pool_leave(ipc, serve_until_stop(t));
	ipc_unref(ipc);
	return r;
}
