// SPDX-License-Identifier: MIT
/*
 * A hostile peer of a direct channel. Threads write random, boundary and replayed values to all
 * shared words and payloads of their part, while the honest side works with the real channel.c.
 *
 *   hostile [--rounds N] [--seconds N] [--seed N] [--round N]
 *
 * A round has a single channel: an honest server with two threads and a hostile client, or an
 * honest client with three threads and a hostile server. The honest side maps the peer's part
 * read-only, between pages that fault, as in a program. The hostile side writes by a mapping of its
 * own. A stream follows (hostile-rings.c).
 *
 * Requirements:
 *   - No access outside the parts and buffers (guard pages, ASan), and none that races with another
 *     thread of the honest side (TSan).
 *   - Every function returns a result that channel.h lists, within its time.
 *   - The server takes a number of a cell at most once, in order, and never two calls of a cell at
 *     once.
 *   - A oneway that the server takes lies in the ring and has a possible size.
 *   - The client takes a reply only if its number is that of the call. Some hostile servers never
 *     write this number, so their clients never get a reply.
 *   - -EPROTO is for impossible claims: a peer that makes none never gets it.
 *   - After the end of a channel, the server takes at most a ring of oneways for each message of
 *     the bus, and none after it has dropped them.
 *   - When the peer behaves again, in a channel that has not ended, every cell becomes free.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/channel.h"
#include "hostile.h"

#define SERVERS	  2U
#define CLIENTS	  3U
#define ATTACKERS 2U
#define STEPS	  120U /* of an honest thread in a round */
#define SPIN_NS	  20000U
#define ALL_CELLS ((1U << CHANNEL_CELLS) - 1)

static struct {
	unsigned long rounds, seconds, seed, only;
} options = { .rounds = 400, .seed = 1 };

static unsigned long round_now;
enum habit habit;
static struct channel_caller caller;
static struct channel_callee callee;
/* The hostile side's mapping of its part, which the honest side maps read-only. */
static void *hostile_part;
static bool hostile_is_client;
/* The hostile side's mapping of its extension, or NULL: the channel has none in every fourth round
 * of each kind. */
static uint8_t *hostile_huge;
static atomic_bool over, ended;
static atomic_uint event, bell, in_service;
static uint32_t last_taken[CHANNEL_CELLS];
/* The turn of the honest side's threads to take or send oneways. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
/* A hostile client that makes only possible claims sends oneways by this. */
static struct channel_caller possible;
/* Something of everything happened. */
static atomic_ulong oneways_taken, oneways_sent, full, ends;
static atomic_ulong asyncs, rings;
static atomic_ulong taken, refused, replies, joins, timeouts, abandoned, busy, recovered;

_Noreturn void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "hostile: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\nrepeat it: hostile --seed %lu --round %lu\n", options.seed, round_now);
	va_end(args);
	abort();
}

/* splitmix64 */
uint32_t chance(uint64_t *state, uint32_t n)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (uint32_t)((z >> 32) * n >> 32);
}

/* --- Memory ------------------------------------------------------------------------------- */

static void *map_guarded(int fd, size_t size, int prot)
{
	char *at = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	CHECK(mmap(at + PAGE, size, prot, MAP_SHARED | MAP_FIXED, fd, 0) == at + PAGE);
	return at + PAGE;
}

static void unmap_guarded(const void *part, size_t size)
{
	CHECK(munmap((char *)(uintptr_t)part - PAGE, size + 2 * PAGE) == 0);
}

static int part_new(size_t size)
{
	int fd = memfd_create("part", MFD_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

/* In every second round of each kind. */
static uint32_t spins(void)
{
	return round_now / (2 * HABITS) % 2 ? SPIN_NS : 0;
}

/* --- The hostile side ---------------------------------------------------------------------- */

/* Any words of the part, wherever they are. */
static void write_anywhere(uint64_t *dice)
{
	char *part = hostile_part;
	uint32_t at = chance(dice, CHANNEL_PART_SIZE / 4);

	for (uint32_t n = chance(dice, 16); n && at < CHANNEL_PART_SIZE / 4; n--, at++)
		put(part + at * 4UL, any_value(dice));
}

/* A number near that of the honest side: possible, replayed or too far. */
static uint32_t near_number(uint64_t *dice, uint32_t number, uint32_t possible)
{
	switch (habit) {
	case WILD:
		return chance(dice, 4) ? number - 2 + chance(dice, 5) : any_value(dice);
	case NEVER_RIGHT:
		return hostile_is_client ? number + 2 + chance(dice, 1000) :
		       chance(dice, 2)	 ? number - 1 - chance(dice, 3) :
					   number + 0x40000000;
	default:
		return possible;
	}
}

static unsigned int any_cell(uint64_t *dice)
{
	if (hostile_huge)
		return chance(dice, CHANNEL_CELLS);
	/* A call in the huge cell is impossible without its extension. */
	return habit != POSSIBLE && chance(dice, 2) ? CHANNEL_HUGE : chance(dice, CHANNEL_HUGE);
}

static void write_payload(uint64_t *dice, unsigned int cell, uint8_t *in_part)
{
	uint8_t *payload = cell == CHANNEL_HUGE ? hostile_huge : in_part;

	if (payload)
		put(payload + 4UL * chance(dice, (uint32_t)channel_data_max(cell) / 4),
		    any_value(dice));
}

static void attack_ring(uint64_t *dice)
{
	struct channel_client_part *part = hostile_part;
	uint32_t drained = atomic_load_explicit(&callee.drained, memory_order_relaxed);
	struct channel_oneway *next = (void *)&part->ring[drained % CHANNEL_RING_SIZE];
	uint32_t size = chance(dice, 2) ? chance(dice, 200) : chance(dice, CHANNEL_DATA_MAX + 1);

	if (habit == POSSIBLE) {
		if (channel_reserve_oneway(&possible, size))
			channel_send_oneway(&possible, chance(dice, 3), any_value(dice), size);
		return;
	}
	put(&next->epoch, chance(dice, 4));
	put(&next->size, chance(dice, 4) ? size : chance(dice, 2) ? CHANNEL_SKIP : any_value(dice));
	put(&part->sent,
	    chance(dice, 8) ? drained + 16 * chance(dice, 1100) : beside(dice, drained));
	atomic_fetch_add(&part->tail, 1);
	channel_wake(&part->tail, 1);
}

static void attack_server(uint64_t *dice)
{
	struct channel_client_part *part = hostile_part;
	unsigned int cell = any_cell(dice);
	struct channel_request *request = channel_request_at(part, cell);
	uint32_t seen = atomic_load_explicit(&callee.seen[cell], memory_order_relaxed);

	switch (chance(dice, 9)) {
	case 0:
		if (habit == WILD)
			write_anywhere(dice);
		break;
	case 6:
		attack_ring(dice);
		break;
	case 1:
		put(&request->cpu, any_value(dice));
		put(&part->waiting, any_value(dice));
		put(&part->polls, any_value(dice));
		break;
	case 2:
		put(&request->canceled, chance(dice, 2) ? seen : any_value(dice));
		break;
	case 3:
		put(&request->size,
		    habit == POSSIBLE ? chance(dice, (uint32_t)channel_data_max(cell) + 1) :
					 any_value(dice));
		break;
	case 4:
		put(&request->code, any_value(dice));
		write_payload(dice, cell, request->data);
		break;
	case 5:
		/* Wakes the other side without a call or a change. */
		atomic_fetch_add_explicit(&part->tail, chance(dice, 2), memory_order_relaxed);
		channel_wake(&part->tail, 1 + chance(dice, 2));
		break;
	default:
		/* Two threads may post in a cell: the number is possible for the first only. */
		if (habit == POSSIBLE &&
		    atomic_load_explicit(&part->posted[cell], memory_order_relaxed) != seen)
			break;
		put(&part->posted[cell], !hostile_huge && cell == CHANNEL_HUGE ?
						 seen + 1 :
						 near_number(dice, seen, seen + 1));
		if (habit == POSSIBLE || chance(dice, 2))
			atomic_fetch_add(&part->others, 1);
		atomic_fetch_add(&part->tail, 1);
		channel_wake(&part->tail, 1);
	}
}

static void attack_client(uint64_t *dice)
{
	struct channel_server_part *part = hostile_part;
	unsigned int cell = any_cell(dice);
	struct channel_reply *reply = channel_reply_at(part, cell);
	uint32_t posted = atomic_load_explicit(&caller.own->posted[cell], memory_order_acquire);

	switch (chance(dice, 9)) {
	case 0:
		if (habit == WILD)
			write_anywhere(dice);
		break;
	case 1:
		put(&part->cpu, any_value(dice));
		put(&part->waiting, any_value(dice));
		put(&part->drained, chance(dice, 2) ? caller.own->sent : any_value(dice));
		put(&part->taken[cell], chance(dice, 2) ? posted : any_value(dice));
		break;
	case 2:
		put(&reply->kind, any_value(dice));
		put(&reply->error, any_value(dice));
		break;
	case 3:
		put(&reply->size,
		    habit == POSSIBLE ? chance(dice, (uint32_t)channel_data_max(cell) + 1) :
					 any_value(dice));
		break;
	case 4:
		write_payload(dice, cell, reply->data);
		break;
	case 5:
		channel_wake(&reply->number, 1);
		break;
	case 6:
		/* The handler asks the client to join, before it replies. */
		if (habit == POSSIBLE &&
		    (atomic_load_explicit(&reply->number, memory_order_relaxed) == posted ||
		     channel_is_async(atomic_load(&channel_request_at(caller.own, cell)->cpu))))
			break;
		put(&reply->thread, any_value(dice));
		put(&reply->number, posted ^ CHANNEL_NESTS);
		channel_wake(&reply->number, 1);
		break;
	default:
		/* A reply that comes before its call is impossible. */
		if (habit == NEVER_RIGHT && !posted)
			break;
		put(&reply->number, near_number(dice, posted, posted));
		channel_wake(&reply->number, 1);
		atomic_fetch_add(&part->tail, chance(dice, 2));
		channel_wake(&part->tail, 1);
	}
}

static void *attack(void *number)
{
	uint64_t dice = options.seed << 32 ^ round_now << 4 ^ (uintptr_t)number;

	while (!atomic_load(&over)) {
		if (hostile_is_client)
			attack_server(&dice);
		else
			attack_client(&dice);
		/* A round needs other speeds too. */
		if (!chance(&dice, 1 + round_now % 64))
			usleep(chance(&dice, 100));
	}
	return NULL;
}

/* --- An honest server ---------------------------------------------------------------------- */

static void serve_call(const struct channel_taken *call, uint8_t *data, uint64_t *dice)
{
	const struct channel_end end = {
		.kind = 1 + chance(dice, 4),
		.error = -EDOM,
		.size = call->size,
	};
	unsigned int bit = 1U << call->cell;

	CHECK(call->cell < (hostile_huge ? CHANNEL_CELLS : CHANNEL_HUGE));
	CHECK(call->size <= channel_data_max(call->cell));
	CHECK(!(atomic_fetch_or(&in_service, bit) & bit));
	/* Under the bit, which orders the threads that serve the cell. */
	/* Canceled calls are refused before a thread sees them. */
	CHECK(call->number - last_taken[call->cell] - 1 < 0x10000000);
	last_taken[call->cell] = call->number;
	channel_copy_request(&callee, call, data);
	channel_is_canceled(&callee, call->cell, call->number);
	if (!chance(dice, 8))
		usleep(chance(dice, 50));
	for (uint32_t i = 0; i < call->size; i++)
		data[i] ^= 0xff;
	if (!chance(dice, 4))
		channel_ask_to_join(&callee, call->cell, call->number, 1);
	atomic_fetch_and(&in_service, ~bit);
	if (channel_answer(&callee, call->cell, call->number, &end, data) || !chance(dice, 8))
		atomic_fetch_add(&rings, channel_notify(&callee));
	atomic_fetch_add(&taken, 1);
}

static void wait_for_call(const struct channel_wait *wait)
{
	uint64_t begin = channel_now();
	int r = channel_wait_call(wait, begin + WAIT_NS);

	CHECK(r == 0 || r == -ETIMEDOUT || r == -EINTR);
	CHECK(channel_now() - begin < SLACK_NS);
}

/* Returns whether the peer made an impossible claim. */
static bool take_oneways(uint8_t *data, uint64_t *dice)
{
	struct channel_taken oneway;
	uint32_t epoch = chance(dice, 4);
	int r = 0;

	if (!channel_has_oneway(&callee, epoch) || pthread_mutex_trylock(&turn))
		return false;
	for (unsigned int i = 0; i < 16 && r >= 0; i++) {
		r = channel_take_oneway(&callee, epoch, data, &oneway);
		CHECK(r == 0 || r == 1 || r == -EPROTO);
		if (r == 1) {
			CHECK(oneway.size <= CHANNEL_DATA_MAX);
			atomic_fetch_add(&oneways_taken, 1);
		}
	}
	pthread_mutex_unlock(&turn);
	return r < 0;
}

/* The channel has ended, and the client still writes. */
static void end_oneways(uint8_t *data, uint64_t *dice)
{
	struct channel_taken oneway;
	int r = 0;

	pthread_mutex_lock(&turn);
	channel_end(&callee);
	CHECK(callee.ring != CHANNEL_RING_LIVE);
	for (unsigned int i = 0; i < 8; i++) {
		uint32_t from = callee.drained, epoch = chance(dice, 4);

		CHECK(from % CHANNEL_ONEWAY_ALIGN == 0);
		do {
			r = channel_take_oneway(&callee, epoch, data, &oneway);
			CHECK(r == 0 || r == 1 || r == -EPROTO);
			CHECK(callee.drained - from <= CHANNEL_RING_SIZE);
		} while (r > 0);
		atomic_fetch_add(&ends, callee.drained - from > 0);
		if (r < 0)
			channel_drop_oneways(&callee);
		/* A drain comes, or the death of the client is found. */
		if (chance(dice, 2))
			channel_drain_until(&callee, beside(dice, callee.drained));
		else
			channel_close_ring(&callee);
		CHECK(r == 0 || !channel_has_oneway(&callee, epoch));
	}
	channel_drop_oneways(&callee);
	CHECK(!channel_has_oneway(&callee, chance(dice, 4)));
	pthread_mutex_unlock(&turn);
}

static void *serve(void *number)
{
	uint64_t dice = options.seed << 32 ^ round_now << 4 ^ (8 + (uintptr_t)number);
	struct channel_callee *const callees[] = { &callee };
	struct channel_spin spin = { .budget_ns = spins() };
	uint8_t *data = malloc(CHANNEL_HUGE_MAX);
	struct channel_taken call;
	uint32_t tail;
	struct channel_wait wait = {
		.n = 1,
		.callees = callees,
		.tails = &tail,
		.event = &event,
		.bell = &bell,
		.spin = &spin,
	};

	CHECK(data);
	for (unsigned int i = 0; i < STEPS && !atomic_load(&ended); i++) {
		int r;

		if (i == STEPS / 2 && number && round_now % 5 == 0) {
			atomic_store(&ended, true);
			break;
		}
		tail = peer_tail(callee.peer);
		r = take_oneways(data, &dice) ? -EPROTO : channel_take(&callee, &call);
		CHECK(r == 0 || r == 1 || r == -EPROTO);
		if (r == 1) {
			serve_call(&call, data, &dice);
			wait.last = &callee;
			wait.last_cell = call.cell;
		} else if (r == 0) {
			wait_for_call(&wait);
		} else {
			CHECK(habit != POSSIBLE);
			atomic_fetch_add(&refused, 1);
			atomic_store(&ended, true);
		}
	}
	if (atomic_load(&ended))
		end_oneways(data, &dice);
	free(data);
	return NULL;
}

/* The peer behaves: each cell gets a call, which is served. */
static void recover_server(void)
{
	struct channel_client_part *part = hostile_part;
	uint8_t *data = malloc(CHANNEL_HUGE_MAX);
	uint64_t dice = 1;
	struct channel_taken call;
	int r;

	CHECK(data);
	for (unsigned int cell = 0; cell < CHANNEL_CELLS; cell++)
		atomic_store(&part->posted[cell], callee.seen[cell]);
	for (unsigned int cell = 0; cell < (hostile_huge ? CHANNEL_CELLS : CHANNEL_HUGE); cell++) {
		channel_request_at(part, cell)->size = cell;
		atomic_store(&part->others, callee.looked + 1);
		atomic_store(&channel_request_at(part, cell)->canceled, callee.seen[cell]);
		atomic_store(&part->posted[cell], callee.seen[cell] + 1);
		r = channel_take(&callee, &call);
		CHECK(r == 1 && call.cell == cell && call.size == cell);
		serve_call(&call, data, &dice);
		CHECK(atomic_load(&channel_reply_at(callee.own, cell)->number) == call.number);
	}
	CHECK(channel_take(&callee, &call) == 0);
	CHECK(atomic_load(&callee.busy) == 0);
	CHECK((atomic_load(&callee.own->waiting) & CHANNEL_SLEEPERS) == 0);
	free(data);
	atomic_fetch_add(&recovered, 1);
}

/* --- An honest client ---------------------------------------------------------------------- */

static int await(unsigned int cell)
{
	uint64_t begin = channel_now();
	uint32_t thread;
	int r = channel_await(&caller, cell, WAIT_NS);

	/* Once for a call. */
	if (r == 0 && channel_must_join(&caller, cell, &thread)) {
		CHECK(!channel_must_join(&caller, cell, &thread));
		atomic_fetch_add(&joins, 1);
		r = channel_await(&caller, cell, WAIT_NS);
	}
	CHECK(r == 0 || r == -ETIMEDOUT || r == -EINTR || (r == -ESHUTDOWN && habit == WILD));
	CHECK(channel_now() - begin < SLACK_NS);
	return r;
}

/* As a serving thread waits. */
static int await_async(unsigned int cell)
{
	struct channel_caller *const callers[] = { &caller };
	uint32_t answered = channel_answers(&caller);
	struct channel_spin spin = { .budget_ns = 0 };
	const struct channel_wait wait = {
		.n_callers = 1,
		.callers = callers,
		.answered = &answered,
		.event = &event,
		.bell = &bell,
		.spin = &spin,
	};

	if (channel_is_answered(&caller, cell))
		return 0;
	wait_for_call(&wait);
	return channel_is_answered(&caller, cell) ? 0 : -ETIMEDOUT;
}

static void take_reply(unsigned int cell, uint8_t *data)
{
	struct channel_end end;
	int r = channel_take_end(&caller, cell, &end);

	CHECK(r == 0 || r == -EPROTO);
	if (r == 0) {
		CHECK(end.size <= channel_data_max(cell));
		CHECK(habit != NEVER_RIGHT);
		channel_take_reply(&caller, cell, &end, data);
		if (end.kind == CHANNEL_LATER || end.kind == CHANNEL_REFUSED)
			channel_put_cell(&caller, cell);
		atomic_fetch_add(&replies, 1);
		return;
	}
	CHECK(habit != POSSIBLE);
	atomic_fetch_add(&refused, 1);
	atomic_store(&ended, true);
}

static void send_oneways(const uint8_t *data, uint64_t *dice)
{
	uint32_t size = chance(dice, chance(dice, 4) ? CHANNEL_DATA_MAX + 1 : CHANNEL_HUGE_MAX + 1);
	const uint8_t *ring = caller.own->ring;
	uint8_t *payload;

	pthread_mutex_lock(&turn);
	payload = channel_reserve_oneway(&caller, size);
	if (payload) {
		CHECK(size <= CHANNEL_DATA_MAX);
		CHECK(payload >= ring && payload + size <= ring + CHANNEL_RING_SIZE);
		memcpy(payload, data, size);
		channel_send_oneway(&caller, 1, 1, size);
	}
	pthread_mutex_unlock(&turn);
	atomic_fetch_add(payload ? &oneways_sent : &full, 1);
}

static void *make_calls(void *number)
{
	uint64_t dice = options.seed << 32 ^ round_now << 4 ^ (8 + (uintptr_t)number);
	uint8_t *data = malloc(CHANNEL_HUGE_MAX);

	CHECK(data);
	memset(data, (int)round_now, CHANNEL_HUGE_MAX);
	for (unsigned int i = 0; i < STEPS && !atomic_load(&ended); i++) {
		const bool async = chance(&dice, 2);
		const uint32_t max = hostile_huge && !chance(&dice, 8) ? CHANNEL_HUGE_MAX :
				     async && chance(&dice, 4)	       ? CHANNEL_SMALL_MAX :
									 CHANNEL_DATA_MAX;
		const struct channel_call call = {
			.code = i,
			.data = data,
			.size = chance(&dice, max + 1),
			.async = async,
		};
		int cell, r;

		if (!chance(&dice, 4))
			send_oneways(data, &dice);
		cell = async ? channel_take_async_cell(&caller, call.size) :
			       channel_take_cell(&caller, call.size);
		CHECK(cell == -EBUSY || (cell >= 0 && (unsigned int)cell < CHANNEL_CELLS));
		if (cell < 0) {
			atomic_fetch_add(&busy, 1);
			continue;
		}
		if (!chance(&dice, 16)) {
			channel_put_cell(&caller, (unsigned int)cell);
			continue;
		}
		if (async)
			channel_begin_async(&caller, (unsigned int)cell);
		channel_post(&caller, (unsigned int)cell, &call);
		do
			r = async ? await_async((unsigned int)cell) : await((unsigned int)cell);
		while (r < 0 && chance(&dice, 2));
		atomic_fetch_add(&asyncs, async);
		if (r == 0 && chance(&dice, 8)) {
			take_reply((unsigned int)cell, data);
			continue;
		}
		if (r < 0)
			atomic_fetch_add(&timeouts, 1);
		if (async || !chance(&dice, 2) || !channel_withdraw(&caller, (unsigned int)cell))
			channel_abandon(&caller, (unsigned int)cell);
		atomic_fetch_add(&abandoned, 1);
	}
	free(data);
	return NULL;
}

/* The peer replies to every call: each cell is free again. */
static void recover_client(void)
{
	struct channel_server_part *part = hostile_part;

	for (unsigned int cell = 0; cell < CHANNEL_CELLS; cell++)
		atomic_store(&channel_reply_at(part, cell)->number,
			     atomic_load(&caller.own->posted[cell]));
	for (unsigned int cell = 0; cell < CHANNEL_CELLS; cell++)
		CHECK((cell < CHANNEL_LARGE ?
			       channel_take_cell(&caller, 0) :
			       channel_take_async_cell(
				       &caller, cell == CHANNEL_HUGE ? CHANNEL_HUGE_MAX : 0)) >= 0);
	CHECK(channel_take_cell(&caller, 0) == -EBUSY);
	CHECK(channel_take_async_cell(&caller, 0) == -EBUSY);
	CHECK(atomic_load(&caller.taken) == ALL_CELLS && !atomic_load(&caller.lost));
	atomic_fetch_add(&recovered, 1);
}

/* --- Rounds -------------------------------------------------------------------------------- */

static void set_up(const void *hostile, void *own, const void *peer_huge, uint8_t *own_huge)
{
	caller = (struct channel_caller){ .spin.budget_ns = spins() };
	callee = (struct channel_callee){ .own = NULL };
	if (hostile_is_client) {
		callee.peer = hostile;
		callee.own = own;
		callee.peer_huge = peer_huge;
		callee.own_huge = own_huge;
		callee.is_extended = hostile_huge;
	} else {
		caller.peer = hostile;
		caller.own = own;
		caller.peer_huge = peer_huge;
		caller.own_huge = own_huge;
	}
	possible = (struct channel_caller){ .own = hostile_part, .peer = own };
	memset(last_taken, 0, sizeof(last_taken));
	atomic_store(&in_service, 0);
	atomic_store(&over, false);
	atomic_store(&ended, false);
}

static void run_threads(void)
{
	unsigned int n = hostile_is_client ? SERVERS : CLIENTS;
	pthread_t attackers[ATTACKERS], honest[CLIENTS];

	for (uintptr_t i = 0; i < n; i++)
		CHECK(!pthread_create(&honest[i], NULL, hostile_is_client ? serve : make_calls,
				      (void *)i));
	/* A second thread would not know which numbers are possible. */
	for (uintptr_t i = 0; i < (habit == POSSIBLE ? 1 : ATTACKERS); i++)
		CHECK(!pthread_create(&attackers[i], NULL, attack, (void *)i));
	for (unsigned int i = 0; i < n; i++)
		pthread_join(honest[i], NULL);
	atomic_store(&over, true);
	for (unsigned int i = 0; i < (habit == POSSIBLE ? 1 : ATTACKERS); i++)
		pthread_join(attackers[i], NULL);
}

static void run_round(void)
{
	int hostile_fd = part_new(CHANNEL_PART_SIZE), own_fd = part_new(CHANNEL_PART_SIZE);
	int hostile_huge_fd = part_new(CHANNEL_HUGE_MAX), own_huge_fd = part_new(CHANNEL_HUGE_MAX);
	const void *hostile = map_guarded(hostile_fd, CHANNEL_PART_SIZE, PROT_READ);
	void *own = map_guarded(own_fd, CHANNEL_PART_SIZE, PROT_READ | PROT_WRITE);
	const void *peer_huge = map_guarded(hostile_huge_fd, CHANNEL_HUGE_MAX, PROT_READ);
	void *own_huge = map_guarded(own_huge_fd, CHANNEL_HUGE_MAX, PROT_READ | PROT_WRITE);
	void *other = map_guarded(hostile_huge_fd, CHANNEL_HUGE_MAX, PROT_READ | PROT_WRITE);

	hostile_part = map_guarded(hostile_fd, CHANNEL_PART_SIZE, PROT_READ | PROT_WRITE);
	hostile_is_client = round_now % 2;
	habit = round_now / 2 % HABITS;
	hostile_huge = round_now / (2 * HABITS) % 4 ? other : NULL;
	set_up(hostile, own, hostile_huge ? peer_huge : NULL, hostile_huge ? own_huge : NULL);
	run_threads();
	if (!atomic_load(&ended)) {
		if (hostile_is_client)
			recover_server();
		else
			recover_client();
	}
	unmap_guarded(hostile, CHANNEL_PART_SIZE);
	unmap_guarded(own, CHANNEL_PART_SIZE);
	unmap_guarded(hostile_part, CHANNEL_PART_SIZE);
	unmap_guarded(peer_huge, CHANNEL_HUGE_MAX);
	unmap_guarded(own_huge, CHANNEL_HUGE_MAX);
	unmap_guarded(other, CHANNEL_HUGE_MAX);
	close(hostile_fd);
	close(own_fd);
	close(hostile_huge_fd);
	close(own_huge_fd);
}

/* A wait without a bound. */
static void too_long(int sig)
{
	static const char text[] = "hostile: a round takes longer than 60 s\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	abort();
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		unsigned long *value = !strcmp(argv[i], "--rounds")  ? &options.rounds :
				       !strcmp(argv[i], "--seconds") ? &options.seconds :
				       !strcmp(argv[i], "--seed")    ? &options.seed :
				       !strcmp(argv[i], "--round")   ? &options.only :
								       NULL;

		if (!value || i + 1 == argc) {
			fputs("usage: hostile [--rounds N | --seconds N] [--seed N] [--round N]\n",
			      stderr);
			exit(2);
		}
		*value = strtoul(argv[i + 1], NULL, 0);
	}
}

int main(int argc, char **argv)
{
	uint64_t begin = channel_now();
	bool streams;

	parse(argc, argv);
	signal(SIGALRM, too_long);
	round_now = options.only;
	do {
		alarm(60);
		run_round();
		run_ring_round(options.seed << 32 ^ round_now << 4);
		round_now++;
	} while (!options.only &&
		 (options.seconds ? channel_now() - begin < options.seconds * 1000000000 :
				    round_now < options.rounds));
	printf("%lu rounds: %lu calls taken, %lu async, %lu rings, %lu replies, %lu joins, %lu timeouts, "
	       "%lu abandoned, %lu busy, "
	       "%lu channels ended, %lu recovered, %lu oneways taken, %lu sent, %lu not, "
	       "%lu times after the end\n",
	       round_now - options.only, taken, asyncs, rings, replies, joins, timeouts, abandoned,
	       busy, refused, recovered, oneways_taken, oneways_sent, full, ends);
	streams = show_ring_rounds();
	/* Otherwise the fuzzer has no effect. */
	if (!options.only &&
	    (!taken || !asyncs || !rings || !replies || !joins || !timeouts || !abandoned ||
	     !refused || !recovered || !oneways_taken || !oneways_sent || !full || !ends ||
	     !streams))
		fail("something never happened");
	return 0;
}
