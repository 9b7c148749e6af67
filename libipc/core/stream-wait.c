// SPDX-License-Identifier: MIT
/*
 * Sending and receiving, and waiting for either. See stream.h.
 *
 * A thread that waits runs no handler. Its messages are taken from the device by
 *
 *   - another thread, if this thread is in a handler or callback: loop.c makes sure that another
 *     thread serves;
 *   - the threads of ipc_run(), if there are any;
 *   - else the thread itself. It takes events, handles those of streams, and leaves the rest to
 *     the backlog.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "dispatch.h"
#include "errors.h"
#include "more.h"
#include "stream-ring.h"
#include "stream.h"

/* --- Waking waiting threads ------------------------------------------------------- */

/* The stream whose messages this thread waits for while it takes an event. The thread looks at the
 * stream again afterwards, so it needs no wakeup. */
static _Thread_local struct ipc_stream *own_stream;

/* Wakes the receiving threads. If the write fails, the fd is readable already. */
void stream_wake_receiver_locked(struct ipc_stream *stream)
{
	if (stream == own_stream)
		return;
	if (unlikely(stream->ring))
		ring_alarm_locked(stream);
	if (stream->receive_fd < 0)
		return;
	stream->receive_fd_set = true;
	eventfd_write(stream->receive_fd, 1);
}

/* Wakes all threads that wait to send: the fd stays readable until a thread finds no credit. */
void stream_wake_sender_locked(struct ipc_stream *stream)
{
	if (unlikely(stream->ring))
		ring_alarm_locked(stream);
	if (stream->send_fd >= 0)
		eventfd_write(stream->send_fd, 1);
}

/* Makes the fd unreadable before a thread waits for it. */
static int arm_locked(int *fd)
{
	uint64_t count;

	if (*fd < 0)
		*fd = descriptor_move(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	else if (read(*fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return *fd < 0 ? -errno : 0;
}

static int arm_receiver_locked(struct ipc_stream *stream)
{
	int r = 0;

	if (stream->receive_fd < 0 || stream->receive_fd_set)
		r = arm_locked(&stream->receive_fd);
	stream->receive_fd_set = r < 0;
	return r;
}

/* --- Waiting ------------------------------------------------------------------------- */

static int stream_take_event(struct thread *t)
{
	int taken = more_take_event(t), r = thread_flush(t);

	return taken < 0 || r == 0 ? taken : r;
}

void stream_expire_now(struct ipc_stream *stream)
{
	bool done;

	if (stream->ipc->foreign)
		return;
	stream_lock(stream);
	done = stream->broken || (!stream->of.server && stream_is_over_locked(stream));
	stream_unlock(stream);
	if (!done)
		stream_break(stream, -ETIMEDOUT);
}

static int wait_alone(struct thread *t, struct ipc_stream *stream, int fd, uint64_t usec)
{
	struct ipc *ipc = t->ipc;
	int r;

	r = writable_make_poll(ipc, /* polls= */ 0);
	if (r < 0)
		return r;
	r = device_poll(&ipc->device, DEVICE_POLL_EVENT, fd, /* another= */ -1, usec);
	if (r < 0)
		return r;
	if (r & DEVICE_POLL_WRITABLE) {
		writable_notify(ipc);
		timers_run(ipc);
	}
	if (!(r & DEVICE_POLL_EVENT))
		return 0;
	own_stream = fd == stream->receive_fd ? stream : NULL;
	r = stream_take_event(t);
	own_stream = NULL;
	return r < 0 ? r : 0;
}

/* Waits for the ring or takes an event. Returns 1 if the caller must poll, 0, or an error. */
static __attribute__((noinline)) int wait_ring(struct thread *t, struct ipc_stream *stream, int fd,
					       bool alone, uint64_t usec)
{
	bool receives = fd == stream->receive_fd;
	int r;

	r = ring_await(stream, receives ? FOR_MESSAGE : FOR_CREDIT, alone, usec);
	if (r < 2)
		return r;
	own_stream = receives ? stream : NULL;
	r = stream_take_event(t);
	own_stream = NULL;
	return r < 0 ? r : 0;
}

static int sleep_on_fd(struct ipc_stream *stream, int fd, uint64_t deadline)
{
	bool last = stream->deadline && (!deadline || stream->deadline <= deadline);
	uint64_t end = last ? stream->deadline : deadline;
	uint64_t left = end ? time_until(end) : IPC_NEVER;
	struct ipc *ipc = stream->ipc;
	struct thread *t;
	bool serves;
	int r;

	r = thread_get(ipc, &t);
	if (r == 0)
		r = thread_flush(t);
	if (r < 0)
		return r;
	if (!left)
		return last ? 0 : -EAGAIN;

	if (t->depth)
		r = pool_block(t);
	if (r < 0)
		return r;
	serves = pool_serves(ipc);
	if (unlikely(ring_is_open(stream))) {
		r = wait_ring(t, stream, fd, !t->depth && !serves, left);
		if (r <= 0)
			return r;
	}
	if (!t->depth && !serves)
		return wait_alone(t, stream, fd, left);
	return device_poll(&ipc->device, /* polls= */ 0, fd, serves ? ipc->pool.stop_fd : -1, left);
}

/* Sleeps until the fd is readable, or another event such as the stream's deadline or the end of the
 * bus. Returns 0, or -EAGAIN after @deadline (0: none). */
static int wait_fd(struct ipc_stream *stream, int fd, uint64_t deadline)
{
	int r = sleep_on_fd(stream, fd, deadline);

	/* Without a serving thread, only this thread notices the end of the bus. */
	if (r == -ECONNRESET)
		stream_break(stream, r);
	return r == -ECONNRESET || r == -EINTR || r > 0 ? 0 : r;
}

/* --- Sending ------------------------------------------------------------------------ */

/* Returns 0, or the error for which no message can be sent any more. */
static int may_send_locked(const struct ipc_stream *stream)
{
	if (likely(!stream->out_ended && !stream->in_ended && !stream->broken))
		return 0;
	if (stream->out_ended)
		return stream->refused ? stream->broken : -EPIPE;
	/* The server has ended the stream: it takes no more. */
	if (!stream->of.server && stream->in_ended)
		return stream->in_error.code ?: -EPIPE;
	/* The client ended its messages with an error, and has died since. */
	if (stream->broken == -EOWNERDEAD && stream->in_error.code)
		return stream->in_error.code;
	return stream->broken;
}

/* The same as use_credit(), which holds the lock. Drops it. */
static __attribute__((noinline)) int send_in_ring_locked(struct ipc_stream *stream, int r,
							 const void *message)
{
	struct stream_ring *ring = stream->ring;
	unsigned int bell = 0;

	if (r == 0 && !stream->credit)
		r = ring_collect_locked(stream);
	if (r == 0 && !stream->credit)
		r = -EAGAIN;
	if (r == 0 && unlikely(!ring->sends))
		ring_begin_locked(stream);
	if (r == 0) {
		stream->credit--;
		if (likely(ring->sends))
			r = ring_send_locked(stream, message, &bell);
		stream->sending += !r;
	}
	stream_unlock(stream);
	if (unlikely(bell))
		ring_ring(stream, FOR_MESSAGE, bell);
	if (unlikely(r == -EPROTO))
		stream_refuse(stream, r);
	return r;
}

/* Takes a credit: 0; 1: and sent the message through the ring; -EAGAIN: there is no credit now; or
 * the error for which there will be none. */
static int use_credit(struct ipc_stream *stream, const void *message)
{
	int r;

	stream_lock(stream);
	r = may_send_locked(stream);
	if (unlikely(stream->ring))
		return send_in_ring_locked(stream, r, message);
	if (r == 0 && !stream->credit)
		r = -EAGAIN;
	if (r == 0) {
		stream->credit--;
		stream->sending++;
	}
	stream_unlock(stream);
	return r;
}

/* Marks a message that was sent, or takes its credit back. r: the result of sending. */
static void sent_by_bus(struct ipc_stream *stream, int r)
{
	unsigned int bell = 0;

	stream_lock(stream);
	stream->sending--;
	if (r < 0)
		stream->credit++;
	else
		bell = ring_mark_locked(stream);
	stream_unlock(stream);
	if (unlikely(bell))
		ring_ring(stream, FOR_MESSAGE, bell);
}

/* Returns 0, or an error of sending. *ret_full: there is credit, but no space. */
static int stream_try_send(struct ipc_stream *stream, const void *message, bool *ret_full)
{
	int r;

	*ret_full = false;
	r = use_credit(stream, message);
	if (r)
		return r < 0 ? r : 0;
	r = stream->of.type->send(stream, message);
	if (r < 0 || unlikely(stream->had_channels))
		sent_by_bus(stream, r);
	*ret_full = r == -EAGAIN;
	return r;
}

/* Arranges that new credit wakes this thread or, if it does not wait, runs on_writable. Returns 1
 * if so, or 0 if there is neither. */
static int want_credit(struct ipc_stream *stream, bool wait)
{
	int r = 1;

	stream_lock(stream);
	if (wait)
		r = arm_locked(&stream->send_fd) ?: 1;
	else if (stream->has_ops && stream->ops.on_writable)
		stream->wants_writable = true;
	else
		r = 0;
	if (!wait && ring_arm_locked(stream, FOR_CREDIT))
		r = 1;
	stream_unlock(stream);
	return r;
}

static int send_within(struct ipc_stream *stream, bool wait, uint64_t deadline,
		       const void *message)
{
	bool credit = false, space = false, full;
	int r;

	for (;;) {
		stream_expire(stream);
		r = stream_try_send(stream, message, &full);
		if (r != -EAGAIN)
			return r;
		/* Try again after each arrangement, before this thread sleeps. */
		if (!credit || (full && !space)) {
			r = want_credit(stream, wait);
			if (r > 0 && full)
				r = stream_want_space(stream) ?: 1;
			if (r <= 0)
				return r ?: -EAGAIN;
			credit = true;
			space = full;
			continue;
		}
		if (!wait)
			return -EAGAIN;
		r = wait_fd(stream, stream->send_fd, deadline);
		if (r < 0)
			return r;
		credit = space = false;
	}
}

int stream_send(struct ipc_stream *stream, uint64_t timeout_usec, const void *message)
{
	uint64_t deadline = 0;

	if (stream->ipc->foreign)
		return -ECHILD;
	if (unlikely(ring_state(stream)) && ring_use(stream))
		ring_flush(stream->ipc);
	if (timeout_usec && timeout_usec != IPC_NEVER)
		deadline = deadline_after(timeout_usec);
	return send_within(stream, timeout_usec, deadline, message);
}

/* --- Receiving ------------------------------------------------------------------------ */

static inline void take_item_locked(struct ipc_stream *stream, struct stream_item *item)
{
	stream->owed++;
	stream->n_received++;
	stream->current = item;
}

/* Returns the result without a message: 0 at the end, -EAGAIN if none arrived yet, or an error. */
static inline int no_message_locked(const struct ipc_stream *stream, struct ipc_error *error)
{
	if (stream->in_ended && !stream->lost)
		return stream->in_error.code ? error_copy(error, &stream->in_error) : 0;
	if (stream->broken)
		return error_from(error, stream->broken_by, stream->broken);
	return -EAGAIN;
}

/* Makes the next message current. Returns 1, or as no_message_locked() if there is none. */
static inline int take_message_locked(struct ipc_stream *stream, const void **ret_message,
				      struct ipc_error *error)
{
	if (!stream->first)
		return no_message_locked(stream, error);
	*ret_message = stream->first->message;
	take_item_locked(stream, stream_pop_locked(stream));
	return 1;
}

/* Returns the credit to grant, if half of the window is free and messages may follow, or 0. */
static unsigned int take_owed_locked(struct ipc_stream *stream)
{
	unsigned int owed = stream->owed;

	if (2 * owed < stream->window || stream->in_ended || stream->broken)
		return 0;
	stream->owed = 0;
	return owed;
}

/* If the sender has no space for the credit, it is sent when there is space. */
int stream_grant_credit(struct ipc_stream *stream)
{
	unsigned int owed;
	int r, bell = -1;

	stream_lock(stream);
	owed = take_owed_locked(stream);
	if (owed)
		bell = ring_grant_locked(stream, owed);
	stream_unlock(stream);
	if (!owed)
		return 0;
	if (bell >= 0) {
		ring_ring(stream, FOR_CREDIT, (unsigned int)bell);
		return 0;
	}

	do {
		r = stream_send_credit(stream, owed);
		if (r == -EAGAIN)
			r = stream_want_space(stream) ?: -EAGAIN;
	} while (r > 0);
	if (r == -ENOMEM || r == -EAGAIN) {
		stream_lock(stream);
		stream->owed += owed;
		stream_unlock(stream);
		return r == -ENOMEM ? r : 0;
	}
	/* A sender without credit would wait for ever, so the stream ends. */
	if (r < 0)
		stream_break(stream, r);
	return 0;
}

/* Grants credit if half of the window is free. Returns whether a bell must follow. */
static unsigned int grant_in_ring_locked(struct ipc_stream *stream)
{
	unsigned int owed = ring_is_open(stream) ? take_owed_locked(stream) : 0;

	return owed ? (unsigned int)ring_grant_locked(stream, owed) : 0;
}

/* The same as try_receive(), which holds the lock. Drops it. */
static __attribute__((noinline)) int receive_with_ring_locked(struct ipc_stream *stream, bool arm,
							      const void **ret_message,
							      struct ipc_error *error)
{
	struct stream_item *old, *item;
	int r, armed = 0, taken = 0;
	unsigned int bell;

	ring_free_current_locked(stream);
	old = stream->current;
	stream->current = NULL;
	bell = grant_in_ring_locked(stream);
	if (!ring_is_read_locked(stream)) {
		r = take_message_locked(stream, ret_message, error);
	} else if ((taken = ring_take_locked(stream, &item)) > 0) {
		take_item_locked(stream, item);
		*ret_message = item->message;
		r = 1;
	} else {
		/* A lost message: the stream does not end well, even if its end came already. */
		stream->ring->stopped = taken < 0;
		stream->lost |= taken < 0;
		r = taken < 0 ? 2 : no_message_locked(stream, error);
	}
	if (r == -EAGAIN && arm)
		armed = arm_receiver_locked(stream);
	else if (r == -EAGAIN && ring_arm_locked(stream, FOR_MESSAGE))
		r = 2;
	stream_unlock(stream);
	if (unlikely(bell))
		ring_ring(stream, FOR_CREDIT, bell);
	if (unlikely(old))
		stream_free_items(stream, old);
	if (unlikely(taken < 0))
		stream_refuse(stream, taken);
	return armed < 0 ? error_set(error, armed) : r;
}

/* As take_message_locked(), or 2: try again. */
static int try_receive(struct ipc_stream *stream, bool arm, const void **ret_message,
		       struct ipc_error *error)
{
	int r, armed = 0;

	stream_lock(stream);
	if (unlikely(stream->ring))
		return receive_with_ring_locked(stream, arm, ret_message, error);
	r = take_message_locked(stream, ret_message, error);
	if (r == -EAGAIN && arm)
		armed = arm_receiver_locked(stream);
	stream_unlock(stream);
	return armed < 0 ? error_set(error, armed) : r;
}

int stream_receive(struct ipc_stream *stream, uint64_t timeout_usec, const void **ret_message,
		   struct ipc_error *error)
{
	uint64_t deadline = timeout_usec == IPC_NEVER ? 0 : deadline_after(timeout_usec);
	bool open = false;
	int r;

	if (stream->ipc->foreign)
		return error_set(error, -ECHILD);
	if (unlikely(ring_state(stream)))
		open = ring_use(stream);
	/* With a ring try_receive() does both under one lock. */
	if (!open)
		stream_free_current(stream);
	for (;;) {
		stream_expire(stream);
		r = open ? 0 : stream_grant_credit(stream);
		if (r < 0)
			return error_set(error, r);
		r = try_receive(stream, timeout_usec != 0, ret_message, error);
		if (unlikely(r == 2))
			continue;
		if (r != -EAGAIN || !timeout_usec)
			return r;
		r = wait_fd(stream, stream->receive_fd, deadline);
		if (r < 0)
			return r == -EAGAIN ? r : error_set(error, r);
	}
}
