// SPDX-License-Identifier: MIT
/*
 * The serving threads: wait for an event, hand it to dispatch.c, again.
 *
 * ipc_run() turns its caller into such a thread. When the driver sees all of
 * them busy it asks for one more; ipc_run() starts it if ipc_set_threads()
 * allows, and joins it before it returns.
 *
 * ipc_stop() sets a flag and has the driver interrupt all waits. A thread that
 * looked at the flag just before, and is about to wait, is not missed: of a
 * thread that does not wait now the driver interrupts the next wait, and of one
 * that it does not know yet the first.
 *
 * In the same way they learn that a stream waits for space, of which only poll informs them:
 * until it has some they poll before they wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "dispatch.h"
#include "loop.h"

struct pool_thread {
	struct pool_thread *next;
	struct ipc *ipc;
	pthread_t id;
};

int pool_init(struct pool *pool)
{
	*pool = (struct pool){ .limit = 1 };
	return -pthread_mutex_init(&pool->lock, NULL);
}

void pool_done(struct pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
}

/* --- Serving ------------------------------------------------------------------ */

static int serve_polling(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	int r;

	r = thread_flush(t);
	if (r < 0)
		return r;
	r = device_poll(&ipc->device, atomic_load(&ipc->stop_fd), IPC_NEVER);
	if (r < 0)
		return r == -EINTR ? 0 : r;
	if (r & DEVICE_POLL_WRITABLE)
		writable_notify(ipc);
	return r & DEVICE_POLL_EVENT ? ipc_process(ipc) : 0;
}

static int serve_until_stop(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct ipcbus_exchange x;
	unsigned int attention;
	int r;

	for (;;) {
		attention = atomic_load_explicit(&ipc->attention, memory_order_acquire);
		if (unlikely(attention & ATTEND_STOP))
			return thread_flush(t);
		if (unlikely(attention & ATTEND_POLL)) {
			r = serve_polling(t);
			if (r < 0)
				return r;
			continue;
		}
		r = thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE, &x);
		if (unlikely(r < 0))
			return r;
		dispatch(t, &x.event);
	}
}

static int serving_thread(struct ipc *ipc, struct thread **ret_thread)
{
	int r;

	if (!ipc)
		return -EINVAL;
	r = thread_get(ipc, ret_thread);
	if (r < 0)
		return r;

	/* Calls wait for their replies on this thread: it must not take them here. */
	return (*ret_thread)->waiting ? -EDEADLK : 0;
}

int ipc_process(struct ipc *ipc)
{
	struct ipcbus_exchange x;
	struct thread *t;
	int r;

	r = serving_thread(ipc, &t);
	if (r < 0)
		return r;

	do {
		r = thread_wait(t, IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK, &x);
		if (r < 0)
			return r;
	} while (x.event.kind == IPCBUS_EVENT_INTERRUPTED);
	if (x.event.kind == IPCBUS_EVENT_NONE) {
		/* If that is not why it was called, no harm is done. */
		if (unlikely(atomic_load(&ipc->attention) & ATTEND_WRITABLE))
			writable_notify(ipc);
		return 0;
	}

	dispatch(t, &x.event);
	r = thread_flush(t);
	return r < 0 ? r : 1;
}

int ipc_get_fd(struct ipc *ipc)
{
	int r;

	if (!ipc)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;
	r = writable_make_poll(ipc, DEVICE_POLL_EVENT);
	return r < 0 ? r : ipc->device.poll_fd;
}

int ipc_wait(struct ipc *ipc, uint64_t timeout_usec)
{
	int r;

	if (!ipc)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;
	r = writable_make_poll(ipc, /* polls= */ 0);
	if (r == 0)
		r = device_poll(&ipc->device, /* other= */ -1, timeout_usec);
	return r > 0 ? 1 : r;
}

/* --- The pool ----------------------------------------------------------------- */

/* A thread that cannot serve any more ends ipc_run(), which says why. */
static void pool_fail(struct ipc *ipc, int error)
{
	pthread_mutex_lock(&ipc->pool.lock);
	if (!ipc->pool.error)
		ipc->pool.error = error;
	pthread_mutex_unlock(&ipc->pool.lock);
	ipc_stop(ipc);
}

static int pool_serve(struct ipc *ipc)
{
	struct thread *t;
	int r;

	r = thread_get(ipc, &t);
	if (r < 0)
		return r;
	return serve_until_stop(t);
}

static void *pool_main(void *data)
{
	struct pool_thread *self = data;
	int r;

	r = pool_serve(self->ipc);
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
	r = start_without_signals(thread);
	if (r < 0) {
		free(thread);
		return r;
	}
	thread->next = ipc->pool.threads;
	ipc->pool.threads = thread;
	ipc->pool.started++;
	return 0;
}

/*
 * That no thread can be started at the moment is not an error: those there are
 * go on serving. The driver asks once and then waits for the thread; setting
 * it the limit again makes it ask again.
 */
void pool_grow(struct ipc *ipc)
{
	struct pool *pool = &ipc->pool;

	pthread_mutex_lock(&pool->lock);
	if (pool->runners && pool->runners + pool->started < pool->limit &&
	    !(atomic_load_explicit(&ipc->attention, memory_order_relaxed) & ATTEND_STOP) &&
	    pool_start_locked(ipc) < 0)
		device_set_threads(&ipc->device, pool->limit);
	pthread_mutex_unlock(&pool->lock);
}

static struct pool_thread *pool_take(struct pool *pool)
{
	struct pool_thread *thread;

	pthread_mutex_lock(&pool->lock);
	thread = pool->threads;
	if (thread)
		pool->threads = thread->next;
	pthread_mutex_unlock(&pool->lock);
	return thread;
}

/* A thread that is joined may have started others: until there is none. */
static void pool_join(struct pool *pool)
{
	struct pool_thread *thread;

	while ((thread = pool_take(pool))) {
		pthread_join(thread->id, NULL);
		free(thread);
	}
}

static void pool_enter(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->runners++;
	pthread_mutex_unlock(&pool->lock);
}

/* The last one out waits for the others and makes the next ipc_run() possible. */
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
	pthread_mutex_lock(&pool->lock);
	r = pool->error;
	pool->error = 0;
	pool->started = 0;
	pool->runners = 0;
	writable_stop(ipc, false);
	pthread_mutex_unlock(&pool->lock);
	return r;
}

int ipc_set_threads(struct ipc *ipc, unsigned int threads)
{
	int r;

	if (!ipc || threads < 1 || threads > IPC_MAX_THREADS)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	r = device_set_threads(&ipc->device, threads > 1 ? threads : 0);
	if (r < 0)
		return r;

	pthread_mutex_lock(&ipc->pool.lock);
	ipc->pool.limit = threads;
	pthread_mutex_unlock(&ipc->pool.lock);
	return 0;
}

int ipc_run(struct ipc *ipc)
{
	struct thread *t;
	int r;

	r = serving_thread(ipc, &t);
	if (r < 0)
		return r;

	ipc_ref(ipc);
	pool_enter(&ipc->pool);
	r = pool_leave(ipc, serve_until_stop(t));
	ipc_unref(ipc);
	return r;
}

void ipc_stop(struct ipc *ipc)
{
	if (!ipc)
		return;

	writable_stop(ipc, true);
	device_wake(&ipc->device);
}
