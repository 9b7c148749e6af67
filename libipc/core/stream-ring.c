// SPDX-License-Identifier: MIT
/*
 * Messages of a shared stream: rings in place of credit, and the bell. See stream.h and ring.h.
 */
#include <stdlib.h>
#include <unistd.h>

#include "stream.h"

/* --- The memory ------------------------------------------------------------------------ */

static bool may_share(const struct ipc_stream *stream)
{
	const struct stream_of *of = &stream->of;

	return (of->slot_in || of->slot_out) && of->slot_in <= stream->max_message;
}

static struct stream_rings *rings_of(const struct ipc_stream *stream, const struct shared *shared)
{
	struct stream_rings *rings = malloc(sizeof(*rings));

	if (rings)
		*rings = (struct stream_rings){
			.shared = *shared,
			.in = ring_of(stream->of.slot_in, shared->own, shared->peer),
			.out = ring_of(stream->of.slot_out, shared->own, shared->peer),
		};
	return rings;
}

/* Without memory or fds the stream is an ordinary one. */
bool stream_offer_rings(struct ipc_stream *stream, int ret_fds[2])
{
	struct shared shared;

	if (!may_share(stream) || shared_new(&shared, ring_part_size(stream->of.slot_out),
					     ring_part_size(stream->of.slot_in), ret_fds) < 0)
		return false;
	stream->rings = rings_of(stream, &shared);
	if (stream->rings)
		return true;
	shared_done(&shared);
	close(ret_fds[0]);
	close(ret_fds[1]);
	return false;
}

int stream_take_rings(struct ipc_stream *stream, uint64_t layout, const int fds[2])
{
	struct shared shared;
	int r;

	if (!may_share(stream) || layout != stream->of.layout)
		return 0;
	r = shared_take(&shared, ring_part_size(stream->of.slot_out),
			ring_part_size(stream->of.slot_in), fds);
	if (r < 0)
		return r == -EBADMSG ? r : 0;
	stream->rings = rings_of(stream, &shared);
	if (!stream->rings)
		shared_done(&shared);
	return 0;
}

void stream_drop_rings_locked(struct ipc_stream *stream)
{
	if (!stream->rings)
		return;
	shared_done(&stream->rings->shared);
	free(stream->rings);
	stream->rings = NULL;
}

void stream_drop_rings(struct ipc_stream *stream)
{
	stream_lock(stream);
	stream_drop_rings_locked(stream);
	stream_unlock(stream);
}

int ipc_stream_is_shared(const struct ipc_stream *stream)
{
	return stream ? stream->rings != NULL : -EINVAL;
}

/* --- Messages --------------------------------------------------------------------------- */

/* Without the bell the other end would sleep for ever, so without one the stream ends. */
static void ring_bell(struct ipc_stream *stream)
{
	int r;

	do {
		r = stream_send_bell(stream);
		if (r == -EAGAIN)
			r = stream_want_writable(stream, &stream->ringer);
		else if (r == 0)
			return;
	} while (r > 0);
	if (r < 0)
		stream_break(stream, r);
}

void stream_ring_end(struct ipc_stream *stream, const struct ring_after *after)
{
	if (unlikely(after->bell))
		ring_bell(stream);
	if (unlikely(after->refuse))
		stream_refuse(stream, -EPROTO);
}

static inline int put_locked(struct ipc_stream *stream, const void *message,
			     struct ring_after *after)
{
	struct ring *ring = &stream->rings->out;
	void *slot;
	int r;

	r = ring_reserve(ring, &slot);
	if (likely(r > 0)) {
		stream->of.type->put(stream, message, slot);
		after->bell = ring_publish(ring);
		return 0;
	}
	after->refuse = r < 0;
	return r < 0 ? r : -EAGAIN;
}

int stream_ring_send(struct ipc_stream *stream, const void *message)
{
	struct ring_after after = { .bell = false };
	int r;

	stream_lock_briefly(stream);
	r = stream_may_send_locked(stream);
	if (likely(r == 0))
		r = put_locked(stream, message, &after);
	stream_unlock_briefly(stream);
	stream_ring_end(stream, &after);
	return r;
}

/* After a head that is not possible, the stream breaks off, which says so to the receiver. */
static inline int get_locked(struct ipc_stream *stream, const void **ret_message,
			     struct ring_after *after)
{
	struct ring *ring = &stream->rings->in;
	const void *slot;
	int r;

	r = ring_look(ring, &slot);
	if (likely(r > 0)) {
		/* Of callbacks, the bell is heard whoever receives: stream-ops.c. */
		if (!stream->has_ops)
			ring_unwish(ring, &ring->own->wants_message);
		*ret_message = stream->of.type->get(stream, slot);
		after->bell = ring_take(ring);
		stream->n_received++;
		return 1;
	}
	after->refuse = r < 0;
	return 0;
}

int stream_ring_get_locked(struct ipc_stream *stream, const void **ret_message,
			   struct ring_after *after)
{
	return get_locked(stream, ret_message, after);
}

int stream_ring_receive(struct ipc_stream *stream, const void **ret_message)
{
	struct ring_after after = { .bell = false };
	int r = 0;

	stream_lock_briefly(stream);
	if (likely(!stream->first && !stream->current))
		r = get_locked(stream, ret_message, &after);
	stream_unlock_briefly(stream);
	stream_ring_end(stream, &after);
	return r;
}

void stream_may_ring(struct writable_waiter *waiter)
{
	struct ipc_stream *stream = (void *)((char *)waiter - offsetof(struct ipc_stream, ringer));

	ring_bell(stream);
	stream_put(stream);
}

/* --- The bell -------------------------------------------------------------------------- */

/* Whoever wakes looks at the ring, and wishes for the bell again before it sleeps. */
static void wake_locked(struct ipc_stream *stream)
{
	struct ring *in = &stream->rings->in, *out = &stream->rings->out;

	if (in->slot_size) {
		ring_unwish(in, &in->own->wants_message);
		stream->message_due = true;
		stream_wake_receiver_locked(stream);
	}
	if (out->slot_size) {
		ring_unwish(out, &out->own->wants_space);
		stream_wake_sender_locked(stream);
		if (stream->wants_writable && (ring_has_space(out) || ring_want_space(out))) {
			stream->wants_writable = false;
			stream->writable_due = true;
		}
	}
}

int stream_bell_came(struct ipc_stream *stream)
{
	bool shared;

	stream_lock(stream);
	shared = stream->rings;
	if (shared)
		wake_locked(stream);
	stream_unlock(stream);
	if (!shared)
		return -EOPNOTSUPP;
	stream_kick(stream);
	return 0;
}
