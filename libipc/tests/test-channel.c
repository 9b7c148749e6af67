// SPDX-License-Identifier: MIT
/*
 * The memory of a direct channel: calls and replies, waiting, and a peer that writes arbitrary
 * bytes into its own part.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "shm/channel.h"
#include "test-run.h"

static struct channel_client_part *requests;
static struct channel_server_part *replies;
static struct channel_caller caller;
static struct channel_callee callee;
static uint8_t data[CHANNEL_HUGE_MAX], huge_request[CHANNEL_HUGE_MAX], huge_reply[CHANNEL_HUGE_MAX];

/* --- Time -------------------------------------------------------------------------------- */

/* For cases that set the clock: each look at it takes a microsecond, and threads run on CPU 0. So
 * no other load of the machine counts. 0: the real clock. */
static uint64_t clock_ns;

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	if (!clock_ns)
		return (int)syscall(SYS_clock_gettime, clock, ret_now);
	clock_ns += 1000;
	*ret_now = (struct timespec){
		.tv_sec = (time_t)(clock_ns / 1000000000),
		.tv_nsec = (long)(clock_ns % 1000000000),
	};
	return 0;
}

int sched_getcpu(void)
{
	unsigned int cpu = 0;

	if (!clock_ns)
		syscall(SYS_getcpu, &cpu, NULL, NULL);
	return (int)cpu;
}

static void begin(void)
{
	requests = aligned_alloc(64, sizeof(*requests));
	replies = aligned_alloc(64, sizeof(*replies));
	memset(requests, 0, sizeof(*requests));
	memset(replies, 0, sizeof(*replies));
	caller = (struct channel_caller){
		.own = requests, .peer = (const void *)replies,
		.own_huge = huge_request, .peer_huge = (const void *)huge_reply,
	};
	callee = (struct channel_callee){
		.peer = (const void *)requests, .own = replies,
		.peer_huge = (const void *)huge_request, .own_huge = huge_reply,
		.is_extended = true,
	};
}

static void end(void)
{
	free(requests);
	free(replies);
}

static unsigned int post(uint32_t code, const void *bytes, size_t size)
{
	struct channel_call call = { .code = code, .data = bytes, .size = size };
	int cell = channel_take_cell(&caller, size);

	ck_assert_int_ge(cell, 0);
	channel_post(&caller, (unsigned int)cell, &call);
	return (unsigned int)cell;
}

static struct channel_taken take(void)
{
	struct channel_taken taken;

	ck_assert_int_eq(channel_take(&callee, &taken), 1);
	channel_copy_request(&callee, &taken, data);
	return taken;
}

static int take_nothing(void)
{
	struct channel_taken taken;

	return channel_take(&callee, &taken);
}

static int take_reply(unsigned int cell, void *to, struct channel_end *ret_end)
{
	int r = channel_take_end(&caller, cell, ret_end);

	if (r == 0)
		channel_take_reply(&caller, cell, ret_end, to);
	return r;
}

static void answer(const struct channel_taken *taken, uint32_t size)
{
	struct channel_end reply = { .kind = CHANNEL_REPLY, .size = size };

	channel_answer(&callee, taken->cell, taken->number, &reply, data);
}

START_TEST(call_and_reply_carry_all_bytes)
{
	static const size_t sizes[] = { 0, 1, 63, 64, 65, CHANNEL_DATA_MAX, CHANNEL_DATA_MAX + 1,
					65536, CHANNEL_HUGE_MAX };
	static uint8_t sent[CHANNEL_HUGE_MAX], got[CHANNEL_HUGE_MAX];
	struct channel_taken taken;
	struct channel_end reply;

	begin();
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned int cell = post((uint32_t)i, sent, sizes[i]);

		taken = take();
		ck_assert_uint_eq(taken.cell, cell);
		ck_assert_uint_eq(taken.code, i);
		ck_assert_uint_eq(taken.size, sizes[i]);
		ck_assert_mem_eq(data, sent, sizes[i]);
		ck_assert_int_eq(channel_await(&caller, cell, 1), -ETIMEDOUT);
		answer(&taken, (uint32_t)sizes[i]);
		ck_assert_int_eq(channel_await(&caller, cell, 1), 0);
		ck_assert_int_eq(take_reply(cell, got, &reply), 0);
		ck_assert_uint_eq(reply.kind, CHANNEL_REPLY);
		ck_assert_uint_eq(reply.size, sizes[i]);
		ck_assert_mem_eq(got, sent, sizes[i]);
	}
	ck_assert_int_eq(take_nothing(), 0);
	end();
}
END_TEST

START_TEST(error_carries_its_errno_and_payload)
{
	struct channel_end error = { .kind = CHANNEL_ERROR, .error = -EDOM, .size = 3 }, got;
	struct channel_taken taken;
	unsigned int cell;

	begin();
	cell = post(1, NULL, 0);
	taken = take();
	channel_answer(&callee, taken.cell, taken.number, &error, "why");
	ck_assert_int_eq(channel_await(&caller, cell, 1), 0);
	ck_assert_int_eq(take_reply(cell, data, &got), 0);
	ck_assert_uint_eq(got.kind, CHANNEL_ERROR);
	ck_assert_int_eq(got.error, -EDOM);
	ck_assert_mem_eq(data, "why", 3);
	end();
}
END_TEST

START_TEST(cells_run_out_and_are_independent)
{
	struct channel_taken taken[CHANNEL_LARGE];
	struct channel_end reply;

	begin();
	for (uint32_t i = 0; i < CHANNEL_LARGE; i++)
		ck_assert_uint_eq(post(i, &i, sizeof(i)), i);
	ck_assert_int_eq(channel_take_cell(&caller, 0), -EBUSY);
	for (uint32_t i = 0; i < CHANNEL_LARGE; i++)
		taken[i] = take();
	ck_assert_int_eq(take_nothing(), 0);
	/* In reverse order. */
	for (uint32_t i = CHANNEL_LARGE; i--;) {
		memcpy(data, &taken[i].code, sizeof(uint32_t));
		answer(&taken[i], sizeof(uint32_t));
		ck_assert_int_eq(take_reply(taken[i].cell, data, &reply), 0);
		ck_assert_mem_eq(data, &i, sizeof(i));
		ck_assert_int_eq(channel_take_cell(&caller, 0), (int)taken[i].cell);
	}
	end();
}
END_TEST

START_TEST(huge_cell_has_one_call_at_a_time)
{
	struct channel_taken taken;
	unsigned int cell;

	begin();
	cell = post(1, data, sizeof(data));
	ck_assert_uint_eq(cell, CHANNEL_HUGE);
	ck_assert_int_eq(channel_take_cell(&caller, CHANNEL_DATA_MAX + 1), -EBUSY);
	ck_assert_int_eq(channel_take_async_cell(&caller, CHANNEL_DATA_MAX + 1), -EBUSY);
	for (uint32_t i = 0; i < CHANNEL_LARGE; i++)
		post(i, NULL, CHANNEL_DATA_MAX);
	for (unsigned int i = CHANNEL_LARGE; i < CHANNEL_HUGE; i++)
		ck_assert_int_ge(channel_take_async_cell(&caller, 0), 0);
	do
		taken = take();
	while (taken.cell != cell);
	/* Other calls never take it. */
	channel_abandon(&caller, cell);
	answer(&taken, 0);
	ck_assert_int_eq(channel_take_cell(&caller, 0), -EBUSY);
	ck_assert_int_eq(channel_take_async_cell(&caller, 0), -EBUSY);
	ck_assert_int_eq(channel_take_async_cell(&caller, CHANNEL_DATA_MAX + 1), CHANNEL_HUGE);
	end();
}
END_TEST

START_TEST(abandoned_cell_is_free_after_its_reply)
{
	struct channel_taken taken;

	begin();
	for (uint32_t i = 0; i < CHANNEL_LARGE; i++)
		post(i, NULL, 0);
	taken = take();
	ck_assert(!channel_is_canceled(&callee, taken.cell, taken.number));
	channel_abandon(&caller, taken.cell);
	ck_assert(channel_is_canceled(&callee, taken.cell, taken.number));
	ck_assert_int_eq(channel_take_cell(&caller, 0), -EBUSY);
	answer(&taken, 0);
	ck_assert_int_eq(channel_take_cell(&caller, 0), (int)taken.cell);
	ck_assert_int_eq(channel_take_cell(&caller, 0), -EBUSY);
	end();
}
END_TEST

START_TEST(spinning_stops_when_it_does_not_pay)
{
	struct channel_spin spin = { .budget_ns = 1000 };
	unsigned int spun = 0;

	for (int i = 0; i < 10000; i++) {
		if (!channel_spin_begin(&spin))
			continue;
		spun++;
		channel_spin_end(&spin, false);
	}
	ck_assert_uint_lt(spun, 10000 / 30);
	ck_assert_uint_gt(spun, 10000 / 130);
	while (!channel_spin_begin(&spin))
		;
	channel_spin_end(&spin, true);
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(channel_spin_begin(&spin), 1000);
		channel_spin_end(&spin, true);
	}
}
END_TEST

/* Nothing comes from CPU 1. */
START_TEST(waits_spin_for_50_microseconds)
{
	struct channel_spin spin = { .budget_ns = CHANNEL_SPIN_NS };
	struct channel_callee *callees[] = { &callee };
	static atomic_uint event, bell;
	const uint32_t tail = 1;
	struct channel_wait wait = {
		.n = 1, .callees = callees, .tails = &tail, .event = &event, .bell = &bell,
		.spin = &spin, .last = &callee,
	};
	unsigned int cell;
	uint64_t before;

	begin();
	caller.spin.budget_ns = CHANNEL_SPIN_NS;
	atomic_store(&replies->cpu, 1);
	cell = post(1, NULL, 0);
	before = clock_ns = 1000000;
	/* Sleeps until a time that has passed on the kernel's clock. */
	ck_assert_int_eq(channel_await(&caller, cell, 1), -ETIMEDOUT);
	ck_assert_uint_ge(clock_ns - before, 50000);
	ck_assert_uint_lt(clock_ns - before, 60000);
	before = clock_ns;
	wait.last_cell = cell;
	atomic_store(&channel_request_at(requests, cell)->cpu, 1);
	ck_assert(!channel_spin_for_call(&wait));
	ck_assert_uint_ge(clock_ns - before, 50000);
	ck_assert_uint_lt(clock_ns - before, 60000);
	clock_ns = 0;
	end();
}
END_TEST

/* Returns how many of n waits yielded. The reply never comes, or too late. */
static unsigned int yields_in_vain(struct channel_yield *yield, unsigned int n, bool late)
{
	unsigned int yielded = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!channel_may_yield(yield))
			continue;
		yielded++;
		channel_yield_end(yield, /* paid= */ late, late ? 1 : channel_now());
	}
	return yielded;
}

START_TEST(yielding_stops_when_it_does_not_pay)
{
	struct channel_yield yield = { 0 };

	clock_ns = 1000000;
	ck_assert_uint_lt(yields_in_vain(&yield, 10000, /* late= */ false), 10000 / 50);
	ck_assert_uint_lt(yields_in_vain(&yield, 1000000, /* late= */ true), 30);
	while (!channel_may_yield(&yield))
		;
	for (int i = 0; i < 100; i++) {
		channel_yield_end(&yield, /* paid= */ true, channel_now());
		ck_assert(channel_may_yield(&yield));
	}
	/* Check takes the time of the case. */
	clock_ns = 0;
}
END_TEST

/* A library such as libfaketime replaces the clock of a process. */
START_TEST(clock_that_is_not_the_kernels_prevents_channels)
{
	bool can = channel_can_wait();

	clock_ns = 1000000;
	ck_assert(!channel_can_wait());
	clock_ns = 0;
	ck_assert(channel_can_wait() == can);
}
END_TEST

/* --- A hostile peer ---------------------------------------------------------------------- */

START_TEST(server_refuses_impossible_numbers)
{
	static const uint32_t numbers[] = { 2, 3, 0x80000000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		begin();
		atomic_store(&requests->posted[3], numbers[i]);
		ck_assert_int_eq(take_nothing(), -EPROTO);
		end();
	}
}
END_TEST

START_TEST(server_refuses_impossible_sizes)
{
	static const uint32_t sizes[] = { CHANNEL_DATA_MAX + 1, CHANNEL_CELL_SIZE, UINT32_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin();
		channel_request_at(requests, post(1, NULL, 0))->size = sizes[i];
		ck_assert_int_eq(take_nothing(), -EPROTO);
		end();
	}
	begin();
	channel_request_at(requests, post(1, data, CHANNEL_DATA_MAX + 1))->size++;
	take();
	channel_request_at(requests, CHANNEL_HUGE)->size = CHANNEL_HUGE_MAX + 1;
	atomic_fetch_and(&callee.busy, 0);
	atomic_fetch_add(&requests->posted[CHANNEL_HUGE], 1);
	ck_assert_int_eq(take_nothing(), -EPROTO);
	end();

	/* The cell has no memory. */
	begin();
	atomic_store(&callee.is_extended, false);
	post(1, data, CHANNEL_DATA_MAX + 1);
	ck_assert_int_eq(take_nothing(), -EPROTO);
	end();
}
END_TEST

START_TEST(server_takes_one_call_of_a_cell_at_a_time)
{
	struct channel_taken taken;

	begin();
	post(1, NULL, 0);
	taken = take();
	/* The client does not wait for the reply. */
	atomic_store(&requests->posted[taken.cell], 2);
	ck_assert_int_eq(take_nothing(), 0);
	answer(&taken, 0);
	taken = take();
	ck_assert_uint_eq(taken.number, 2);
	end();
}
END_TEST

/* Each message of another client would wake a thread in vain. */
START_TEST(hidden_calls_are_not_pending)
{
	begin();
	atomic_store(&requests->posted[CHANNEL_LARGE], 1);
	atomic_store(&requests->posted[CHANNEL_HUGE], 1);
	ck_assert_int_eq(take_nothing(), 0);
	ck_assert(!channel_has_posted(&callee));
	atomic_fetch_add(&requests->others, 1);
	ck_assert(channel_has_posted(&callee));
	ck_assert_uint_eq(take().cell, CHANNEL_LARGE);
	end();
}
END_TEST

/* A caller that is quicker than the server, and a slow one. */
START_TEST(calls_in_a_row_do_not_delay_other_cells_for_long)
{
	struct channel_taken taken;
	struct channel_end reply;
	unsigned int quick, n = 0;

	begin();
	quick = post(1, NULL, 0);
	post(2, NULL, 0);
	for (taken = take(); taken.cell == quick; taken = take()) {
		answer(&taken, 0);
		ck_assert_int_eq(take_reply(quick, data, &reply), 0);
		ck_assert_uint_eq(post(1, NULL, 0), quick);
		ck_assert_uint_le(++n, 16);
	}
	end();
}
END_TEST

START_TEST(client_refuses_impossible_replies)
{
	struct channel_taken taken;
	struct channel_end reply;
	unsigned int cell;

	begin();
	cell = post(1, NULL, 0);
	atomic_store(&channel_reply_at(replies, cell)->number, 5);
	ck_assert_int_eq(channel_await(&caller, cell, 1), 0);
	ck_assert_int_eq(take_reply(cell, data, &reply), -EPROTO);
	end();

	begin();
	cell = post(1, NULL, 0);
	taken = take();
	answer(&taken, 0);
	channel_reply_at(replies, cell)->size = CHANNEL_DATA_MAX + 1;
	ck_assert_int_eq(take_reply(cell, data, &reply), -EPROTO);
	end();

	begin();
	cell = post(1, data, CHANNEL_DATA_MAX + 1);
	taken = take();
	answer(&taken, 0);
	channel_reply_at(replies, cell)->size = CHANNEL_HUGE_MAX + 1;
	ck_assert_int_eq(take_reply(cell, data, &reply), -EPROTO);
	end();
}
END_TEST

/* Any position makes the ring seem empty, full, or to have more space than its size. */
START_TEST(false_position_brings_no_oneway_outside_the_ring)
{
	static const size_t sizes[] = { 0, CHANNEL_DATA_MAX, CHANNEL_DATA_MAX + 1,
					CHANNEL_RING_SIZE, CHANNEL_RING_SIZE + 1,
					CHANNEL_HUGE_MAX };
	unsigned int seed = 1, sent = 0;

	begin();
	for (int i = 0; i < 100000; i++) {
		size_t size = sizes[i % 6];
		uint8_t *payload;

		atomic_store(&replies->drained,
			     caller.sent + (uint32_t)rand_r(&seed) % (8 * CHANNEL_RING_SIZE) -
				     4 * CHANNEL_RING_SIZE);
		payload = channel_reserve_oneway(&caller, size);
		if (!payload)
			continue;
		ck_assert_uint_le(size, CHANNEL_DATA_MAX);
		ck_assert(payload > requests->ring &&
			  payload + size <= requests->ring + CHANNEL_RING_SIZE);
		channel_send_oneway(&caller, 1, 1, size);
		sent++;
	}
	ck_assert_uint_gt(sent, 1000);
	end();
}
END_TEST

/* A thread writes random words while the side under test runs: it must not crash or hang. */
START_TEST(random_words_do_not_affect_other_clients)
{
	struct channel_taken taken;
	struct channel_end reply;
	unsigned int seed = 1, refused = 0, served = 0;

	begin();
	for (int i = 0; i < 200000; i++) {
		unsigned int cell = (unsigned int)rand_r(&seed) % CHANNEL_CELLS;
		struct channel_request *request = channel_request_at(requests, cell);
		int r;

		switch (rand_r(&seed) % 6) {
		case 0:
			atomic_store(&requests->posted[cell], (uint32_t)rand_r(&seed) % 4);
			break;
		case 1:
			request->size = (uint32_t)rand_r(&seed);
			break;
		case 2:
			atomic_store(&requests->posted[cell], callee.seen[cell] + 1);
			request->size = (uint32_t)rand_r(&seed) % CHANNEL_DATA_MAX;
			break;
		case 3:
			atomic_store(&request->cpu, rand_r(&seed) - rand_r(&seed));
			atomic_store(&requests->tail, (uint32_t)rand_r(&seed));
			break;
		case 4:
			atomic_store(&channel_reply_at(replies, cell)->number,
				     (uint32_t)rand_r(&seed) % 3);
			channel_reply_at(replies, cell)->size = (uint32_t)rand_r(&seed) % 5000;
			r = take_reply(cell, data, &reply);
			ck_assert(r == -EPROTO || (r == 0 && reply.size <= channel_data_max(cell)));
			break;
		default:
			r = channel_take(&callee, &taken);
			if (r == 1) {
				ck_assert_uint_lt(taken.cell, CHANNEL_CELLS);
				ck_assert_uint_le(taken.size, channel_data_max(taken.cell));
				channel_copy_request(&callee, &taken, data);
				answer(&taken, taken.size);
				served++;
			} else if (r < 0) {
				ck_assert_int_eq(r, -EPROTO);
				refused++;
				end();
				begin();
			}
		}
	}
	ck_assert_uint_gt(served, 100);
	ck_assert_uint_gt(refused, 100);
	end();
}
END_TEST

/* --- Threads ----------------------------------------------------------------------------- */

#define CALLERS 3
#define SERVERS 2
#define CALLS	20000U

static atomic_uint event, bell;

static void *serve(void *unused)
{
	uint8_t buffer[CHANNEL_DATA_MAX];
	struct channel_callee *callees[] = { &callee };
	struct channel_spin spin = { .budget_ns = 5000 };
	struct channel_taken taken;
	uint32_t tail;
	struct channel_wait wait = {
		.n = 1,
		.callees = callees,
		.tails = &tail,
		.event = &event,
		.bell = &bell,
		.spin = &spin,
	};

	(void)unused;
	while (!atomic_load(&event)) {
		int r;

		tail = atomic_load(&requests->tail);
		r = channel_take(&callee, &taken);
		ck_assert_int_ge(r, 0);
		if (r == 0) {
			channel_wait_call(&wait, 0);
			continue;
		}
		channel_copy_request(&callee, &taken, buffer);
		ck_assert(!channel_is_canceled(&callee, taken.cell, taken.number));
		channel_answer(&callee, taken.cell, taken.number,
			       &(struct channel_end){ .kind = CHANNEL_REPLY, .size = taken.size },
			       buffer);
		wait.last = &callee;
		wait.last_cell = taken.cell;
	}
	return NULL;
}

static void *make_calls(void *number)
{
	uint8_t buffer[CHANNEL_DATA_MAX];
	struct channel_end reply;

	for (uint32_t i = 0; i < CALLS; i++) {
		uint64_t value = (uint64_t)(uintptr_t)number << 32 | i;
		unsigned int cell = post(i, &value, sizeof(value));

		ck_assert_int_eq(channel_await(&caller, cell, 0), 0);
		ck_assert_int_eq(take_reply(cell, buffer, &reply), 0);
		ck_assert_uint_eq(reply.size, sizeof(value));
		ck_assert_mem_eq(buffer, &value, sizeof(value));
		/* Sometimes the server has time to fall asleep. */
		if (i % 97 == 0)
			sched_yield();
	}
	return NULL;
}

START_TEST(no_wake_up_is_lost_between_threads)
{
	pthread_t servers[SERVERS], callers[CALLERS];

	begin();
	caller.spin.budget_ns = 5000;
	for (int i = 0; i < SERVERS; i++)
		ck_assert_int_eq(pthread_create(&servers[i], NULL, serve, NULL), 0);
	for (uintptr_t i = 0; i < CALLERS; i++)
		ck_assert_int_eq(pthread_create(&callers[i], NULL, make_calls, (void *)i), 0);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(callers[i], NULL);
	atomic_store(&event, 1);
	channel_wake(&event, SERVERS);
	for (int i = 0; i < SERVERS; i++)
		pthread_join(servers[i], NULL);
	ck_assert_uint_eq(atomic_load(&replies->waiting) & CHANNEL_SLEEPERS, 0);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel", call_and_reply_carry_all_bytes,
			 error_carries_its_errno_and_payload, cells_run_out_and_are_independent,
			 huge_cell_has_one_call_at_a_time,
			 abandoned_cell_is_free_after_its_reply,
			 spinning_stops_when_it_does_not_pay,
			 waits_spin_for_50_microseconds,
			 yielding_stops_when_it_does_not_pay,
			 clock_that_is_not_the_kernels_prevents_channels,
			 server_refuses_impossible_numbers,
			 server_refuses_impossible_sizes,
			 server_takes_one_call_of_a_cell_at_a_time,
			 hidden_calls_are_not_pending,
			 calls_in_a_row_do_not_delay_other_cells_for_long,
			 client_refuses_impossible_replies,
			 false_position_brings_no_oneway_outside_the_ring,
			 random_words_do_not_affect_other_clients,
			 no_wake_up_is_lost_between_threads);
}
