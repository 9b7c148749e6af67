/* SPDX-License-Identifier: MIT */
/*
 * The rings of a stream: messages, credit and wake-ups in memory, in each direction. No objects
 * and no bus: core/stream-ring.h is above them.
 *
 * Each side writes one part, which the other side maps for reading, like the parts of a channel
 * (channel-memory.h). A slot has a message of plain bytes, or RING_BUS: the next message came
 * through the bus. A message needs a credit, so there is always a free slot.
 *
 * Waiting. A thread that begins to wait writes the value of sent or granted that it has seen into
 * armed[], with RING_BY_BUS if it cannot sleep in a futex, and then looks again. The other side
 * first writes sent or granted, and then reads armed[]. If the values differ, it wakes the thread,
 * once for each value: by the futex, or through the bus. A value with RING_BY_BUS stays until its
 * bell comes: that bell wakes all threads that wait.
 *
 * The other side is not trusted: only channel-peer.h reads its part, and all counts are private.
 *
 * The caller must hold the lock of the stream, except for ring_sleep() and ring_wake().
 */
#ifndef IPC_CHANNEL_RING_H
#define IPC_CHANNEL_RING_H

#include "channel.h"

/* The counts of a side. */
struct ring {
	struct ring_part *own;		/* NULL: the stream is closed */
	const struct peer_ring *peer;
	uint32_t sent, taken;		/* slots */
	uint32_t granted, counted;	/* credit: granted to the peer, and by it */
	uint32_t rung[RING_WAITS];	/* the last of peer->armed[] that was answered */
	bool pending[RING_WAITS];	/* the bell of a value with RING_BY_BUS did not come yet */
};

/* The payload of the next message, up to RING_DATA_MAX bytes. */
static inline uint8_t *ring_data(const struct ring *ring)
{
	return ring->own->slots[ring->sent % RING_SLOTS].data;
}

/* Sends the message in ring_data(), or RING_BUS. Returns the flags of a waiting peer, or 0. */
unsigned int ring_send(struct ring *ring, uint32_t size);
/* Grants credit. Returns as ring_send(). */
unsigned int ring_grant(struct ring *ring, unsigned int messages);
/* Returns the credit that the peer has granted since the last call, or -EPROTO if it exceeds the
 * slots. Must be called without credit. */
int ring_count(struct ring *ring);

static inline uint32_t ring_sent(const struct ring *ring)
{
	return peer_ring_sent(ring->peer);
}

/* Looks at the next message before the slot end, a value of ring_sent(). Returns 1 and its size or
 * RING_BUS, 0 if there is none, or -EPROTO if that is impossible. */
int ring_next(const struct ring *ring, uint32_t end, uint32_t *ret_size);
/* Removes that message, and copies its size bytes. */
static inline void ring_take(struct ring *ring, void *to, uint32_t size)
{
	peer_ring_copy(ring->peer, ring->taken++, to, size);
}

/* Returns the number that changes when a message or credit comes. ring_futex() returns its word. */
static inline uint32_t ring_seen(const struct ring *ring, enum ring_wait wait)
{
	return wait == FOR_MESSAGE ? ring_sent(ring) : peer_ring_granted(ring->peer);
}

static inline const atomic_uint *ring_futex(const struct ring *ring, enum ring_wait wait)
{
	return wait == FOR_MESSAGE ? peer_ring_sent_futex(ring->peer) :
				     peer_ring_granted_futex(ring->peer);
}

/* Announces that a thread waits until the word differs from seen, its current value. The caller
 * must look again afterwards. */
void ring_arm(struct ring *ring, enum ring_wait wait, uint32_t seen, bool by_bus);
/* Ends the waits with RING_BY_BUS, whose bell came through the bus. */
void ring_disarm(struct ring *ring);

/* The values that a thread saw before its last look. */
struct ring_look {
	const atomic_uint *word;	/* ring_futex() */
	uint32_t seen;
	const atomic_uint *event;	/* not 0: the bus has an event */
	const atomic_uint *bell;	/* of this process */
	uint32_t rung;
};

/* Sleeps while all words have these values. Returns as channel_sleep_words(). */
int ring_sleep(const struct ring_look *look, uint64_t until);

/* Wakes threads of the peer that sleep. */
static inline void ring_wake(const struct ring_part *own, enum ring_wait wait)
{
	channel_wake(wait == FOR_MESSAGE ? &own->sent : &own->granted, INT32_MAX);
}

#endif /* IPC_CHANNEL_RING_H */
