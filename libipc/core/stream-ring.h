/* SPDX-License-Identifier: MIT */
/*
 * Messages of a stream through memory: the rings of channel-ring.h, and the bus.
 *
 * After RING_AFTER messages the client sends the file of both parts to the control object of the
 * server's side (STREAM_RING). The server maps both parts and seals the file, and answers with
 * STREAM_RING, without a file. If it does not, the stream continues to use the bus. After that,
 * each side grants credit through its part. Before its first message in the ring, a side sends
 * STREAM_SWITCH to the data object, behind all earlier messages.
 *
 * The sender writes RING_BUS after it has sent that message through the bus. So the order of
 * messages is that of the slots. The end of the stream comes through the bus, and counts when the
 * ring is empty. STREAM_BELL to the control object wakes callbacks and threads that poll.
 *
 * An impossible number breaks the stream off with -EPROTO. All state is under the lock of the
 * stream.
 */
#ifndef IPC_STREAM_RING_H
#define IPC_STREAM_RING_H

#include "call.h"
#include "conn/thread.h"
#include "shm/channel-ring.h"
#include "stream.h"

/* Methods of the control object, and of the data object. */
#define STREAM_RING	(IPC_NUMBER_BUILTIN + 18)
#define STREAM_BELL	(IPC_NUMBER_BUILTIN + 19)
#define STREAM_SWITCH	(IPC_NUMBER_BUILTIN + 18)

_Static_assert(RING_SLOTS == STREAM_WINDOW, "a slot for each credit");

/* Messages in memory that a side accepts while there is a monitor. */
#define RING_HIDDEN_MAX (4U * STREAM_WINDOW)

struct stream_ring {
	struct ring side;
	int fd;				/* client: of both parts, until it is checked; or -1 */
	bool sends;			/* STREAM_SWITCH was sent, */
	bool receives;			/* and has come */
	bool stopped;			/* the rest of the messages does not matter */
	bool bell_due;			/* there was no space for STREAM_BELL */
	atomic_uint sleepers;
	struct channel_yield yield;
	unsigned int unmarked;		/* messages of the bus that come before the ring */
	unsigned int hidden;		/* messages in a row that a monitor should have seen */
	bool is_over;			/* the stream has ended, after the slot: */
	uint32_t end;
	uint32_t noticed;		/* of peer->sent, by callbacks */
	struct stream_item item;	/* the current message, if it came from the ring */
	struct ipc_call *call;		/* its memory, or NULL */
	struct ipcbus_event event;	/* its size, and no objects */
	uint8_t copy[RING_DATA_MAX];	/* its payload */
};

/* Sends the reply of the running handler, which waits for the next message through the bus. That
 * may take time, so it must be done before the lock is taken for such a message. If it fails, so
 * does the message. */
static inline void ring_flush(struct ipc *ipc)
{
	struct thread *t;

	if (thread_get(ipc, &t) == 0)
		thread_flush_stash(t);
}

/* The client opens the ring after credit for as many messages. */
#define RING_AFTER	16U
void ring_open(struct ipc_stream *stream);

static inline enum ring_state ring_state(const struct ipc_stream *stream)
{
	return (enum ring_state)atomic_load_explicit(&stream->ring_state, memory_order_relaxed);
}

/* Whether both sides have both parts. */
static inline bool ring_is_open(const struct ipc_stream *stream)
{
	return ring_state(stream) == RING_OPEN;
}

/* Opens the ring if that is due. Returns whether it was open before. */
static inline bool ring_use(struct ipc_stream *stream)
{
	if (likely(ring_is_open(stream)))
		return true;
	ring_open(stream);
	return false;
}

/* Counts credit that came or was granted through the bus, until the client opens the ring. */
static inline void ring_count_credit_locked(struct ipc_stream *stream, unsigned int messages)
{
	if (!stream->until_ring)
		return;
	stream->until_ring -= messages < stream->until_ring ? messages : stream->until_ring;
	if (!stream->until_ring)
		atomic_store(&stream->ring_state, RING_DUE);
}

/* Handle STREAM_RING, _BELL and _SWITCH. Return 0, or an error that ends the stream. */
int ring_offered(struct ipc_stream *stream, struct ipc_call *call,
		 const struct ipcbus_event *event);
void ring_bell_came(struct ipc_stream *stream);
int ring_switch_came(struct ipc_stream *stream);

/* Begins to send through the ring, if no thread sends through the bus now. */
void ring_begin_locked(struct ipc_stream *stream);
/* Adds credit that the other side has granted: 0 or -EPROTO. */
int ring_collect_locked(struct ipc_stream *stream);
/* Sends a message through the ring: true, and *ret_bell for ring_ring(). False: use the bus. */
bool ring_send_locked(struct ipc_stream *stream, const void *message, unsigned int *ret_bell);
/* Marks a message that was sent through the bus. Returns a bell for ring_ring(), or 0. */
unsigned int ring_mark_locked(struct ipc_stream *stream);
/* Grants credit through the ring. Returns whether a bell must follow, or -1: the bus must grant. */
int ring_grant_locked(struct ipc_stream *stream, unsigned int messages);
/* Wakes the other side, without the lock. */
void ring_ring(struct ipc_stream *stream, enum ring_wait wait, unsigned int bell);
/* Sends a bell that is due, when there may be space. */
void ring_retry_bell(struct ipc_stream *stream);

static inline bool ring_is_read_locked(const struct ipc_stream *stream)
{
	const struct stream_ring *ring = stream->ring;

	return ring && ring->receives && ring->side.own && !ring->stopped;
}

bool ring_has_message_locked(const struct ipc_stream *stream);
/* Takes the next message: 1; 0: there is none; or an error that ends the stream. */
int ring_take_locked(struct ipc_stream *stream, struct stream_item **ret_item);

/* Notes that a callback looks at all messages that have come. */
static inline void ring_notice_locked(struct ipc_stream *stream)
{
	if (ring_is_read_locked(stream))
		stream->ring->noticed = ring_sent(&stream->ring->side);
}

/* Arms the ring before callbacks end. Returns whether messages came since. Else a bell follows. */
bool ring_rearm_locked(struct ipc_stream *stream);
/* The same for a thread that does not wait: whether to try again. */
bool ring_arm_locked(struct ipc_stream *stream, enum ring_wait wait);
/* Waits: 0: look again; 1: the caller must poll; 2: the bus has an event; or an error. */
int ring_await(struct ipc_stream *stream, enum ring_wait wait, bool alone, uint64_t usec);
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

#endif /* IPC_STREAM_RING_H */
