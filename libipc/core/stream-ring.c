// SPDX-License-Identifier: MIT
/* Messages of a stream through memory: see stream-ring.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "call.h"
#include "proxy.h"
#include "raw.h"
#include "shm/channel-memory.h"
#include "stream-ring.h"

#define SECOND_USEC	1000000U
/* Streams of a server with rings. Each takes two of the 65,530 mappings that a process may have. */
#define RINGS_MAX	4096U

static bool may_have_ring(const struct ipc *ipc)
{
	return ipc->may_route && !is_monitored(ipc) && !ipc->device.send_flags;
}

/* --- Life --------------------------------------------------------------------------- */

void ring_unmap_locked(struct ipc_stream *stream)
{
	struct stream_ring *ring = stream->ring;

	if (!ring || !ring->side.own)
		return;
	if (!stream->ipc->foreign) {
		channel_memory_unmap(ring->side.own, RING_PART_SIZE);
		channel_memory_unmap(ring->side.peer, RING_PART_SIZE);
	}
	ring->side.own = NULL;
	ring->side.peer = NULL;
	atomic_store(&stream->ring_state, RING_NONE);
	ring->sends = false;
	channel_memory_close(&ring->fd);
	if (stream->of.server)
		atomic_fetch_sub(&stream->ipc->n_rings, 1);
}

static void ring_drop(struct stream_ring *ring)
{
	channel_memory_unmap(ring->side.own, RING_PART_SIZE);
	channel_memory_unmap(ring->side.peer, RING_PART_SIZE);
	channel_memory_close(&ring->fd);
	free(ring->call);
	free(ring);
}

/* Frees the ring, which is unmapped. */
void ring_free(struct ipc_stream *stream)
{
	if (stream->ring)
		ring_drop(stream->ring);
}

static struct stream_ring *ring_new(void)
{
	struct stream_ring *ring = calloc(1, sizeof(*ring));

	if (ring)
		ring->fd = -1;
	return ring;
}

/* --- Opening ------------------------------------------------------------------------ */

static int make_parts(struct stream_ring *ring)
{
	const void *peer;
	void *own;

	ring->fd = channel_memory_make(RING_PART_SIZE, &own, &peer);
	if (ring->fd < 0)
		return ring->fd;
	ring->side.own = own;
	ring->side.peer = peer;
	return 0;
}

/* Sets the ring, and sends its file. Other threads may close ring->fd then: fd is a duplicate. */
static int offer(struct ipc_stream *stream, struct stream_ring *ring, int fd)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .fd = fd };
	const struct ipc_raw_message message = {
		.method = STREAM_RING, .entries = &entry, .n_entries = 1,
	};
	bool due;

	stream_lock(stream);
	due = may_have_ring(stream->ipc) && !stream->broken && !stream->closed;
	if (due)
		stream->ring = ring;
	stream_unlock(stream);
	/* If that fails, the server never accepts it. */
	if (due)
		ipc_raw_oneway(stream->peer_control, &message, /* options= */ NULL);
	return due ? 0 : -EALREADY;
}

void ring_open(struct ipc_stream *stream)
{
	unsigned char due = RING_DUE;
	struct stream_ring *ring;
	int fd, r;

	/* Only one thread finds it due, and never again. */
	if (!atomic_compare_exchange_strong(&stream->ring_state, &due, RING_NONE))
		return;
	ring = ring_new();
	if (!ring)
		return;
	r = make_parts(ring);
	if (r == 0) {
		fd = fcntl(ring->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		r = fd < 0 ? -errno : offer(stream, ring, fd);
		channel_memory_close(&fd);
	}
	if (r < 0)
		ring_drop(ring);
}

/* Opens the ring. Threads that wait must now wait for the ring as well. */
static void accepted_locked(struct ipc_stream *stream)
{
	atomic_store(&stream->ring_state, RING_OPEN);
	stream_wake_receiver_locked(stream);
	stream_wake_sender_locked(stream);
}

/* Client: checks that the server has sealed the file, and opens the ring. -EPROTO: it has not. */
static int check_locked(struct ipc_stream *stream)
{
	struct stream_ring *ring = stream->ring;
	int r;

	if (!ring || !ring->side.own)
		return -EPROTO;
	if (ring_is_open(stream) || ring->fd < 0)
		return 0;
	r = channel_memory_check(ring->fd, RING_PART_SIZE);
	if (r < 0) {
		ring_unmap_locked(stream);
		return -EPROTO;
	}
	channel_memory_close(&ring->fd);
	accepted_locked(stream);
	return 0;
}

static int map_parts(struct stream_ring *ring, const struct ipc_raw_message *message)
{
	const void *peer;
	void *own;
	int r;

	r = channel_memory_accept(message->entries[0].fd, RING_PART_SIZE, &peer, &own);
	if (r < 0)
		return r;
	ring->side.peer = peer;
	ring->side.own = own;
	return 0;
}

/* Server: accepts the ring. Returns false if there are too many, or the stream has no user: then it
 * never sends or receives again, or waits for its request. If not closed, it has proxies. */
static bool accept_locked(struct ipc_stream *stream, struct stream_ring *ring)
{
	if (stream->closed || stream->ring || !atomic_load(&stream->users))
		return false;
	if (atomic_fetch_add(&stream->ipc->n_rings, 1) >= RINGS_MAX) {
		atomic_fetch_sub(&stream->ipc->n_rings, 1);
		return false;
	}
	stream->ring = ring;
	if (stream_say(stream->peer_control, STREAM_RING, NULL, 0) == 0)
		accepted_locked(stream);
	return true;
}

static void accept_parts(struct ipc_stream *stream, const struct ipc_raw_message *message)
{
	struct stream_ring *ring;
	bool accepted = false;

	if (!may_have_ring(stream->ipc))
		return;
	ring = ring_new();
	if (!ring)
		return;
	if (map_parts(ring, message) == 0) {
		ring_flush(stream->ipc);
		stream_lock(stream);
		accepted = accept_locked(stream, ring);
		stream_unlock(stream);
	}
	if (accepted)
		stream_kick_writable(stream);
	else
		ring_drop(ring);
}

int ring_offered(struct ipc_stream *stream, struct ipc_call *call,
		 const struct ipcbus_event *event)
{
	const struct ipc_raw_message *message;
	int r;

	r = raw_receive(call, event, /* copy= */ false, &message);
	if (r < 0)
		return 0;
	if (stream->of.server) {
		if (message->n_entries != 1 || message->entries[0].type != IPC_RAW_FD)
			return -EPROTO;
		accept_parts(stream, message);
		return 0;
	}
	stream_lock(stream);
	r = stream->closed ? 0 : check_locked(stream);
	stream_unlock(stream);
	if (r == 0)
		stream_kick_writable(stream);
	return r;
}

int ring_switch_came(struct ipc_stream *stream)
{
	struct stream_ring *ring;
	int r = 0;

	stream_lock(stream);
	if (!stream->closed) {
		r = check_locked(stream);
		ring = stream->ring;
		if (r == 0 && ring->receives)
			r = -EPROTO;
		if (r == 0) {
			ring->receives = true;
			ring->unmarked = stream->n_items;
			stream->message_due = true;
			stream_wake_receiver_locked(stream);
		}
	}
	stream_unlock(stream);
	if (r == 0)
		stream_kick(stream);
	return r;
}

/* --- Bells -------------------------------------------------------------------------- */

/* Sends STREAM_BELL. The lock keeps the proxy meanwhile. Without space, may_send() tries again. */
static void ring_by_bus(struct ipc_stream *stream)
{
	int r;

	do {
		ring_flush(stream->ipc);
		stream_lock(stream);
		r = stream->closed ? 0 : stream_say(stream->peer_control, STREAM_BELL, NULL, 0);
		stream->ring->bell_due = r == -EAGAIN;
		stream_unlock(stream);
		if (r == -EAGAIN)
			r = stream_want_space(stream);
	} while (r > 0);
	/* The other side would wait for ever, so the stream ends. Its death is an event. */
	if (r < 0 && r != -EOWNERDEAD)
		stream_break(stream, r);
}

void ring_ring(struct ipc_stream *stream, enum ring_wait wait, unsigned int bell)
{
	if (likely(!bell))
		return;
	if (bell & RING_BY_BUS)
		ring_by_bus(stream);
	else
		ring_wake(stream->ring->side.own, wait);
}

void ring_retry_bell(struct ipc_stream *stream)
{
	bool due;

	stream_lock(stream);
	due = stream->ring && stream->ring->bell_due;
	stream_unlock(stream);
	if (due)
		ring_by_bus(stream);
}

void ring_bell_came(struct ipc_stream *stream)
{
	stream_lock(stream);
	if (!stream->closed && stream->ring) {
		ring_disarm(&stream->ring->side);
		stream->message_due = true;
		stream_wake_receiver_locked(stream);
		stream_wake_sender_locked(stream);
	}
	stream_unlock(stream);
	stream_kick_writable(stream);
}

/* --- Sending ------------------------------------------------------------------------ */

void ring_begin_locked(struct ipc_stream *stream)
{
	struct stream_ring *ring = stream->ring;

	if (!ring_is_open(stream) || stream->sending)
		return;
	ring->sends = stream_say(stream->peer_data, STREAM_SWITCH, NULL, 0) == 0;
}

int ring_collect_locked(struct ipc_stream *stream)
{
	int n;

	if (!ring_is_open(stream))
		return 0;
	n = ring_count(&stream->ring->side);
	if (n > 0)
		stream->credit += (unsigned int)n;
	return n < 0 ? n : 0;
}

bool ring_send_locked(struct ipc_stream *stream, const void *message, unsigned int *ret_bell)
{
	struct ring *side = &stream->ring->side;
	ssize_t size;

	if (!may_have_ring(stream->ipc) ||
	    (unlikely(stream->ipc->channels_random) && route_chooses_bus()))
		return false;
	size = stream->of.type->pack(stream, message, ring_data(side), RING_DATA_MAX);
	if (size < 0)
		return false;
	*ret_bell = ring_send(side, (uint32_t)size);
	return true;
}

unsigned int ring_mark_locked(struct ipc_stream *stream)
{
	struct stream_ring *ring = stream->ring;

	if (!ring || !ring->sends)
		return 0;
	return ring_send(&ring->side, RING_BUS);
}

/* --- Receiving ---------------------------------------------------------------------- */

int ring_grant_locked(struct ipc_stream *stream, unsigned int messages)
{
	struct stream_ring *ring = stream->ring;

	if (!ring_is_open(stream)) {
		ring_count_credit_locked(stream, messages);
		return -1;
	}
	return (int)ring_grant(&ring->side, messages);
}

/* Returns whether no more messages come. */
static bool is_last_locked(const struct ipc_stream *stream)
{
	return stream->in_ended || stream->broken;
}

/* Returns the number of slots up to the end of the stream: later slots do not count. */
static uint32_t sent_locked(const struct ipc_stream *stream)
{
	struct stream_ring *ring = stream->ring;

	if (likely(!is_last_locked(stream)))
		return ring_sent(&ring->side);
	if (!ring->is_over) {
		ring->is_over = true;
		ring->end = ring_sent(&ring->side);
	}
	return ring->end;
}

bool ring_has_message_locked(const struct ipc_stream *stream)
{
	const struct stream_ring *ring = stream->ring;
	uint32_t size;
	int r;

	/* A forked child does not have the memory. */
	if (ring->unmarked || stream->ipc->foreign)
		return ring->unmarked;
	r = ring_next(&ring->side, sent_locked(stream), &size);
	if (r <= 0)
		return r < 0 || (stream->first && is_last_locked(stream));
	return size != RING_BUS || stream->first || (stream->in_ended && !stream->broken);
}

static int unpack_locked(struct ipc_stream *stream, size_t size)
{
	struct stream_ring *ring = stream->ring;
	struct ipc_call *call = ring->call;
	int r;

	if (unlikely(!call)) {
		call = ring->call = calloc(1, sizeof(*call));
		if (!call)
			return -ENOMEM;
		atomic_init(&call->refs, 1);
		call->oneway = true;
		call->ipc = stream->ipc;
		call->payload = ring->copy;
	}
	call->size = size;
	ring->item.call = call;
	ring->event.data_size = size;
	r = stream->of.type->unpack(stream, call, &ring->event, &ring->item.message);
	if (unlikely(r < 0))
		ring_free_message(call);
	return r;
}

/* Whether the peer has sent too much past a monitor. It may take some messages to notice it. */
static bool is_hidden_locked(struct ipc_stream *stream)
{
	const struct ipc *ipc = stream->ipc;
	struct stream_ring *ring = stream->ring;

	ring->hidden = unlikely(ipc->may_route && is_monitored(ipc)) ? ring->hidden + 1 : 0;
	return ring->hidden > RING_HIDDEN_MAX;
}

int ring_take_locked(struct ipc_stream *stream, struct stream_item **ret_item)
{
	struct stream_ring *ring = stream->ring;
	uint32_t size;
	int r;

	if (unlikely(ring->unmarked)) {
		ring->unmarked--;
		*ret_item = stream_pop_locked(stream);
		return 1;
	}
	r = ring_next(&ring->side, sent_locked(stream), &size);
	if (r < 0)
		return r;
	if (!r && (likely(!stream->first) || !is_last_locked(stream)))
		return 0;
	if (unlikely(!r || size == RING_BUS)) {
		if (!stream->first)
			return stream->in_ended && !stream->broken ? -EPROTO : 0;
		ring->side.taken += (unsigned int)r;
		*ret_item = stream_pop_locked(stream);
		return 1;
	}
	if (unlikely(size > stream->max_message))
		return -EMSGSIZE;
	if (unlikely(is_hidden_locked(stream)))
		return -EPROTO;
	ring_take(&ring->side, ring->copy, size);
	r = unpack_locked(stream, size);
	*ret_item = &ring->item;
	return r < 0 ? r : 1;
}

/* --- Waiting ------------------------------------------------------------------------ */

/* Returns whether the awaited message or credit has come. */
static bool has_come_locked(const struct ipc_stream *stream, enum ring_wait wait)
{
	const struct stream_ring *ring = stream->ring;

	if (wait == FOR_CREDIT)
		return !stream->credit &&
		       ring_seen(&ring->side, wait) != ring->side.counted;
	return stream_has_message_locked(stream);
}

bool ring_arm_locked(struct ipc_stream *stream, enum ring_wait wait)
{
	struct stream_ring *ring = stream->ring;

	if (!ring_is_open(stream) || ring->stopped)
		return false;
	ring_arm(&ring->side, wait, ring_seen(&ring->side, wait), /* by_bus= */ true);
	return has_come_locked(stream, wait);
}

bool ring_rearm_locked(struct ipc_stream *stream)
{
	struct stream_ring *ring = stream->ring;
	uint32_t sent;

	if (!ring_is_read_locked(stream) || stream->ipc->foreign)
		return false;
	ring_arm(&ring->side, FOR_MESSAGE, ring_sent(&ring->side), /* by_bus= */ true);
	sent = ring_sent(&ring->side);
	if (sent == ring->noticed)
		return false;
	ring->noticed = sent;
	return true;
}

/* Whether the wait is over without a message. A thread that polls has an eventfd for that. */
static bool has_ended_locked(const struct ipc_stream *stream, enum ring_wait wait)
{
	return stream->in_ended || stream->broken ||
	       (wait == FOR_CREDIT && (stream->credit || stream->out_ended));
}

/* Fills in the futexes of the bus. Returns whether the thread can sleep in futexes. */
static bool can_sleep_locked(const struct ipc_stream *stream, struct ring_look *look)
{
	struct ipc *ipc = stream->ipc;
	struct device_words words;

	if (device_poll_words(&ipc->device, &words) < 0)
		return false;
	look->event = words.event;
	look->bell = words.bell;
	look->rung = atomic_load(words.bell);
	/* A timer, or a sender that waits for space, needs a thread that polls. */
	return !channel_cannot_wait() && !(atomic_load(&ipc->attention) & ATTEND_POLL);
}

/* Lets another thread of this CPU run once. Returns whether it has sent or granted. */
static bool yield_locked(struct ipc_stream *stream, enum ring_wait wait)
{
	struct channel_yield *yield = &stream->ring->yield;
	uint64_t begin;

	if (!channel_may_yield(yield))
		return false;
	begin = channel_now();
	stream_unlock(stream);
	sched_yield();
	stream_lock(stream);
	channel_yield_end(yield, has_come_locked(stream, wait), begin);
	return has_come_locked(stream, wait);
}

int ring_await(struct ipc_stream *stream, enum ring_wait wait, bool alone, uint64_t usec)
{
	struct stream_ring *ring;
	struct ring_look look;
	bool sleeps, waits;
	int r;

	stream_lock(stream);
	ring = stream->ring;
	if (!ring_is_open(stream) || (alone && yield_locked(stream, wait))) {
		r = !ring_is_open(stream);
		stream_unlock(stream);
		return r;
	}
	sleeps = alone && can_sleep_locked(stream, &look);
	look.word = ring_futex(&ring->side, wait);
	look.seen = ring_seen(&ring->side, wait);
	ring_arm(&ring->side, wait, look.seen, /* by_bus= */ !sleeps);
	waits = !has_come_locked(stream, wait) && (!sleeps || !has_ended_locked(stream, wait));
	atomic_fetch_add(&ring->sleepers, waits && sleeps);
	stream_unlock(stream);
	if (!waits || !sleeps)
		return waits;

	r = ring_sleep(&look, channel_now() + 1000 * (usec < SECOND_USEC ? usec : SECOND_USEC));
	atomic_fetch_sub(&ring->sleepers, 1);
	/* Signals may end all waits before the time is over. */
	if (r == -ETIMEDOUT || r == -EINTR)
		return device_has_ended(&stream->ipc->device) ? -ECONNRESET : 0;
	if (r < 0)
		return ring_await(stream, wait, /* alone= */ false, usec);
	return atomic_load(look.event) ? 2 : 0;
}

void ring_alarm_locked(const struct ipc_stream *stream)
{
	struct device_words words;

	if (!atomic_load(&stream->ring->sleepers) ||
	    device_poll_words(&stream->ipc->device, &words) < 0)
		return;
	atomic_fetch_add(words.bell, 1);
	channel_wake_private(words.bell, INT32_MAX);
}
