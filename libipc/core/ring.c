// SPDX-License-Identifier: MIT
/*
 * What is not done for each message of a ring: see ring.h.
 */
#include "ring.h"

/* Lies between what was seen and what this side has published. */
int ring_see_tail(struct ring *ring)
{
	uint32_t tail;

	if (ring->closed)
		return 0;
	tail = atomic_load(&ring->peer->tail);
	if (tail - ring->seen > ring->position - ring->seen) {
		ring->closed = true;
		return -EPROTO;
	}
	ring->seen = tail;
	return 0;
}

bool ring_want_space(struct ring *ring)
{
	ring_wish(ring, &ring->own->wants_space);
	return ring_has_space(ring);
}

/* At most all slots ahead, and no less than was seen. */
int ring_see_head(struct ring *ring)
{
	uint32_t head, ahead;

	if (ring->closed)
		return 0;
	head = atomic_load(&ring->peer->head);
	ahead = head - ring->position;
	if (ahead > ring->n_slots || ahead < ring->seen - ring->position) {
		ring->closed = true;
		return -EPROTO;
	}
	ring->seen = head;
	return 0;
}

bool ring_want_message(struct ring *ring)
{
	ring_wish(ring, &ring->own->wants_message);
	return ring_has_message(ring);
}

bool ring_want_more(struct ring *ring, uint32_t head)
{
	ring_wish(ring, &ring->own->wants_message);
	return !ring->closed && ring_head(ring) != head;
}

void ring_close(struct ring *ring)
{
	/* What was seen before a head that is not possible counts. */
	ring_see_head(ring);
	ring->closed = true;
}
