// SPDX-License-Identifier: MIT
/*
 * The threads of ipc_run(): see pool.h. core/loop.c has what they do.
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
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "thread.h"

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

/* --- Stopping -------------------------------------------------------------------- */

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

/* Ends ipc_run() with the error of a thread that cannot serve any more. */
static void pool_fail(struct ipc *ipc, int error)
{
	pthread_mutex_lock(&ipc->pool.lock);
	if (!ipc->pool.error)
		ipc->pool.error = error;
	pthread_mutex_unlock(&ipc->pool.lock);
	ipc_stop(ipc);
}

/* --- Started threads --------------------------------------------------------------- */

static void *pool_main(void *data)
{
	struct pool_thread *self = data;
	int r = self->ipc->pool.serve(self->ipc);

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

/* --- Threads that wait for a stream ------------------------------------------------ */

bool pool_serves(struct ipc *ipc)
{
	bool serves;

	pthread_mutex_lock(&ipc->pool.lock);
	serves = ipc->pool.runners && !is_stopping(ipc);
	pthread_mutex_unlock(&ipc->pool.lock);
	return serves;
}

/* Counts a serving thread that is about to wait in a handler, and starts another if none is left.
 * Returns 0, or -EDEADLK if no thread would be left. A program with its own event loop is trusted
 * to have pool->limit threads. */
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

/* --- ipc_run() ----------------------------------------------------------------------- */

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

void pool_enter(struct ipc *ipc, int (*serve)(struct ipc *ipc))
{
	struct pool *pool = &ipc->pool;

	pthread_mutex_lock(&pool->lock);
	pool->serve = serve;
	if (!pool->runners++)
		reset_stop_fd(ipc);
	pthread_mutex_unlock(&pool->lock);
}

/* The last thread to leave joins the started threads and resets the pool for the next ipc_run(). */
int pool_leave(struct ipc *ipc, int r)
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
	ipc->route->end(ipc);
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
