/* SPDX-License-Identifier: MIT */
/*
 * Messages of a stream through memory: a ring for each direction.
 *
 * Each end writes one part, which the other end maps for reading, like the parts of a channel
 * (channel-memory.h). After RING_AFTER messages the client sends the files of both parts to the
 * control object of the server's end (STREAM_RING). The server maps and seals its part, and answers
 * with STREAM_RING, without files. If it does not, the stream continues to use the bus. After that,
 * each end grants credit through its part. Before its first message in the ring, an end sends
 * STREAM_SWITCH to the data object, behind all earlier messages.
 *
 * A slot has a message of plain bytes, or RING_BUS: the next message came through the bus. The
 * sender writes RING_BUS after it has sent that message. So the order of messages is that of the
 * slots. A message needs a credit, so there is always a free slot. The end of the stream comes
 * through the bus, and counts when the ring is empty.
 *
 * Waiting. A thread that begins to wait increments armed[], with RING_BY_BUS if it cannot sleep in
 * a futex, and then looks again. The other end first writes sent or granted, and then reads
 * armed[]. It wakes the thread once for each number: by the futex, or by STREAM_BELL to the control
 * object.
 *
 * The other end is not trusted: as in channel.h, each field of its part is read once, all counts
 * are private, and a payload is copied before it is examined. An impossible number breaks the
 * stream off with -EPROTO. All state is under the lock of the stream.
 */
#ifndef IPC_CHANNEL_STREAM_H
#define IPC_CHANNEL_STREAM_H

#include "channel.h"
#include "core/call.h"
#include "core/stream.h"

/* Methods of the control object, and of the data object. */
#define STREAM_RING	3
#define STREAM_BELL	4
#define STREAM_SWITCH	3

#define RING_SLOT_SIZE	((size_t)512)
#define RING_BUS	UINT32_MAX
#define RING_BY_BUS	1U

struct ring_slot {
	uint32_t size;		/* or RING_BUS */
	uint32_t unused;
	uint8_t data[RING_SLOT_SIZE - 8];
};

#define RING_DATA_MAX	sizeof(((struct ring_slot *)0)->data)

enum ring_wait { FOR_MESSAGE, FOR_CREDIT, RING_WAITS };

struct ring_part {
	_Alignas(64) atomic_uint sent;		/* slots written so far; a futex */
	atomic_uint granted;			/* credit granted so far; a futex */
	_Alignas(64) atomic_uint armed[RING_WAITS];
	uint8_t unused[CHANNEL_PAGE - 64 - 4 * RING_WAITS];
	struct ring_slot slots[STREAM_WINDOW];
};

#define RING_PART_SIZE	(CHANNEL_PAGE + STREAM_WINDOW * RING_SLOT_SIZE)

_Static_assert(sizeof(struct ring_part) == RING_PART_SIZE, "a page and the slots");

struct stream_ring {
	struct ring_part *own;		/* NULL: the end is closed */
	const struct ring_part *peer;
	int peer_fd;			/* client: the server's part, until it is checked; or -1 */
	bool accepted;			/* both ends have both parts */
	bool sends;			/* STREAM_SWITCH was sent, */
	bool receives;			/* and has come */
	bool stopped;			/* the rest of the messages does not matter */
	bool no_sleep;			/* the kernel has no futex_waitv() */
	bool bell_due;			/* there was no space for STREAM_BELL */
	bool pending[RING_WAITS];	/* a number with RING_BY_BUS was not answered yet */
	atomic_uint sleepers;
	unsigned int unmarked;		/* messages of the bus that come before the ring */
	uint32_t sent, taken;		/* slots */
	bool is_over;			/* the stream has ended, after the slot: */
	uint32_t end;
	uint32_t noticed;		/* of peer->sent, by callbacks */
	uint32_t granted, counted;	/* credit */
	uint32_t armed[RING_WAITS];	/* numbers, without RING_BY_BUS */
	uint32_t rung[RING_WAITS];	/* peer->armed[] that were answered */
	struct stream_item item;	/* the current message, if it came from the ring */
	struct ipc_call *call;		/* its memory, or NULL */
	struct ipcbus_event event;	/* its size, and no objects */
	uint8_t copy[RING_DATA_MAX];	/* its payload */
};

/* Messages before the client opens the ring. */
#define RING_AFTER	16U
void ring_open(struct ipc_stream *stream);
/* STREAM_RING, _BELL and _SWITCH came. */
int ring_offered(struct ipc_stream *stream, struct ipc_call *call,
		 const struct ipcbus_event *event);
void ring_bell_came(struct ipc_stream *stream);
int ring_switch_came(struct ipc_stream *stream);

/* Begins to send through the ring, if no thread sends through the bus now. */
void ring_begin_locked(struct ipc_stream *stream);
/* Adds credit that the other end has granted: 0 or -EPROTO. */
int ring_collect_locked(struct ipc_stream *stream);
/* Sends a message through the ring: true, and *ret_bell for ring_ring(). Returns false if the bus
 * must send it. */
bool ring_send_locked(struct ipc_stream *stream, const void *message, unsigned int *ret_bell);
/* A message was sent through the bus. Returns whether a bell must follow: ring_ring(). */
unsigned int ring_mark_locked(struct ipc_stream *stream);
/* Grants credit through the ring. Returns whether a bell must follow, or -1: the bus must grant. */
int ring_grant_locked(struct ipc_stream *stream, unsigned int messages);
/* Wakes the other end, without the lock. */
void ring_ring(struct ipc_stream *stream, enum ring_wait wait, unsigned int bell);
/* There may be space for a bell. */
void ring_may_ring(struct ipc_stream *stream);

static inline bool ring_is_read_locked(const struct ipc_stream *stream)
{
	const struct stream_ring *ring = stream->ring;

	return ring && ring->receives && ring->own && !ring->stopped;
}

bool ring_has_message_locked(const struct ipc_stream *stream);
/* Takes the next message: 1; 0: there is none; or an error that ends the stream. */
int ring_take_locked(struct ipc_stream *stream, struct stream_item **ret_item);
/* Removes the first message of the list. */
struct stream_item *stream_pop_locked(struct ipc_stream *stream);

/* A callback looks at all messages that have come. */
static inline void ring_notice_locked(struct ipc_stream *stream)
{
	if (ring_is_read_locked(stream))
		stream->ring->noticed = atomic_load(&stream->ring->peer->sent);
}

/* Before callbacks end: whether messages came since they looked. Otherwise a bell will follow. */
bool ring_rest_locked(struct ipc_stream *stream);
/* The same for a thread that does not wait: whether to try again. */
bool ring_arm_locked(struct ipc_stream *stream, enum ring_wait wait);
/* Waits: 0: look again; 1: the caller must poll; 2: the bus has an event; or an error. */
int ring_sleep(struct ipc_stream *stream, enum ring_wait wait, bool alone, uint64_t usec);
/* Wakes threads of this process. */
void ring_alarm_locked(const struct ipc_stream *stream);

static inline void ring_free_message(struct ipc_call *call)
{
	if (unlikely(call->done)) {
		call->done(call);
		call->done = NULL;
	}
}

/* Frees the current message if it came from the ring. */
static inline void ring_free_current_locked(struct ipc_stream *stream)
{
	if (stream->ring && stream->current == &stream->ring->item) {
		ring_free_message(stream->ring->call);
		stream->current = NULL;
	}
}
void ring_unmap_locked(struct ipc_stream *stream);
void ring_free(struct ipc_stream *stream);

static inline bool stream_has_message_locked(const struct ipc_stream *stream)
{
	if (unlikely(ring_is_read_locked(stream)))
		return ring_has_message_locked(stream);
	return stream->first;
}

#endif /* IPC_CHANNEL_STREAM_H */
