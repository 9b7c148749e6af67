// SPDX-License-Identifier: MIT
/* Messages, credit and wake-ups in memory: see channel-ring.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>

#include "channel-ring.h"

/* Returns the flags of the peer's wait if it waits for another value than it has seen, or 0. If it
 * has seen this value already, a wake-up now would be in vain, and the only one. */
static unsigned int bell(struct ring *ring, enum ring_wait wait, uint32_t value)
{
	unsigned int armed = peer_ring_armed(ring->peer, wait);

	if (armed == ring->rung[wait] || !((armed ^ value << 2) & ~RING_FLAGS))
		return 0;
	ring->rung[wait] = armed;
	return armed & RING_FLAGS;
}

unsigned int ring_send(struct ring *ring, uint32_t size)
{
	ring->own->slots[ring->sent % RING_SLOTS].size = size;
	atomic_store(&ring->own->sent, ++ring->sent);
	return bell(ring, FOR_MESSAGE, ring->sent);
}

unsigned int ring_grant(struct ring *ring, unsigned int messages)
{
	ring->granted += messages;
	atomic_store(&ring->own->granted, ring->granted);
	return bell(ring, FOR_CREDIT, ring->granted);
}

int ring_count(struct ring *ring)
{
	uint32_t granted = peer_ring_granted(ring->peer), n = granted - ring->counted;

	if (n > RING_SLOTS)
		return -EPROTO;
	ring->counted = granted;
	return (int)n;
}

int ring_next(const struct ring *ring, uint32_t end, uint32_t *ret_size)
{
	uint32_t n = end - ring->taken;
	int r;

	if (!n)
		return 0;
	if (n > RING_SLOTS)
		return -EPROTO;
	r = peer_ring_size(ring->peer, ring->taken, ret_size);
	return r < 0 ? r : 1;
}

void ring_arm(struct ring *ring, enum ring_wait wait, uint32_t seen, bool by_bus)
{
	if (ring->pending[wait])
		return;
	ring->pending[wait] = by_bus;
	atomic_store(&ring->own->armed[wait], seen << 2 | RING_ARMED | (by_bus ? RING_BY_BUS : 0));
}

void ring_disarm(struct ring *ring)
{
	for (unsigned int wait = 0; wait < RING_WAITS; wait++)
		ring->pending[wait] = false;
}

int ring_sleep(const struct ring_look *look, uint64_t until)
{
	struct futex_waitv words[] = {
		{ .uaddr = (uintptr_t)look->word, .val = look->seen, .flags = FUTEX_32 },
		{ .uaddr = (uintptr_t)look->event, .flags = FUTEX_32 },
		{ .uaddr = (uintptr_t)look->bell, .val = look->rung,
		  .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
	};

	return channel_sleep_words(words, 3, until);
}
