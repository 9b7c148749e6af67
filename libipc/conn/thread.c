// SPDX-License-Identifier: MIT
/*
 * The states of threads: see thread.h.
 *
 * A thread has a list of states, for each connection that it used, and frees them when it ends. A
 * connection that closes only marks the states of other threads; each thread frees its own when it
 * next makes one, or ends.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "thread.h"

__thread struct thread *thread_last;
static __thread struct thread *thread_list;

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static atomic_bool exit_set;
static int exit_error;

/* Leaves the batch of a thread that ends to a serving thread: the handler may never return to the
 * rest. If the connection is not open (live is false), frees the batch. */
static void end_batch(struct thread *t, bool live)
{
	struct batch *batch = t->batch.serving;

	free(t->batch.spare);
	t->batch.spare = NULL;
	t->batch.serving = NULL;
	if (batch && live)
		backlog_add(t->ipc, &batch->base, /* wake= */ true);
	else
		free(batch);
}

static void thread_free(struct thread *t)
{
	if (t == thread_last)
		thread_last = NULL;
	end_batch(t, /* live= */ false);
	free(t->channel_buffer);
	free(t->spare);
	free(t->spare_reply);
	free(t->scratch.data);
	free(t);
}

/* Under the connections lock. */
static void thread_unlink_locked(struct thread *t)
{
	LIST_REMOVE(t, link);
	t->ipc = NULL;
}

/* Drops a thread's references of channels. Releases the connections lock meanwhile, because it is
 * taken for an object that is freed. ipc->leaving keeps the device open. */
static void end_channels_unlocked(struct thread *t)
{
	struct channel_view *view = t->channels;
	struct ipc *ipc = t->ipc;

	t->channels = NULL;
	ipc->leaving++;
	connections_unlock();
	ipc->route->free_view(view);
	connections_lock();
	ipc->leaving--;
}

/*
 * Takes a thread that ends off its connection. The lock keeps an open connection open in the
 * meantime. Errors of the driver do not matter to the thread.
 */
static void thread_leave(struct thread *t)
{
	connections_lock();
	if (t->ipc && t->channels)
		end_channels_unlocked(t);
	if (t->ipc) {
		if (t->idle)
			atomic_fetch_sub(&t->ipc->pool.idle, 1);
		if (!t->ipc->foreign && !t->ipc->closing) {
			thread_flush(t);
			end_batch(t, /* live= */ true);
			device_thread_exit(&t->ipc->device);
		}
		thread_unlink_locked(t);
	}
	connections_unlock();
}

static void thread_exit(void *list)
{
	struct thread *t = list;

	thread_list = NULL;
	while (t) {
		struct thread *next = t->next;

		thread_leave(t);
		thread_free(t);
		t = next;
	}
}

static void exit_init(void)
{
	exit_error = -pthread_key_create(&exit_key, thread_exit);
	exit_set = !exit_error;
}

/*
 * A plugin may contain the library, and be unloaded: then no thread may call thread_exit() any
 * more. At the end of the process other threads may still run: thread_new() then does without.
 */
static void __attribute__((destructor)) exit_done(void)
{
	if (atomic_exchange(&exit_set, false))
		pthread_key_delete(exit_key);
}

/* Frees the calling thread's states of connections that closed meanwhile. */
static void thread_prune(void)
{
	struct thread **link = &thread_list;

	connections_lock();
	while (*link) {
		struct thread *t = *link;

		if (t->ipc) {
			link = &t->next;
			continue;
		}
		*link = t->next;
		thread_free(t);
	}
	connections_unlock();
}

static void thread_link(struct thread *t, struct ipc *ipc)
{
	connections_lock();
	t->ipc = ipc;
	t->ipc_id = ipc->id;
	LIST_INSERT_HEAD(&ipc->threads, t, link);
	connections_unlock();
}

static int thread_new(struct ipc *ipc, struct thread **ret_thread)
{
	struct thread *t;
	int r;

	pthread_once(&exit_once, exit_init);
	if (exit_error)
		return exit_error;

	thread_prune();
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;

	t->next = thread_list;
	r = pthread_setspecific(exit_key, t);
	if (r && atomic_load(&exit_set)) {
		free(t);
		return -r;
	}
	thread_list = t;
	thread_link(t, ipc);
	*ret_thread = t;
	return 0;
}

int thread_find_serving(struct ipc *ipc, struct thread **ret_thread)
{
	struct thread *t;
	int r;

	if (ipc->foreign)
		return -ECHILD;

	for (t = thread_list; t; t = t->next)
		if (t->ipc_id == ipc->id)
			break;
	if (!t) {
		r = thread_new(ipc, &t);
		if (r < 0)
			return r;
	}
	thread_last = t;
	*ret_thread = t;
	return 0;
}

int thread_find(struct ipc *ipc, struct thread **ret_thread)
{
	struct thread *t;
	int r;

	r = thread_find_serving(ipc, &t);
	if (r == 0)
		r = thread_catch_up(t);
	if (r == 0)
		*ret_thread = t;
	return r;
}

void threads_end_channels(struct ipc *ipc)
{
	struct thread *t;

	for (;;) {
		LIST_FOREACH(t, &ipc->threads, link)
			if (t->channels)
				break;
		if (t) {
			end_channels_unlocked(t);
		} else if (ipc->leaving && !ipc->foreign) {
			connections_unlock();
			sched_yield();
			connections_lock();
		} else {
			return;
		}
	}
}

void threads_detach(struct ipc *ipc)
{
	while (!LIST_EMPTY(&ipc->threads))
		thread_unlink_locked(LIST_FIRST(&ipc->threads));
}

void threads_forget(void)
{
	thread_last = NULL;
}

/* --- The end of the bus --------------------------------------------------------------- */

static void forget_numbers(struct thread *t)
{
	t->number = 0;
	t->n_release = 0;
	t->release_bytes = 0;
	t->stash = (struct stash){ .kind = IPCBUS_SEND_NONE };
}

int thread_catch_up(struct thread *t)
{
	uint64_t generation = atomic_load(&t->ipc->generation);

	if (t->generation == generation)
		return 0;
	if (t->generation)
		forget_numbers(t);
	if (generation == GENERATION_LOST)
		return -ECONNRESET;
	t->generation = generation;
	return 0;
}

int thread_reconnect(struct ipc *ipc)
{
	struct thread *t;
	int r;

	if (!ipc->reconnect.step || ipc->foreign)
		return 0;
	/* Only a failed exchange calls generation_lost() by itself. */
	if (device_has_ended(&ipc->device))
		generation_lost(ipc);
	if (!generation_is_lost(ipc))
		return 0;
	r = thread_find_serving(ipc, &t);
	if (r < 0)
		return r;
	if (t->depth || t->waiting || pool_serves(ipc) || ipc->backlog.all_fd >= 0)
		return -ECONNRESET;
	while (generation_is_lost(ipc) && ipc->reconnect.step(t))
		;
	return generation_is_lost(ipc) ? -ECONNRESET : 0;
}
