// SPDX-License-Identifier: MIT
/* A side of a stream: its life, its timeout, and how it ends. See stream.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "object.h"
#include "proxy.h"
#include "stream-ring.h"
#include "stream.h"

/* --- The last message ------------------------------------------------------------------ */

int stream_want_space(struct ipc_stream *stream)
{
	int r;

	stream_hold(stream);
	r = writable_want(stream->ipc, &stream->space);
	if (r <= 0)
		stream_put(stream);
	return r;
}

/* Sends the last message, unless another thread is sending it. That thread also sends a
 * cancellation that replaces an end in the meantime. */
static int send_due(struct ipc_stream *stream)
{
	struct stream_last *last = &stream->last_words;
	enum last_message due;
	int r = 0;

	stream_lock(stream);
	while (r == 0 && !last->sending && (due = last->due) != LAST_NONE) {
		last->sending = true;
		stream_unlock(stream);
		r = due == LAST_CANCEL ? stream_send_cancel(stream) : stream_send_end(stream);
		stream_lock(stream);
		last->sending = false;
		if (r != -EAGAIN && last->due == due)
			last->due = LAST_NONE;
	}
	stream_unlock(stream);
	return r;
}

/* Sends the last message, now or when there is space. After an error it is never sent. */
static int send_last_words(struct ipc_stream *stream)
{
	int r;

	while ((r = send_due(stream)) == -EAGAIN) {
		r = stream_want_space(stream);
		if (r <= 0)
			break;
	}
	return r;
}

/* Sends the last message, or drops it if it can neither be sent nor wait. Then the other side only
 * notices that this side is gone. */
static void send_or_drop_last_words(struct ipc_stream *stream)
{
	if (send_last_words(stream) == 0)
		return;
	stream_lock(stream);
	stream->last_words.due = LAST_NONE;
	stream_unlock(stream);
}

/* Makes an end the last message, in place of an earlier end. A cancellation stays due. */
static void set_end(struct ipc_stream *stream, int code, const struct ipc_error *error)
{
	struct stream_last *last = &stream->last_words;
	size_t size = 0;
	uint8_t *data = error ? stream_explain_end(code, error, &size) : NULL;
	uint8_t *old;

	stream_lock(stream);
	old = last->data;
	last->data = data;
	last->size = size;
	last->code = code;
	if (last->due != LAST_CANCEL)
		last->due = LAST_END;
	stream_unlock(stream);
	free(old);
}

/* --- Closed sides ---------------------------------------------------------------------- */

/*
 * Replaces the cookies of a closed side by the cookies of the objects to end: of the side that was
 * closed STREAM_MAX_CLOSED sides ago. Its objects may be gone. If it was never opened, its own
 * objects must end at once: the server may have accepted the stream, and the driver discards the
 * reply to a canceled call, with the handles by which the server's side would notice.
 */
static void replace_closed_locked(struct ipc *ipc, uint64_t cookies[2], bool opened)
{
	uint64_t oldest[2];

	if (opened && !ipc->closed_streams)
		ipc->closed_streams = calloc(STREAM_MAX_CLOSED, sizeof(*ipc->closed_streams));
	if (!opened || !ipc->closed_streams)
		return;
	memcpy(oldest, ipc->closed_streams[ipc->next_closed], sizeof(oldest));
	memcpy(ipc->closed_streams[ipc->next_closed], cookies, sizeof(oldest));
	memcpy(cookies, oldest, sizeof(oldest));
	ipc->next_closed = (ipc->next_closed + 1) % STREAM_MAX_CLOSED;
}

static void limit_closed(struct ipc_stream *stream)
{
	uint64_t cookies[2] = { stream->cookies[0], stream->cookies[1] };

	ipc_lock(stream->ipc);
	replace_closed_locked(stream->ipc, cookies, stream->peer_control);
	ipc_unlock(stream->ipc);
	for (int i = 0; i < 2; i++)
		if (cookies[i])
			object_end(stream->ipc, cookies[i]);
}

/* After the last message of a closed side, releases the proxies and objects. */
static void release_peer(struct ipc_stream *stream)
{
	const struct stream_last *last = &stream->last_words;
	bool release;

	stream_lock(stream);
	release = stream->closed && !stream->released && last->due == LAST_NONE && !last->sending;
	stream->released |= release;
	stream_unlock(stream);
	if (!release)
		return;
	ipc_proxy_unref(stream->peer_data);
	ipc_proxy_unref(stream->peer_control);
	ipc_object_unref(stream->data);
	ipc_object_unref(stream->control);
	ipc_object_unref(stream->service);
	if (!stream->of.server && !stream->ipc->foreign)
		limit_closed(stream);
}

/* Sends what waited for space, and wakes threads. If the stream has callbacks, also grants credit
 * that waited. A receiving thread grants it itself. */
static void may_send(struct writable_waiter *waiter)
{
	struct ipc_stream *stream = (void *)((char *)waiter - offsetof(struct ipc_stream, space));
	bool grant;

	stream_lock(stream);
	grant = stream->has_ops && refs_take_unless_none(&stream->users);
	stream_wake_receiver_locked(stream);
	stream_wake_sender_locked(stream);
	stream_unlock(stream);
	/* Without memory, the next message tries again. */
	if (grant) {
		stream_grant_credit(stream);
		ipc_stream_unref(stream);
	}
	stream_kick_writable(stream);
	ring_retry_bell(stream);
	send_or_drop_last_words(stream);
	release_peer(stream);
	stream_put(stream);
}

/* --- The timeout ------------------------------------------------------------------- */

static void stream_expired(struct timer *timer)
{
	struct ipc_stream *stream = (void *)((char *)timer - offsetof(struct ipc_stream, timer));

	stream_expire_now(stream);
	stream_put(stream);
}

int stream_set_timer(struct ipc_stream *stream)
{
	int r;

	if (!stream->deadline)
		return 0;
	stream_hold(stream);
	r = timer_set(stream->ipc, &stream->timer, stream->deadline);
	if (r <= 0)
		stream_put(stream);
	return r < 0 ? r : 0;
}

uint64_t ipc_stream_remaining(const struct ipc_stream *stream)
{
	return stream->deadline ? time_until(stream->deadline) : IPC_NEVER;
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
	stream->max_message = SIZE_MAX;
	stream->window = STREAM_WINDOW;
	stream->waiting = &stream->own_waiting;
	stream->max_waiting_bytes = SIZE_MAX;
	stream->last = &stream->first;
	stream->had_channels = ipc->may_route;
	if (!of->server && stream->had_channels)
		stream->until_ring = ipc->channels_random ? 1 : RING_AFTER;
	stream->receive_fd = -1;
	stream->send_fd = -1;
	stream->out_code = of->server ? -ENOMSG : 0;
	stream->timer.expired = stream_expired;
	stream->space.ready = may_send;
	stream->work.run = stream_run_work;
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
	stream_break(stream, atomic_load(&stream->ipc->bus_ended) ? -ECONNRESET : -EOWNERDEAD);
}

static void put_watched(void *stream)
{
	stream_put(stream);
}

int stream_watch(struct ipc_stream *stream)
{
	int r;

	stream_hold(stream);
	r = ipc_proxy_on_death(stream->peer_control, peer_died, stream, &stream->watch);
	if (r < 0)
		stream_put(stream);
	else
		ipc_slot_set_destroy(stream->watch, put_watched);
	return r;
}

int stream_count_item(struct ipc_stream *stream, struct stream_item *item)
{
	struct waiting *waiting = stream->waiting;
	size_t bytes = atomic_fetch_add(&waiting->bytes, item->bytes);
	unsigned int entries = atomic_fetch_add(&waiting->entries, item->entries);

	/* A single message is always accepted. */
	if (likely((!bytes || bytes + item->bytes <= stream->max_waiting_bytes) &&
		   (!entries || entries + item->entries <= LIMIT_WAITING_ENTRIES)))
		return 0;
	stream_uncount_item(stream, item);
	return -EDQUOT;
}

void stream_uncount_item(struct ipc_stream *stream, struct stream_item *item)
{
	atomic_fetch_sub(&stream->waiting->bytes, item->bytes);
	atomic_fetch_sub(&stream->waiting->entries, item->entries);
	item->bytes = 0;
	item->entries = 0;
}

static void stream_item_free(struct stream_item *item)
{
	if (item) {
		ipc_call_unref(item->call);
		free(item);
	}
}

struct stream_item *stream_take_items_locked(struct ipc_stream *stream)
{
	struct stream_item *items = stream->first;

	if (stream->ring)
		stream->ring->stopped = true;
	stream->first = NULL;
	stream->last = &stream->first;
	stream->n_items = 0;
	return items;
}

void stream_free_current(struct ipc_stream *stream)
{
	struct stream_item *current;

	stream_lock(stream);
	ring_free_current_locked(stream);
	current = stream->current;
	stream->current = NULL;
	stream_unlock(stream);
	stream_item_free(current);
}

void stream_free_items(struct ipc_stream *stream, struct stream_item *items)
{
	while (items) {
		struct stream_item *next = items->next;

		stream_uncount_item(stream, items);
		stream_item_free(items);
		items = next;
	}
}

/* Closes a side without users, and frees what only they need: its memory may stay for long. */
static void close_locked(struct ipc_stream *stream)
{
	ring_unmap_locked(stream);
	stream->closed = true;
	ipc_error_done(&stream->in_error);
	free((char *)stream->frame.metadata);
	free(stream->label);
	if (stream->receive_fd >= 0)
		close(stream->receive_fd);
	if (stream->send_fd >= 0)
		close(stream->send_fd);
	stream->receive_fd = -1;
	stream->send_fd = -1;
}

/* Removes the stream from its parent and cancellation, and its timer: only the peer ends it now. */
static void forget_dependence(struct ipc_stream *stream)
{
	ipc_lock(stream->ipc);
	dependence_end_locked(&stream->dependence);
	ipc_unlock(stream->ipc);
	if (timer_forget(stream->ipc, &stream->timer))
		stream_put(stream);
}

/* Sets the last message of a side that is not over. Returns false if it is. */
static bool set_last_words(struct ipc_stream *stream)
{
	static const struct ipc_error dropped = {
		.text = (char *)"the server released its side of the stream without ending it",
	};
	struct stream_last *last = &stream->last_words;
	bool over, explained;

	stream_lock(stream);
	over = !stream->peer_control || stream->broken ||
	       (stream->of.server ? stream->out_ended : stream->in_ended);
	explained = last->data;
	if (!over && !stream->of.server)
		last->due = LAST_CANCEL;
	else if (!over && explained)
		last->due = LAST_END;
	stream_unlock(stream);
	if (!over && stream->of.server && !explained)
		set_end(stream, stream->out_code, stream->out_code ? &dropped : NULL);
	return !over;
}

/* No user is left: releases everything that could keep the other side. Once the side is closed,
 * another thread may send the last message and release the proxies: set the message before. */
static void stream_close(struct ipc_stream *stream)
{
	struct stream_item *items;
	bool early;

	if (writable_forget(stream->ipc, &stream->space))
		stream_put(stream);
	forget_dependence(stream);
	early = set_last_words(stream);
	stream_lock(stream);
	close_locked(stream);
	items = stream_take_items_locked(stream);
	stream_unlock(stream);
	stream_free_items(stream, items);
	stream_free_current(stream);

	stream->watch = ipc_slot_end_async(stream->watch);
	if (stream->of.server || early)
		stream_cancel_children(stream);
	dependents_release(stream->ipc, &stream->children);
	send_or_drop_last_words(stream);
	release_peer(stream);
}

void stream_abandon(struct ipc_stream *stream)
{
	stream_lock(stream);
	close_locked(stream);
	stream_unlock(stream);
	release_peer(stream);
	stream_put(stream);
}

void stream_put(struct ipc_stream *stream)
{
	if (!refs_drop(&stream->refs))
		return;

	if (stream->peer)
		peer_remove(stream->ipc, stream->peer, PEER_STREAMS, 1);
	ring_free(stream);
	free(stream->last_words.data);
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

	if (!stream)
		return NULL;
	/* Dropped by another thread without an end: then the return of the handler is no good
	 * end. */
	if (atomic_load(&stream->in_handler) && !pthread_equal(stream->handler, pthread_self()))
		atomic_store(&stream->dropped, true);
	if (!refs_drop(&stream->users))
		return NULL;

	ipc = stream->ipc;
	stream_close(stream);
	stream_put(stream);
	ipc_unref(ipc);
	return NULL;
}

/* Returns whether the stream is broken now. */
static bool break_locked(struct ipc_stream *stream, enum ipc_origin origin, int code)
{
	bool by_itself = code == -EOWNERDEAD || code == -ECONNRESET || code == -ETIMEDOUT;
	bool late = stream_is_late(stream);

	if (stream->broken)
		return true;
	stream->broken_late = by_itself && stream_is_over_locked(stream);
	/* A server may still wait for a message. */
	if (stream->broken_late && !stream->of.server)
		return false;
	stream->broken = late ? -ETIMEDOUT : code;
	stream->broken_by = late ? IPC_ORIGIN_HERE : origin;
	return true;
}

/* Not after the deadline: then they fail with -ETIMEDOUT by themselves, as theirs is not later. */
void stream_cancel_children(struct ipc_stream *stream)
{
	bool late;

	stream_lock(stream);
	late = stream->broken == -ETIMEDOUT;
	stream_unlock(stream);
	if (!late && !stream->ipc->foreign)
		dependents_cancel(stream->ipc, &stream->children);
}

void stream_break_by(struct ipc_stream *stream, enum ipc_origin origin, int code)
{
	bool broken, closed;

	stream_lock(stream);
	closed = stream->closed;
	broken = break_locked(stream, origin, code);
	stream_wake_receiver_locked(stream);
	stream_wake_sender_locked(stream);
	stream_unlock(stream);
	stream_kick(stream);
	if (broken && !closed)
		stream_cancel_children(stream);
	if (stream_take_deferred(stream))
		stream_abandon(stream);
}

/* --- Ending ------------------------------------------------------------------------ */

/* Takes back an end that was not sent. The program may try again. If it does not, closing does. */
static void end_failed(struct ipc_stream *stream, int code)
{
	stream_lock(stream);
	stream->out_ended = false;
	stream->out_code = code;
	if (stream->last_words.due == LAST_END)
		stream->last_words.due = LAST_NONE;
	stream_unlock(stream);
}

/* Ends this side's messages: 0, -EALREADY, or an error. refused: on behalf of stream_refuse(). */
static int end_with(struct ipc_stream *stream, int code, const struct ipc_error *error,
		    bool refused)
{
	bool ended, over;
	int r = 0;

	if (stream->ipc->foreign)
		return -ECHILD;
	stream_expire(stream);
	stream_lock(stream);
	ended = stream->out_ended;
	over = !ended && !stream->of.server && stream_is_over_locked(stream);
	if (!ended && stream->broken)
		r = stream->broken;
	if (refused && !ended && !r) {
		stream->refused = true;
		break_locked(stream, IPC_ORIGIN_HERE, code);
	}
	/* If the stream had broken before, the program may still learn that from its own end. */
	if (!refused || !r)
		stream->out_ended = true;
	stream_wake_sender_locked(stream);
	stream_unlock(stream);

	if (ended)
		return -EALREADY;
	/* The server receives no more, and may have released its side. */
	if (r < 0 || over)
		return r;
	set_end(stream, code, error);
	r = send_last_words(stream);
	if (r < 0) {
		end_failed(stream, code);
		return r;
	}
	stream_kick(stream);
	if (stream->of.server)
		stream_cancel_children(stream);
	return 0;
}

int ipc_stream_end(struct ipc_stream *stream)
{
	return stream ? end_with(stream, 0, NULL, /* refused= */ false) : -EINVAL;
}

int ipc_stream_fail_with(struct ipc_stream *stream, const struct ipc_error *error)
{
	int code;

	if (!stream || error_check(error, &code) < 0)
		return -EINVAL;
	return end_with(stream, code, error, /* refused= */ false);
}

int ipc_stream_fail(struct ipc_stream *stream, int code, const char *name, const char *format,
		    ...)
{
	struct ipc_error error = { .code = code, .name = (char *)name };
	va_list args;
	int r;

	va_start(args, format);
	error.text = error_format(format, args);
	va_end(args);
	r = ipc_stream_fail_with(stream, &error);
	free(error.text);
	return r;
}

/* Describes the limit that was exceeded, for free(). */
static char *limit_text(const struct ipc_stream *stream, int code)
{
	char *text = NULL;
	int r = -1;

	if (code == -EMSGSIZE)
		r = asprintf(&text, "a message has at most %zu bytes here", stream->max_message);
	else if (code == -EDQUOT)
		r = asprintf(&text, "at most %zu bytes and %d files and objects of messages "
			     "wait here", stream->max_waiting_bytes, LIMIT_WAITING_ENTRIES);
	return r < 0 ? NULL : text;
}

/*
 * Only a user may send: without users, the proxies of the other side are released. A deferred side
 * has no user, so the thread that takes it sends the error and frees it.
 */
void stream_refuse(struct ipc_stream *stream, int code)
{
	bool deferred = stream_take_deferred(stream);

	log_failure(stream->ipc, FAILURE_STREAM, code, stream->of.name);
	if (deferred || refs_take_unless_none(&stream->users)) {
		struct ipc_error error = { .text = limit_text(stream, code) };

		end_with(stream, code, &error, /* refused= */ true);
		free(error.text);
		if (deferred)
			stream_abandon(stream);
		else
			ipc_stream_unref(stream);
	}
	stream_break(stream, code);
}

void ipc_stream_cancel(struct ipc_stream *stream)
{
	struct stream_item *items;
	bool first;

	if (!stream || stream->ipc->foreign)
		return;
	stream_lock(stream);
	first = !stream->broken;
	if (first) {
		stream->broken = -ECANCELED;
		stream->last_words.due = LAST_CANCEL;
	}
	stream->lost |= stream_has_message_locked(stream) || !stream->in_ended;
	items = stream_take_items_locked(stream);
	stream_unlock(stream);

	stream_free_items(stream, items);
	if (!first)
		return;
	send_or_drop_last_words(stream);
	stream_break(stream, -ECANCELED);
}

/* Breaks the stream off if it is late or the bus has ended: perhaps no other thread notices. */
static void break_if_ended(struct ipc_stream *stream)
{
	stream_expire(stream);
	if (device_has_ended(&stream->ipc->device))
		stream_break(stream, -ECONNRESET);
}

void stream_cancel_with(struct ipc_stream *stream)
{
	bool over;

	break_if_ended(stream);
	stream_lock(stream);
	over = stream_is_over_locked(stream);
	stream_unlock(stream);
	if (!over)
		ipc_stream_cancel(stream);
	ipc_stream_unref(stream);
}

int ipc_stream_is_canceled(struct ipc_stream *stream)
{
	bool broken;

	if (!stream)
		return 0;
	if (stream->ipc->foreign)
		return 1;
	break_if_ended(stream);
	stream_lock(stream);
	broken = stream->broken && !stream->broken_late;
	stream_unlock(stream);
	return broken;
}
