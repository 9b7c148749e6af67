/* SPDX-License-Identifier: MIT */
/*
 * A ring of slots in memory that two processes share: one direction of a stream. Here is no file,
 * no fd and no wait, so that a test can be the other side.
 *
 * Each side has a part of memory that only it writes; the other side has mapped the part read-only.
 * The sender's part has the slots and their number so far (head). The receiver's has how many of
 * them it took (tail). Both numbers only grow, modulo 2^32. A part may serve both directions of a
 * stream: it has the head of what its owner sends, and the tail of what its owner receives.
 *
 * The other side is not trusted. What it writes is loaded once and compared with what this side
 * knows; this side never reads its own part, and copies a slot out before it looks at it. A head or
 * tail that is not possible is -EPROTO, once: from then on the ring is closed.
 *
 * Sleeping. Before a side waits, it makes its word (wants_message or wants_space) odd and looks
 * again. After the other side has changed head or tail, it looks at that word. All four accesses
 * are sequentially consistent, so at least one side sees the other. Who finds the word odd rings
 * the bell, once for each value. The word is even while its owner is awake, which is when a
 * message costs no system call. Whoever hears the bell makes it even, or else a later wish would be
 * the same value, for which the bell does not ring again.
 */
#ifndef IPC_RING_H
#define IPC_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* About so many bytes of slots, of which there are at least and at most so many. */
#define RING_BYTES     ((uint32_t)16 << 10)
#define RING_MIN_SLOTS 16
#define RING_MAX_SLOTS 1024
#define RING_MAX_SLOT  1024

/* Each word has a cache line of its own. The two sides may be programs of other word sizes. */
struct ring_part {
	_Alignas(64) atomic_uint head; /* of what the owner sends */
	_Alignas(64) atomic_uint tail; /* of what the owner receives */
	_Alignas(64) atomic_uint wants_message;
	_Alignas(64) atomic_uint wants_space;
	_Alignas(64) uint8_t slots[];
};

/* One direction, at one of its sides. */
struct ring {
	struct ring_part *own; /* NULL: there is none */
	const struct ring_part *peer;
	uint32_t slot_size; /* a multiple of 8 */
	uint32_t n_slots;   /* a power of 2 */
	uint32_t position;  /* own head or tail */
	uint32_t seen;	    /* the peer's, when it was looked at */
	uint32_t wish;	    /* own word */
	uint32_t rung;	    /* the peer's word when the bell was rung */
	bool closed;	    /* the peer's part is not looked at any more */
};

/* The slots of a ring, and the bytes of a part, whose owner sends slots of that size; 0: it sends
 * none. */
static inline uint32_t ring_slots(uint32_t slot_size)
{
	uint32_t n = RING_MAX_SLOTS;

	while (n > RING_MIN_SLOTS && n * slot_size > RING_BYTES)
		n /= 2;
	return n;
}

static inline size_t ring_part_size(uint32_t slot_size)
{
	return sizeof(struct ring_part) + (size_t)ring_slots(slot_size) * slot_size;
}

static inline struct ring ring_of(uint32_t slot_size, struct ring_part *own,
				  const struct ring_part *peer)
{
	return (struct ring){
		.own = own,
		.peer = peer,
		.slot_size = slot_size,
		.n_slots = ring_slots(slot_size),
	};
}

/* Whether the peer sleeps, and was not woken since. */
static inline bool ring_must_wake(struct ring *ring, const atomic_uint *word)
{
	uint32_t wish = atomic_load(word);

	if (!(wish & 1) || wish == ring->rung)
		return false;
	ring->rung = wish;
	return true;
}

/* This side sleeps, or does not. */
static inline void ring_wish(struct ring *ring, atomic_uint *word)
{
	ring->wish |= 1;
	atomic_store(word, ring->wish);
}

static inline void ring_unwish(struct ring *ring, atomic_uint *word)
{
	if (ring->wish & 1)
		atomic_store_explicit(word, ++ring->wish, memory_order_relaxed);
}

/* --- Sending ---------------------------------------------------------------------------- */

/* Looks at the peer's tail: 0, or -EPROTO. */
int ring_see_tail(struct ring *ring);

/* 1: *ret_slot is the next slot, which the peer does not look at; 0: none is free; -EPROTO. */
static inline int ring_reserve(struct ring *ring, void **ret_slot)
{
	if (ring->position - ring->seen == ring->n_slots) {
		if (ring_see_tail(ring) < 0)
			return -EPROTO;
		if (ring->position - ring->seen == ring->n_slots)
			return 0;
	}
	*ret_slot =
		ring->own->slots + (size_t)(ring->position & (ring->n_slots - 1)) * ring->slot_size;
	return 1;
}

/* The slot is a message now. True: ring the peer's bell. */
static inline bool ring_publish(struct ring *ring)
{
	atomic_store(&ring->own->head, ++ring->position);
	return ring_must_wake(ring, &ring->peer->wants_message);
}

/* Whether a slot is free, or the peer's tail is not possible: the next ring_reserve() says so. */
static inline bool ring_has_space(const struct ring *ring)
{
	return ring->position - ring->seen < ring->n_slots ||
	       (!ring->closed && atomic_load(&ring->peer->tail) != ring->seen);
}

/* Asks for the bell when half of the slots are free, and then looks at the ring again: as
 * ring_has_space(). */
bool ring_want_space(struct ring *ring);

/* --- Receiving -------------------------------------------------------------------------- */

/* Looks at the peer's head: 0, or -EPROTO. */
int ring_see_head(struct ring *ring);

/* 1: *ret_slot is the first message; 0: there is none; -EPROTO. The peer may still write to the
 * slot. */
static inline int ring_look(struct ring *ring, const void **ret_slot)
{
	if (ring->seen == ring->position) {
		if (ring_see_head(ring) < 0)
			return -EPROTO;
		if (ring->seen == ring->position)
			return 0;
	}
	*ret_slot = ring->peer->slots +
		    (size_t)(ring->position & (ring->n_slots - 1)) * ring->slot_size;
	return 1;
}

/* The message was copied: its slot is free. True: ring the peer's bell. */
static inline bool ring_take(struct ring *ring)
{
	atomic_store(&ring->own->tail, ++ring->position);
	return ring->seen - ring->position <= ring->n_slots / 2 &&
	       ring_must_wake(ring, &ring->peer->wants_space);
}

/* Whether there is a message, or the peer's head is not possible. */
static inline bool ring_has_message(const struct ring *ring)
{
	return ring->seen != ring->position ||
	       (!ring->closed && atomic_load(&ring->peer->head) != ring->position);
}

/* Asks for the bell, and then looks at the ring again: as ring_has_message(). */
bool ring_want_message(struct ring *ring);

/* The peer's head, for nothing but ring_want_more(), which asks for the bell, and then looks
 * whether it is another one now. */
static inline uint32_t ring_head(const struct ring *ring)
{
	return atomic_load(&ring->peer->head);
}

bool ring_want_more(struct ring *ring, uint32_t head);

/* The peer sends no more: only messages that are there now can be received. */
void ring_close(struct ring *ring);

#endif /* IPC_RING_H */
