// SPDX-License-Identifier: MIT
/* The exchange with the driver: see thread.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "frame.h"
#include "shm/memfd.h"
#include "thread.h"

/* A smaller payload does not become a file. */
#define FILE_MIN	((size_t)4096)
/* Bytes of a write. The deadline is checked after each write. */
#define WRITE_AT_ONCE	((size_t)16 << 20)

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
		generation_lost(t->ipc);
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
	int r = t->ipc->route->exchange(t, x);

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

/* Signals do not interrupt a write to a file of memory. */
static int write_all(int fd, const uint8_t *data, size_t size, uint64_t deadline)
{
	while (size) {
		ssize_t n = write(fd, data, size < WRITE_AT_ONCE ? size : WRITE_AT_ONCE);

		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		if (deadline && time_now() >= deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

static int write_payload(int fd, const struct ipcbus_send *send, uint64_t deadline)
{
	const struct ipcbus_iovec *parts = (const void *)(uintptr_t)send->data;
	int r = 0;

	if (!(send->flags & IPCBUS_SEND_IOV))
		return write_all(fd, (const void *)(uintptr_t)send->data, send->data_size,
				 deadline);
	for (uint32_t i = 0; r == 0 && i < send->iov_count; i++)
		r = write_all(fd, (const void *)(uintptr_t)parts[i].base, parts[i].size, deadline);
	return r;
}

int exchange_make_file(const struct ipcbus_send *send, uint64_t deadline)
{
	int fd, r;

	if (send->data_size < FILE_MIN || send->data_size > IPC_MESSAGE_MAX ||
	    send->kind == IPCBUS_SEND_ERROR || send->object_count >= IPCBUS_MAX_OBJECTS)
		return -EMSGSIZE;
	fd = memory_file(send->data_size);
	if (fd < 0)
		return fd;
	r = write_payload(fd, send, deadline);
	if (r == 0)
		r = memory_seal_write(fd, F_SEAL_SEAL);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int exchange_send_file(struct thread *t, struct ipcbus_exchange *x, int fd)
{
	const struct ipcbus_send send = x->send;
	const struct frame_header header = {
		.magic = FRAME_MAGIC,
		.message_size = (uint32_t)send.data_size,
		.in_file = 1,
	};
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
	int r;

	if (send.object_count)
		memcpy(objects, (const void *)(uintptr_t)send.objects,
		       send.object_count * sizeof(objects[0]));
	objects[send.object_count] = (struct ipcbus_object){
		.type = IPCBUS_OBJECT_FD,
		.value = (uint64_t)fd,
		.tag = IPC_RAW_FILE_TAG,
	};
	x->send.flags &= ~IPCBUS_SEND_IOV;
	x->send.iov_count = 0;
	x->send.data = (uintptr_t)&header;
	x->send.data_size = sizeof(header);
	x->send.objects = (uintptr_t)objects;
	x->send.object_count = send.object_count + 1;
	r = thread_try(t, x);
	x->send = send;
	return r == -EPERM ? -EMSGSIZE : r;
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
	fd = r = exchange_make_file(&x->send, x->send.deadline);
	if (fd >= 0) {
		r = exchange_send_file(t, x, fd);
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
static inline bool thread_release(struct thread *t, uint64_t buffer)
{
	if (unlikely(is_route_buffer(buffer))) {
		t->ipc->route->release(t, buffer);
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
	thread_release(t, buffer);
}

void thread_release_lost(struct ipc *ipc, uint64_t buffer)
{
	if (buffer && !is_route_buffer(buffer))
		device_released(&ipc->device, buffer);
}

void thread_release_later(struct thread *t, uint64_t buffer, size_t size)
{
	if (!thread_release(t, buffer))
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
