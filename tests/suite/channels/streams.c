// SPDX-License-Identifier: MIT
/*
 * Scenarios with the rings of a stream: senders and receivers around the real channel-ring.c. Each
 * side has a lock, and waits as stream-ring.c does: some threads sleep in the futex of the peer,
 * and some until a bell comes through the bus.
 */
#include "seams.h"

#include <errno.h>

#include "shm/channel-ring.h"
#include "model.h"
#include "scenarios.h"

#define EVER 0x7fffffff

enum { SENDER, RECEIVER, SIDES };

static const struct scenario *now;

static struct side {
	struct ring ring;
	atomic_uint lock;
	atomic_uint event;	/* bells that came through the bus */
	atomic_uint bell;	/* wakes all threads of the side */
	unsigned int messages;	/* sent or received */
	unsigned int credit;	/* of the sender; the receiver's to grant */
} sides[SIDES];
static atomic_uint never;

static void lock(struct side *side)
{
	uint32_t state = 0;

	while (!atomic_compare_exchange_weak_explicit(&side->lock, &state, 1, memory_order_seq_cst,
						      memory_order_relaxed)) {
		channel_sleep(&side->lock, 1, 0);
		state = 0;
	}
}

static void unlock(struct side *side)
{
	atomic_store(&side->lock, 0);
	channel_wake(&side->lock, 1);
}

static void alarm_side(struct side *side)
{
	atomic_fetch_add(&side->bell, 1);
	channel_wake_private(&side->bell, EVER);
}

/* Wakes the peer, as ring_ring(). */
static void answer(struct side *side, enum ring_wait wait, unsigned int bell)
{
	struct side *peer = &sides[side == &sides[SENDER]];

	if (!bell)
		return;
	if (bell & RING_BY_BUS) {
		atomic_fetch_add(&peer->event, 1);
		channel_wake(&peer->event, EVER);
	} else {
		ring_wake(side->ring.own, wait);
	}
}

/* As ring_bell_came(). */
static void take_event(struct side *side)
{
	uint32_t events = atomic_load(&side->event);

	while (events && !atomic_compare_exchange_weak_explicit(&side->event, &events, events - 1,
								memory_order_seq_cst,
								memory_order_relaxed))
		;
	if (!events)
		return;
	lock(side);
	ring_disarm(&side->ring);
	alarm_side(side);
	unlock(side);
}

static bool has_come(const struct side *side, enum ring_wait wait)
{
	if (side->messages == now->messages)
		return true;
	if (wait == FOR_CREDIT)
		return side->credit || peer_ring_granted(side->ring.peer) != side->ring.counted;
	return ring_sent(&side->ring) != side->ring.taken;
}

/* As ring_await(). A thread that waits for the bus does not look at the peer's word. */
static void await(struct side *side, enum ring_wait wait, bool by_bus)
{
	struct ring_look look = { .event = &side->event, .bell = &side->bell };
	bool waits;

	lock(side);
	look.rung = atomic_load(&side->bell);
	look.word = ring_futex(&side->ring, wait);
	look.seen = ring_seen(&side->ring, wait);
	ring_arm(&side->ring, wait, look.seen, by_bus);
	if (by_bus) {
		look.word = &never;
		look.seen = 0;
	}
	waits = !has_come(side, wait);
	unlock(side);
	if (waits)
		ring_sleep(&look, 0);
	take_event(side);
}

/* Returns 0 after the last message, or -EAGAIN. */
static int send_message(struct side *side)
{
	uint8_t data[64];
	uint32_t size;
	int n, r;

	lock(side);
	if (side->messages == now->messages) {
		unlock(side);
		return 0;
	}
	n = side->credit ? 0 : ring_count(&side->ring);
	CHECK(n >= 0);
	side->credit += (unsigned int)n;
	if (!side->credit) {
		unlock(side);
		return -EAGAIN;
	}
	side->credit--;
	size = 4 + side->messages;
	__builtin_memset(data, (int)side->messages, size);
	memcpy(ring_data(&side->ring), data, size);
	if (++side->messages == now->messages)
		alarm_side(side);
	r = (int)ring_send(&side->ring, size);
	unlock(side);
	answer(side, FOR_MESSAGE, (unsigned int)r);
	return 1;
}

static int receive_message(struct side *side)
{
	unsigned int bell = 0;
	uint8_t data[64];
	uint32_t size;
	int r;

	lock(side);
	r = ring_next(&side->ring, ring_sent(&side->ring), &size);
	CHECK(r == 0 || r == 1);
	if (!r) {
		r = side->messages == now->messages ? 0 : -EAGAIN;
		unlock(side);
		return r;
	}
	CHECK(size == 4 + side->messages);
	ring_take(&side->ring, data, size);
	CHECK(data[0] == side->messages && data[size - 1] == side->messages);
	if (++side->messages == now->messages)
		alarm_side(side);
	if (++side->credit >= now->window / 2) {
		bell = ring_grant(&side->ring, side->credit);
		side->credit = 0;
	}
	unlock(side);
	answer(side, FOR_CREDIT, bell);
	return 1;
}

static void sender(uintptr_t number)
{
	struct side *side = &sides[SENDER];
	int r;

	while ((r = send_message(side)) && (r < 0 || !now->leaves || number))
		if (r < 0)
			await(side, FOR_CREDIT, now->by_bus >> number & 1);
}

static void receiver(uintptr_t number)
{
	struct side *side = &sides[RECEIVER];
	int r;

	while ((r = receive_message(side)))
		if (r < 0)
			await(side, FOR_MESSAGE, now->by_bus >> number & 1);
}

void streams_set_up(const struct scenario *scenario, struct ring_part *parts)
{
	now = scenario;
	for (unsigned int i = 0; i < SIDES; i++)
		sides[i] = (struct side){
			.ring = { .own = &parts[i], .peer = (const void *)&parts[!i] },
		};
	sides[SENDER].credit = now->window;
	for (unsigned int i = 0; i < now->senders; i++)
		model_spawn("sender", sender, i);
	for (unsigned int i = 0; i < now->receivers; i++)
		model_spawn("receiver", receiver, i);
}

void streams_check(void)
{
	for (unsigned int i = 0; i < SIDES; i++)
		CHECK(sides[i].messages == now->messages);
}
