// SPDX-License-Identifier: MIT
/*
 * Threads and the exchange. See thread.h.
 *
 * A thread has a list of states, for each connection that it used, and frees them when it ends. A
 * connection that closes only marks the states of other threads; each thread frees its own when it
 * next makes one, or ends.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/call.h"
#include "channels/channel-server.h"
#include "core/payload.h"
#include "thread.h"

__thread struct thread *thread_last;
static __thread struct thread *thread_list;

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static atomic_bool exit_set;
static int exit_error;

static void thread_free(struct thread *t)
{
	if (t == thread_last)
		thread_last = NULL;
	more_thread_ends(t, /* live= */ false);
	if (t->channels)
		channels_view_free(t->channels);
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
	channels_view_free(view);
	connections_lock();
	ipc->leaving--;
}

/*
 * The lock keeps an open connection open in the meantime. Errors of the driver do not matter to a
 * thread that is ending.
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
			more_thread_ends(t, /* live= */ true);
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
		r = reconnect_catch_up(t);
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

/* Removes the buffers that a failed exchange has handled. An invalid buffer is not retried. */
static void release_done(struct thread *t, const struct ipcbus_event *event)
{
	unsigned int done = event->stage > IPCBUS_STAGE_RELEASE ? t->n_release : 0;
	unsigned int left = 0;

	if (event->stage == IPCBUS_STAGE_RELEASE)
		done = event->index + 1;
	for (unsigned int i = done; i < t->n_release; i++)
		t->release[left++] = t->release[i];
	t->n_release = left;
	if (!left)
		t->release_bytes = 0;
}

static __attribute__((noinline, cold)) void try_failed(struct thread *t,
						       const struct ipcbus_exchange *x, int r)
{
	release_done(t, &x->event);
	if (r == -ECONNRESET)
		reconnect_lost(t->ipc);
}

static inline __attribute__((always_inline)) int exchange_bus(struct thread *t,
							      struct ipcbus_exchange *x)
{
	int r;

	x->thread = t->number;
	x->release_count = t->n_release;
	x->release = t->n_release == 1 ? t->release[0] : (uintptr_t)t->release;
	if (!t->n_release)
		x->release = 0;
	r = device_exchange(&t->ipc->device, t->generation, x);
	if (unlikely(r < 0)) {
		try_failed(t, x, r);
		return r;
	}

	t->n_release = 0;
	t->release_bytes = 0;
	t->number = x->event.thread;
	return 0;
}

int thread_exchange_bus(struct thread *t, struct ipcbus_exchange *x)
{
	return exchange_bus(t, x);
}

/* Out of line: without channels it costs a branch. */
static __attribute__((noinline)) int exchange_channels(struct thread *t, struct ipcbus_exchange *x)
{
	int r = channels_exchange(t, x);

	/* A thread that must poll does not wait in the bus after the end of the last channel. */
	if (x->flags & IPCBUS_SERVE && unlikely(atomic_load(&t->ipc->attention) & ATTEND_POLL))
		x->flags |= IPCBUS_NONBLOCK;
	return r <= 0 ? r : thread_exchange_bus(t, x);
}

int thread_try(struct thread *t, struct ipcbus_exchange *x)
{
	if (unlikely(atomic_load_explicit(&t->ipc->channels, memory_order_relaxed)))
		return exchange_channels(t, x);
	return exchange_bus(t, x);
}

/* The exchange has failed with @error. If the receiver's region has no space for the message, sends
 * it as a file. If it has none at the moment and takes no file, returns @error. */
static __attribute__((noinline)) int exchange_file(struct thread *t, struct ipcbus_exchange *x,
						   int error)
{
	bool full = x->event.stage == IPCBUS_STAGE_BUFFER &&
		    (error == -ENOSPC || error == -EDQUOT);
	int fd, r;

	if (!full && error != -EMSGSIZE)
		return error;
	fd = r = payload_make(&x->send, x->send.deadline);
	if (fd >= 0) {
		r = payload_send(t, x, fd);
		close(fd);
	}
	return full && r == -EMSGSIZE ? error : r;
}

int thread_exchange(struct thread *t, struct ipcbus_exchange *x)
{
	int r = thread_try(t, x);

	return unlikely(r < 0) ? exchange_file(t, x, r) : r;
}

/*
 * The stash could not be sent, but its call is still open: replace the reply by an error without a
 * payload, so that the caller does not wait forever. If that fails too, or if the call is no longer
 * open, drop the stash.
 */
static void stash_weaken(struct stash *stash, int error)
{
	if (error == -ESRCH || error == -ECONNRESET ||
	    (stash->kind == IPCBUS_SEND_ERROR && !stash->size)) {
		/* Without a message, the driver requires all other fields to be 0. */
		*stash = (struct stash){ .kind = IPCBUS_SEND_NONE };
		return;
	}
	if (stash->kind == IPCBUS_SEND_REPLY)
		stash->code = (uint32_t)-error;
	stash->kind = IPCBUS_SEND_ERROR;
	stash->size = 0;
}

int thread_wait(struct thread *t, unsigned int flags, struct ipcbus_exchange *x)
{
	for (;;) {
		int r;

		x->flags = flags;
		x->send = (struct ipcbus_send){
			.kind = t->stash.kind,
			.code = t->stash.code,
			.call = t->stash.call,
			.data = t->stash.size ? (uintptr_t)t->scratch.data : 0,
			.data_size = t->stash.size,
		};
		r = thread_exchange(t, x);
		if (likely(r == 0)) {
			t->stash = (struct stash){ .kind = IPCBUS_SEND_NONE };
			return 0;
		}
		if (t->stash.kind == IPCBUS_SEND_NONE)
			return r;
		stash_weaken(&t->stash, r);
	}
}

int thread_flush(struct thread *t)
{
	struct ipcbus_exchange x;

	if (t->stash.kind == IPCBUS_SEND_NONE && !t->n_release)
		return 0;

	return thread_wait(t, /* flags= */ 0, &x);
}

void thread_stash(struct thread *t, uint32_t kind, uint32_t code, uint64_t call,
		  size_t size)
{
	t->stash = (struct stash){ .kind = kind, .code = code, .call = call, .size = size };
}

size_t thread_may_hold(const struct thread *t)
{
	size_t max = t->ipc->device.region_size / IPC_MAX_THREADS;

	return max < (64 << 10) ? max : 64 << 10;
}

static __attribute__((noinline)) void release_now(struct thread *t)
{
	/* Keep the stash: its handler may still be running. */
	struct ipcbus_exchange x = { .send = { .kind = IPCBUS_SEND_NONE } };

	thread_exchange(t, &x);
	/* The list stays full only after a fork or a closed fd, when the buffers do not matter. */
	if (t->n_release == THREAD_MAX_RELEASE)
		t->n_release--;
}

/* Returns whether the bus must release the buffer. */
static inline bool release(struct thread *t, uint64_t buffer)
{
	if (unlikely(is_channel_buffer(buffer))) {
		channel_buffer_release(t, buffer);
		return false;
	}
	if (!buffer)
		return false;
	device_released(&t->ipc->device, buffer);
	t->release[t->n_release++] = buffer;
	if (unlikely(t->n_release == THREAD_MAX_RELEASE))
		release_now(t);
	return true;
}

void thread_release_next(struct thread *t, uint64_t buffer)
{
	release(t, buffer);
}

void thread_release_lost(struct ipc *ipc, uint64_t buffer)
{
	if (buffer && !is_channel_buffer(buffer))
		device_released(&ipc->device, buffer);
}

void thread_release_later(struct thread *t, uint64_t buffer, size_t size)
{
	if (!release(t, buffer))
		return;
	t->release_bytes += size;
	if (unlikely(t->release_bytes > thread_may_hold(t)))
		thread_flush(t);
}

/* Does not keep the contents of the scratch. */
int scratch_resize(struct scratch *scratch, size_t size)
{
	size_t want = (size + 4096) & ~(size_t)4095;
	uint8_t *data;

	data = malloc(want);
	if (!data)
		return -ENOMEM;

	free(scratch->data);
	*scratch = (struct scratch){ .data = data, .size = want };
	return 0;
}
