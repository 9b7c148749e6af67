// SPDX-License-Identifier: MIT
/*
 * A ring in shared memory: messages in order, sleeping and waking, and another side that writes
 * whatever it likes into its own part.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/ring.h"
#include "test-run.h"

#define SLOT 64

/* Both sides of one direction. */
static struct ring_part *sender, *receiver;
static struct ring out, in;

static void begin(void)
{
	sender = aligned_alloc(64, ring_part_size(SLOT));
	receiver = aligned_alloc(64, ring_part_size(0));
	memset(sender, 0, ring_part_size(SLOT));
	memset(receiver, 0, ring_part_size(0));
	out = ring_of(SLOT, sender, receiver);
	in = ring_of(SLOT, receiver, sender);
}

static void end(void)
{
	free(sender);
	free(receiver);
}

/* 1: sent, and *ret_bell says whether to ring. */
static int put(uint64_t value, bool *ret_bell)
{
	void *slot;
	int r = ring_reserve(&out, &slot);

	if (r <= 0)
		return r;
	memcpy(slot, &value, sizeof(value));
	*ret_bell = ring_publish(&out);
	return 1;
}

static int get(uint64_t *ret_value, bool *ret_bell)
{
	const void *slot;
	int r = ring_look(&in, &slot);

	if (r <= 0)
		return r;
	ring_unwish(&in, &receiver->wants_message);
	memcpy(ret_value, slot, sizeof(*ret_value));
	*ret_bell = ring_take(&in);
	return 1;
}

static void fill(void)
{
	bool bell;

	for (uint32_t i = 0; i < out.n_slots; i++)
		ck_assert_int_eq(put(i, &bell), 1);
}

START_TEST(has_a_power_of_two_of_slots)
{
	for (uint32_t slot = 8; slot <= RING_MAX_SLOT; slot += 8) {
		uint32_t n = ring_slots(slot);

		ck_assert_uint_eq(n & (n - 1), 0);
		ck_assert_uint_ge(n, RING_MIN_SLOTS);
		ck_assert_uint_le(n, RING_MAX_SLOTS);
		ck_assert(n == RING_MIN_SLOTS || n * slot <= RING_BYTES);
	}
	ck_assert_uint_eq(ring_slots(SLOT), 256);
	ck_assert_uint_eq(ring_part_size(0), sizeof(struct ring_part));
}
END_TEST

START_TEST(carries_messages_in_order)
{
	uint64_t value = 0, expected = 0, n = 0;
	bool bell = false;

	begin();
	/* Across the end of the numbers. */
	out.position = out.seen = in.position = in.seen = UINT32_MAX - 100;
	atomic_store(&sender->head, out.position);
	atomic_store(&receiver->tail, out.position);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < round % 300 && put(n, &bell) == 1; i++)
			n++;
		ck_assert(!bell);
		while (get(&value, &bell) == 1)
			ck_assert_uint_eq(value, expected++);
		ck_assert(!bell);
	}
	ck_assert_uint_eq(expected, n);
	ck_assert_uint_gt(n, 100000);
	end();
}
END_TEST

START_TEST(is_full_until_a_slot_is_taken)
{
	uint64_t value;
	bool bell;

	begin();
	fill();
	ck_assert(!ring_has_space(&out));
	ck_assert_int_eq(put(0, &bell), 0);
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert(ring_has_space(&out));
	ck_assert_int_eq(put(0, &bell), 1);
	ck_assert_int_eq(put(0, &bell), 0);
	end();
}
END_TEST

START_TEST(rings_for_a_message_once)
{
	uint64_t value;
	bool bell;

	begin();
	ck_assert(!ring_want_message(&in));
	ck_assert_int_eq(put(1, &bell), 1);
	ck_assert(bell);
	ck_assert_int_eq(put(2, &bell), 1);
	ck_assert(!bell);
	/* It is awake now. */
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert_int_eq(put(3, &bell), 1);
	ck_assert(!bell);
	/* What is there already is found by the second look. */
	ck_assert(ring_want_message(&in));
	while (get(&value, &bell) == 1)
		;
	ck_assert(!ring_want_message(&in));
	ck_assert_int_eq(put(4, &bell), 1);
	ck_assert(bell);
	end();
}
END_TEST

START_TEST(rings_for_space_when_half_is_free)
{
	uint64_t value;
	bool bell;

	begin();
	fill();
	ck_assert(!ring_want_space(&out));
	for (uint32_t i = 1; i < in.n_slots / 2; i++) {
		ck_assert_int_eq(get(&value, &bell), 1);
		ck_assert(!bell);
	}
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert(bell);
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert(!bell);
	ck_assert_int_eq(put(0, &bell), 1);
	/* The one who heard it wishes anew, or the next bell would not ring. */
	ck_assert_uint_eq(atomic_load(&sender->wants_space) & 1, 1);
	ring_unwish(&out, &sender->wants_space);
	ck_assert_uint_eq(atomic_load(&sender->wants_space) & 1, 0);
	end();
}
END_TEST

/* The head that a sender publishes which lies so far ahead of what was received. */
static void head_lies(int32_t ahead, uint32_t expected)
{
	uint64_t value;
	uint32_t n = 0;
	bool bell;
	int r;

	begin();
	in.position = in.seen = 1000;
	atomic_store(&sender->head, 1000 + (uint32_t)ahead);
	ck_assert(ring_has_message(&in) == (ahead != 0));
	while ((r = get(&value, &bell)) == 1)
		n++;
	ck_assert_uint_eq(n, expected);
	ck_assert_int_eq(r, ahead >= 0 && ahead <= 256 ? 0 : -EPROTO);
	/* Once; then it is as if nothing came. */
	ck_assert_int_eq(get(&value, &bell), 0);
	if (r < 0)
		ck_assert(!ring_has_message(&in));
	end();
}

START_TEST(refuses_a_head_that_is_not_possible)
{
	head_lies(0, 0);
	head_lies(1, 1);
	head_lies(256, 256);
	head_lies(257, 0);
	head_lies(-1, 0);
	head_lies(INT32_MAX, 0);
	head_lies(INT32_MIN, 0);
}
END_TEST

START_TEST(refuses_a_head_that_goes_back)
{
	uint64_t value;
	bool bell;

	begin();
	atomic_store(&sender->head, 10);
	ck_assert_int_eq(get(&value, &bell), 1);
	/* Behind what was seen, but not behind what was received. */
	atomic_store(&sender->head, 5);
	ck_assert_int_eq(ring_see_head(&in), -EPROTO);
	/* Those that were seen count. */
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert_int_eq(get(&value, &bell), 0);
	end();
}
END_TEST

static void tail_lies(uint32_t tail, bool possible)
{
	bool bell;
	int r;

	begin();
	fill();
	atomic_store(&receiver->tail, tail);
	r = put(0, &bell);
	ck_assert_int_eq(r, possible ? tail > 0 : -EPROTO);
	if (!possible)
		ck_assert_int_eq(put(0, &bell), 0);
	end();
}

START_TEST(refuses_a_tail_that_is_not_possible)
{
	tail_lies(0, true);
	tail_lies(1, true);
	tail_lies(256, true);
	tail_lies(257, false);
	tail_lies(UINT32_MAX, false);
	tail_lies(0x80000000U, false);
}
END_TEST

START_TEST(refuses_a_tail_that_goes_back)
{
	bool bell;

	begin();
	fill();
	atomic_store(&receiver->tail, 2);
	ck_assert_int_eq(put(0, &bell), 1);
	ck_assert_int_eq(put(0, &bell), 1);
	atomic_store(&receiver->tail, 1);
	ck_assert(ring_has_space(&out));
	ck_assert_int_eq(put(0, &bell), -EPROTO);
	end();
}
END_TEST

START_TEST(receives_what_was_there_when_it_closed)
{
	uint64_t value;
	bool bell;

	begin();
	put(1, &bell);
	put(2, &bell);
	ring_close(&in);
	put(3, &bell);
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert(!ring_has_message(&in));
	ck_assert_int_eq(get(&value, &bell), 0);
	end();
}
END_TEST

START_TEST(is_not_moved_by_its_own_part)
{
	uint64_t value;
	bool bell;

	begin();
	/* Somebody else writes to the parts of both sides, each of which wrote its own. */
	put(7, &bell);
	atomic_store(&receiver->tail, 12345);
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert_uint_eq(value, 7);
	ck_assert_uint_eq(atomic_load(&receiver->tail), 1);
	atomic_store(&sender->head, 54321);
	put(8, &bell);
	ck_assert_uint_eq(atomic_load(&sender->head), 2);
	ck_assert_int_eq(get(&value, &bell), 1);
	ck_assert_uint_eq(value, 8);
	end();
}
END_TEST

/* --- Two threads ----------------------------------------------------------------------- */

#define MESSAGES 200000

/* A bell that is rung is heard, once or more. */
struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	bool is_rung;
};

static struct bell for_receiver = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
static struct bell for_sender = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

static void ring_it(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	bell->is_rung = true;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
}

static void wait_for(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	while (!bell->is_rung)
		pthread_cond_wait(&bell->rung, &bell->lock);
	bell->is_rung = false;
	pthread_mutex_unlock(&bell->lock);
}

static void *send_all(void *unused)
{
	bool bell;

	(void)unused;
	for (uint64_t i = 0; i < MESSAGES;) {
		int r = put(i, &bell);

		ck_assert_int_ge(r, 0);
		if (r == 0) {
			if (!ring_want_space(&out)) {
				wait_for(&for_sender);
				ring_unwish(&out, &sender->wants_space);
			}
			continue;
		}
		if (bell)
			ring_it(&for_receiver);
		/* Now and then the receiver has time to fall asleep. */
		if (++i % 97 == 0)
			sched_yield();
	}
	return NULL;
}

START_TEST(loses_no_wake_up_between_threads)
{
	pthread_t thread;
	uint64_t value;
	bool bell;

	begin();
	ck_assert_int_eq(pthread_create(&thread, NULL, send_all, NULL), 0);
	for (uint64_t i = 0; i < MESSAGES;) {
		int r = get(&value, &bell);

		ck_assert_int_ge(r, 0);
		if (r == 0) {
			if (!ring_want_message(&in))
				wait_for(&for_receiver);
			continue;
		}
		ck_assert_uint_eq(value, i++);
		if (bell)
			ring_it(&for_sender);
	}
	pthread_join(thread, NULL);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("ring", has_a_power_of_two_of_slots, carries_messages_in_order,
			 is_full_until_a_slot_is_taken, rings_for_a_message_once,
			 rings_for_space_when_half_is_free, refuses_a_head_that_is_not_possible,
			 refuses_a_head_that_goes_back, refuses_a_tail_that_is_not_possible,
			 refuses_a_tail_that_goes_back, receives_what_was_there_when_it_closed,
			 is_not_moved_by_its_own_part, loses_no_wake_up_between_threads);
}
