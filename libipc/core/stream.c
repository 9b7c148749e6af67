// SPDX-License-Identifier: MIT
/*
 * One end of a stream: its life, sending, receiving, waiting for either. See
 * stream.h; what the other end says comes in through stream-peer.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "deadline.h"
#include "errors.h"
#include "object.h"
#include "stream.h"
#include "thread.h"

/* As good as for ever, where that cannot be said. */
#define A_YEAR_USEC	(UINT64_C(365) * 24 * 3600 * 1000000)

/* --- Waking whoever waits -------------------------------------------------------- */

static void wake_fd(int fd)
{
	static const uint64_t one = 1;

	/* It can only be full, and then it is readable already. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

void stream_wake_receiver_locked(struct ipc_stream *stream)
{
	wake_fd(stream->receive_fd);
}

void stream_wake_sender_locked(struct ipc_stream *stream)
{
	wake_fd(stream->send_fd);
}

void stream_call_back(struct ipc_stream *stream)
{
	ipc_stream_cb cb;
	void *userdata;

	pthread_mutex_lock(&stream->lock);
	cb = stream->closed ? NULL : stream->cb;
	userdata = stream->cb_userdata;
	pthread_mutex_unlock(&stream->lock);
	if (cb)
		cb(stream, userdata);
}

/* What is waited for is not so: whatever was said before is stale. */
static int arm_locked(int *fd)
{
	uint64_t count;

	if (*fd < 0)
		*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	else if (read(*fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return *fd < 0 ? -errno : 0;
}

static int poll_alone(int fd, uint64_t usec)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int timeout = usec / 1000 < INT_MAX ? (int)(usec / 1000) + 1 : -1;

	return poll(&pfd, 1, timeout) < 0 && errno != EINTR ? -errno : 0;
}

/*
 * Sleeps until the fd says something or the deadline (0: none) is over, -EAGAIN. It
 * may be this very thread that the connection needs to be served by, so what comes
 * meanwhile is served; a thread that waits for a reply may not.
 */
static int wait_fd(struct ipc_stream *stream, int fd, uint64_t deadline)
{
	struct ipc *ipc = stream->ipc;
	uint64_t left = IPC_NEVER;
	struct thread *t;
	int r;

	r = thread_get(ipc, &t);
	if (r == 0)
		r = thread_flush(t);
	if (r == 0)
		r = writable_make_poll(ipc, /* polls= */ 0);
	if (r < 0)
		return r;
	if (deadline)
		left = time_until(deadline);
	if (!left)
		return -EAGAIN;

	if (t->waiting)
		return poll_alone(fd, left);
	r = device_poll(&ipc->device, fd, left);
	if (r < 0)
		return r == -EINTR ? 0 : r;
	if (r & DEVICE_POLL_WRITABLE)
		writable_notify(ipc);
	if (r & DEVICE_POLL_EVENT)
		r = ipc_process(ipc);
	return r < 0 ? r : 0;
}

/* --- Space -------------------------------------------------------------------------- */

static void stream_is_writable(struct writable_waiter *waiter)
{
	struct ipc_stream *stream =
		(struct ipc_stream *)((char *)waiter - offsetof(struct ipc_stream, writable));

	pthread_mutex_lock(&stream->lock);
	stream_wake_sender_locked(stream);
	pthread_mutex_unlock(&stream->lock);
	stream_call_back(stream);
	stream_put(stream);
}

static int want_writable(struct ipc_stream *stream, bool by_others)
{
	int r;

	stream_hold(stream);
	r = writable_want(stream->ipc, &stream->writable, by_others);
	if (r <= 0)
		stream_put(stream);
	return r;
}

static void forget_writable(struct ipc_stream *stream)
{
	if (writable_forget(stream->ipc, &stream->writable))
		stream_put(stream);
}

/* --- Life ------------------------------------------------------------------------- */

int stream_new(struct ipc *ipc, const struct stream_of *of, struct ipc_stream **ret_stream)
{
	struct ipc_stream *stream = calloc(1, of->size);
	int r;

	if (!stream)
		return -ENOMEM;
	atomic_init(&stream->refs, 1);
	atomic_init(&stream->users, 1);
	stream->ipc = ipc_ref(ipc);
	stream->of = *of;
	stream->last = &stream->first;
	stream->receive_fd = -1;
	stream->send_fd = -1;
	stream->writable.ready = stream_is_writable;
	pthread_mutex_init(&stream->lock, NULL);

	r = stream_make_objects(stream);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	*ret_stream = stream;
	return 0;
}

static void peer_died(struct ipc_proxy *proxy, void *userdata)
{
	struct ipc_stream *stream = userdata;

	(void)proxy;
	stream_break(stream, -EOWNERDEAD);
	stream_put(stream);
}

int stream_watch(struct ipc_stream *stream)
{
	int r;

	stream_hold(stream);
	r = ipc_proxy_on_death(stream->peer_control, peer_died, stream, &stream->watch);
	if (r < 0)
		stream_put(stream);
	return r;
}

static struct stream_item *item_free(struct stream_item *item)
{
	if (item) {
		ipc_call_unref(item->call);
		free(item);
	}
	return NULL;
}

/* Takes what nobody received off the stream; to be freed without the lock. */
static struct stream_item *take_items_locked(struct ipc_stream *stream)
{
	struct stream_item *items = stream->first;

	stream->first = NULL;
	stream->last = &stream->first;
	stream->n_items = 0;
	return items;
}

static struct stream_item *take_current(struct ipc_stream *stream)
{
	struct stream_item *current;

	pthread_mutex_lock(&stream->lock);
	current = stream->current;
	stream->current = NULL;
	pthread_mutex_unlock(&stream->lock);
	return current;
}

static void items_free(struct stream_item *items)
{
	while (items) {
		struct stream_item *next = items->next;

		item_free(items);
		items = next;
	}
}

/* No user is left: lets go of everything that could keep the other end. */
static void stream_close(struct ipc_stream *stream)
{
	struct stream_item *items;
	bool over;

	forget_writable(stream);
	pthread_mutex_lock(&stream->lock);
	stream->closed = true;
	items = take_items_locked(stream);
	over = stream->broken || (stream->out_ended && (stream->of.server || stream->in_ended)) ||
	       (!stream->of.server && stream->in_ended);
	pthread_mutex_unlock(&stream->lock);
	items_free(items);
	item_free(take_current(stream));

	if (stream->watch && ipc_proxy_off_death(stream->peer_control, stream->watch) == 0)
		stream_put(stream);
	if (!over && stream->peer_control) {
		if (stream->of.server)
			stream_send_end(stream, stream->out_code, NULL);
		else
			stream_send_cancel(stream);
	}
	ipc_proxy_unref(stream->peer_data);
	ipc_proxy_unref(stream->peer_control);
	ipc_object_unref(stream->data);
	ipc_object_unref(stream->control);
	ipc_object_unref(stream->service);
}

void stream_abandon(struct ipc_stream *stream)
{
	ipc_proxy_unref(stream->peer_data);
	ipc_proxy_unref(stream->peer_control);
	ipc_object_unref(stream->service);
	stream_put(stream);
}

void stream_put(struct ipc_stream *stream)
{
	if (!refs_drop(&stream->refs))
		return;

	if (stream->receive_fd >= 0)
		close(stream->receive_fd);
	if (stream->send_fd >= 0)
		close(stream->send_fd);
	ipc_error_done(&stream->in_error);
	pthread_mutex_destroy(&stream->lock);
	free(stream);
}

struct ipc_stream *ipc_stream_ref(struct ipc_stream *stream)
{
	if (stream)
		refs_take(&stream->users);
	return stream;
}

struct ipc_stream *ipc_stream_unref(struct ipc_stream *stream)
{
	struct ipc *ipc;

	if (!stream || !refs_drop(&stream->users))
		return NULL;

	ipc = stream->ipc;
	stream_close(stream);
	stream_put(stream);
	ipc_unref(ipc);
	return NULL;
}

void stream_break(struct ipc_stream *stream, int code)
{
	pthread_mutex_lock(&stream->lock);
	if (!stream->broken)
		stream->broken = code;
	stream_wake_receiver_locked(stream);
	stream_wake_sender_locked(stream);
	pthread_mutex_unlock(&stream->lock);
	stream_call_back(stream);
	if (stream_take_deferred(stream))
		stream_abandon(stream);
}

/* --- Sending ------------------------------------------------------------------------ */

/* 0: there is credit, and one less now; -EAGAIN: there is none; or why never. */
static int take_credit_locked(struct ipc_stream *stream)
{
	if (stream->out_ended)
		return -EPIPE;
	/* The server has replied: it does not want any more. */
	if (!stream->of.server && stream->in_ended)
		return stream->in_error.code ?: -EPIPE;
	if (stream->broken)
		return stream->broken;
	if (!stream->credit)
		return -EAGAIN;
	stream->credit--;
	return 0;
}

/* The message did not go: its credit is for another. */
static void return_credit(struct ipc_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	stream->credit++;
	pthread_mutex_unlock(&stream->lock);
}

/* One that is to go on a stream, and how far it came. */
struct sending {
	const void *message;
	uint64_t timeout_usec;
	uint64_t deadline;	/* 0: none */
	bool announced;		/* whoever gives credit wakes this thread */
	bool full;		/* there was credit, but no space */
	bool waits;	/* that has been said since it woke up last */
	bool waited;	/* or ever */
};

/*
 * How long the driver is to wait for space: not at all, for this thread may be the one
 * that makes the other end's sender go on; unless it may not serve now.
 */
static uint64_t space_usec(struct ipc_stream *stream, const struct sending *sending)
{
	struct thread *t;

	if (!sending->timeout_usec || thread_get(stream->ipc, &t) < 0 || !t->waiting)
		return 0;
	return sending->deadline ? time_until(sending->deadline) ?: 1 : A_YEAR_USEC;
}

static int try_send(struct ipc_stream *stream, struct sending *sending)
{
	struct ipc_options options = { 0 };
	int r;

	pthread_mutex_lock(&stream->lock);
	r = take_credit_locked(stream);
	pthread_mutex_unlock(&stream->lock);
	sending->full = false;
	if (r < 0)
		return r;

	options.timeout_usec = space_usec(stream, sending);
	r = stream->of.type->send(stream, sending->message, &options);
	if (r < 0)
		return_credit(stream);
	if (r != -ETIMEDOUT && r != -EAGAIN)
		return r;
	sending->full = true;
	return -EAGAIN;
}

/* Has this thread, or the callback, notified when to try again: 1, to look once more after
 * that; 0: that is done already, or nobody wants to know. */
static int announce(struct ipc_stream *stream, struct sending *sending)
{
	bool cb;
	int r = 0;

	pthread_mutex_lock(&stream->lock);
	cb = stream->cb;
	if (sending->timeout_usec && !sending->announced)
		r = arm_locked(&stream->send_fd);
	pthread_mutex_unlock(&stream->lock);
	if (r < 0)
		return r;

	if (sending->timeout_usec && !sending->announced)
		r = 1;
	sending->announced = true;
	if (!sending->full || sending->waits || (!sending->timeout_usec && !cb))
		return r;
	r = want_writable(stream, cb);
	if (r < 0)
		return r;
	sending->waits = true;
	sending->waited = true;
	return 1;
}

static int send_within(struct ipc_stream *stream, struct sending *sending)
{
	int r;

	for (;;) {
		r = try_send(stream, sending);
		if (r != -EAGAIN)
			return r;
		r = announce(stream, sending);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (!sending->timeout_usec)
			return -EAGAIN;
		r = wait_fd(stream, stream->send_fd, sending->deadline);
		if (r < 0)
			return r;
		sending->announced = false;
		sending->waits = false;
	}
}

int stream_send(struct ipc_stream *stream, uint64_t timeout_usec, const void *message)
{
	struct sending sending = { .message = message, .timeout_usec = timeout_usec };
	int r;

	if (timeout_usec && timeout_usec != IPC_NEVER)
		sending.deadline = deadline_after(timeout_usec);
	r = send_within(stream, &sending);
	/* One that did not go is to be tried again: the callback says when. */
	if (unlikely(sending.waited) && r != -EAGAIN)
		forget_writable(stream);
	return r;
}

/* To be said again, by the program, or when it lets go of the stream. */
static void end_failed(struct ipc_stream *stream, int code)
{
	pthread_mutex_lock(&stream->lock);
	stream->out_ended = false;
	stream->out_code = code;
	pthread_mutex_unlock(&stream->lock);
}

static int end_with(struct ipc_stream *stream, int code, const struct ipc_error *error)
{
	bool ended;
	int r = 0;

	pthread_mutex_lock(&stream->lock);
	ended = stream->out_ended;
	if (!ended && stream->broken)
		r = stream->broken;
	stream->out_ended = true;
	stream_wake_sender_locked(stream);
	pthread_mutex_unlock(&stream->lock);

	if (ended)
		return -EALREADY;
	if (r < 0)
		return r;
	r = stream_send_end(stream, code, error);
	if (r < 0)
		end_failed(stream, code);
	return r;
}

int ipc_stream_end(struct ipc_stream *stream)
{
	return stream ? end_with(stream, 0, NULL) : -EINVAL;
}

int ipc_stream_fail(struct ipc_stream *stream, int code, const char *name, const char *format,
		    ...)
{
	struct ipc_error error = { .name = (char *)name };
	va_list args;
	int r;

	if (name)
		code = -EREMOTEIO;
	if (!stream || code >= 0 || code < -ERRNO_MAX)
		return -EINVAL;
	if (format) {
		va_start(args, format);
		if (vasprintf(&error.message, format, args) < 0)
			error.message = NULL;
		va_end(args);
	}
	r = end_with(stream, code, &error);
	free(error.message);
	return r;
}

int ipc_stream_raise(struct ipc_stream *stream, const struct ipc_error *error)
{
	int code;

	if (!stream || error_check(error, &code) < 0)
		return -EINVAL;
	return end_with(stream, code, error);
}

void ipc_stream_cancel(struct ipc_stream *stream)
{
	struct stream_item *items;
	bool first;

	if (!stream)
		return;
	pthread_mutex_lock(&stream->lock);
	first = !stream->broken;
	if (first)
		stream->broken = -ECANCELED;
	items = take_items_locked(stream);
	stream->lost |= items || !stream->in_ended;
	pthread_mutex_unlock(&stream->lock);

	items_free(items);
	if (!first)
		return;
	stream_send_cancel(stream);
	stream_break(stream, -ECANCELED);
}

/* --- Receiving ------------------------------------------------------------------------ */

/* 1: the next message is current; 0: the end; -EAGAIN: nothing yet; or an error. */
static int take_message_locked(struct ipc_stream *stream, const void **ret_message,
			       struct ipc_error *error)
{
	struct stream_item *item = stream->first;

	if (item) {
		stream->first = item->next;
		if (!stream->first)
			stream->last = &stream->first;
		item->next = NULL;
		stream->n_items--;
		stream->owed++;
		stream->current = item;
		*ret_message = item->message;
		return 1;
	}
	if (stream->in_ended && !stream->lost)
		return stream->in_error.code ? error_copy(error, &stream->in_error) : 0;
	if (stream->broken)
		return error_set(error, stream->broken);
	return -EAGAIN;
}

/* Lets the sender go on when half of the window is free again. */
static int grant_credit(struct ipc_stream *stream)
{
	unsigned int owed = 0;
	int r = 0;

	pthread_mutex_lock(&stream->lock);
	if (stream->owed >= STREAM_WINDOW / 2 && !stream->in_ended && !stream->broken) {
		owed = stream->owed;
		stream->owed = 0;
	}
	pthread_mutex_unlock(&stream->lock);
	if (owed)
		r = stream_send_credit(stream, owed);
	if (r == -ENOMEM) {
		pthread_mutex_lock(&stream->lock);
		stream->owed += owed;
		pthread_mutex_unlock(&stream->lock);
		return r;
	}
	/* A sender without credit waits for ever: better that both know. */
	if (r < 0)
		stream_break(stream, -EPIPE);
	return 0;
}

static int try_receive(struct ipc_stream *stream, bool arm, const void **ret_message,
		       struct ipc_error *error)
{
	int r, armed = 0;

	pthread_mutex_lock(&stream->lock);
	r = take_message_locked(stream, ret_message, error);
	if (r == -EAGAIN && (arm || stream->receive_fd >= 0))
		armed = arm_locked(&stream->receive_fd);
	pthread_mutex_unlock(&stream->lock);
	return armed < 0 ? error_set(error, armed) : r;
}

int stream_receive(struct ipc_stream *stream, uint64_t timeout_usec, const void **ret_message,
		   struct ipc_error *error)
{
	uint64_t deadline = timeout_usec == IPC_NEVER ? 0 : deadline_after(timeout_usec);
	int r;

	item_free(take_current(stream));
	r = grant_credit(stream);
	if (r < 0)
		return error_set(error, r);

	for (;;) {
		r = try_receive(stream, timeout_usec != 0, ret_message, error);
		if (r != -EAGAIN || !timeout_usec)
			return r;
		r = wait_fd(stream, stream->receive_fd, deadline);
		if (r < 0)
			return r == -EAGAIN ? r : error_set(error, r);
	}
}

/* --- Event loops, and who it is --------------------------------------------------------- */

int ipc_stream_get_fd(struct ipc_stream *stream)
{
	int r;

	if (!stream)
		return -EINVAL;
	pthread_mutex_lock(&stream->lock);
	r = stream->receive_fd >= 0 ? 0 : arm_locked(&stream->receive_fd);
	if (r == 0 && (stream->first || stream->in_ended || stream->broken))
		stream_wake_receiver_locked(stream);
	pthread_mutex_unlock(&stream->lock);
	return r < 0 ? r : stream->receive_fd;
}

void ipc_stream_on_ready(struct ipc_stream *stream, ipc_stream_cb cb, void *userdata)
{
	pthread_mutex_lock(&stream->lock);
	stream->cb = cb;
	stream->cb_userdata = userdata;
	pthread_mutex_unlock(&stream->lock);
}

struct ipc *ipc_stream_ipc(const struct ipc_stream *stream)
{
	return stream->ipc;
}

uid_t ipc_stream_uid(const struct ipc_stream *stream)
{
	return stream->uid;
}

gid_t ipc_stream_gid(const struct ipc_stream *stream)
{
	return stream->gid;
}

pid_t ipc_stream_pid(const struct ipc_stream *stream)
{
	return stream->pid;
}
