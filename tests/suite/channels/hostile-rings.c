// SPDX-License-Identifier: MIT
/*
 * A hostile peer of a stream's rings, as hostile.c. The honest side has a thread that sends and a
 * thread that receives, with a lock, and the real channel-ring.c.
 *
 * Requirements beside those of hostile.c:
 *   - A message that is taken has a possible size.
 *   - The credit is never more than the window.
 *   - If all positions are too far, no message is taken and no credit counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/channel-ring.h"
#include "hostile.h"

#define STEPS	  120U
#define ATTACKERS 2U

static struct ring ring;
static struct ring_part *hostile_part;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int credit, owed;
static atomic_bool over, ended;
static atomic_uint event, bell;
static uint64_t seed;
/* A peer that makes only possible claims. */
static struct ring possible;
static unsigned int possible_credit;
static atomic_ulong taken, promised, sent, bells, by_bus, refused, recovered;

/* --- Values ------------------------------------------------------------------------------- */

uint32_t any_value(uint64_t *dice)
{
	static const uint32_t borders[] = {
		0,
		1,
		2,
		0x7fffffff,
		0x80000000,
		0xfffffffe,
		0xffffffff,
		CHANNEL_DATA_MAX,
		CHANNEL_DATA_MAX + 1,
		CHANNEL_CELL_SIZE,
		CHANNEL_HUGE_MAX,
		CHANNEL_HUGE_MAX + 1,
		CHANNEL_PART_SIZE,
	};

	if (chance(dice, 2))
		return chance(dice, 0xffffffff);
	return borders[chance(dice, sizeof(borders) / sizeof(borders[0]))];
}

uint32_t beside(uint64_t *dice, uint32_t number)
{
	static const uint32_t far[] = {
		0, 1, 2, 4, 8, 15, 16, 17, CHANNEL_RING_SIZE, CHANNEL_RING_SIZE - 1,
		CHANNEL_RING_SIZE + 1, CHANNEL_RING_SIZE - 16, CHANNEL_RING_SIZE + 16, 0x7fffffff,
		0x80000000,
	};
	uint32_t by = far[chance(dice, sizeof(far) / sizeof(far[0]))];

	if (!chance(dice, 4))
		return any_value(dice);
	return chance(dice, 2) ? number + by : number - by;
}

void put(void *word, uint32_t value)
{
	__atomic_store_n((uint32_t *)word, value, __ATOMIC_RELAXED);
}

/* --- The hostile side ---------------------------------------------------------------------- */

/* Also changes messages that the honest side copies now. */
static void behave_possibly(uint64_t *dice)
{
	uint32_t size = chance(dice, RING_DATA_MAX + 1);
	uint32_t n = ring_sent(&possible) - possible.taken;

	possible_credit += (unsigned int)ring_count(&possible);
	if (possible_credit && chance(dice, 2)) {
		possible_credit--;
		memset(ring_data(&possible), (int)size, size);
		ring_send(&possible, chance(dice, 8) ? size : RING_BUS);
	} else if (n) {
		n = 1 + chance(dice, n);
		possible.taken += n;
		ring_grant(&possible, n);
	}
	put(&hostile_part->slots[chance(dice, RING_SLOTS)].size, size);
}

static void write_anywhere(uint64_t *dice)
{
	uint32_t at = chance(dice, RING_PART_SIZE / 4);

	for (uint32_t n = chance(dice, 16); n && at < RING_PART_SIZE / 4; n--, at++)
		put((uint32_t *)hostile_part + at, any_value(dice));
}

/* A position near that of the honest side, or too far. */
static uint32_t near(uint64_t *dice, const uint32_t *honest)
{
	uint32_t position;

	pthread_mutex_lock(&lock);
	position = *honest;
	pthread_mutex_unlock(&lock);
	if (habit == NEVER_RIGHT)
		return position + 2 * RING_SLOTS + 1 + chance(dice, 1000);
	return chance(dice, 16) ? position + chance(dice, RING_SLOTS + 1) : any_value(dice);
}

static void attack_once(uint64_t *dice)
{
	uint32_t at = chance(dice, RING_SLOTS);

	switch (chance(dice, 7)) {
	case 0:
		if (habit == WILD)
			write_anywhere(dice);
		break;
	case 1:
		put(&hostile_part->armed[chance(dice, RING_WAITS)], any_value(dice));
		break;
	case 2:
		put(hostile_part->slots[at].data + 4UL * chance(dice, RING_DATA_MAX / 4),
		    any_value(dice));
		break;
	case 3:
		ring_wake(hostile_part, chance(dice, RING_WAITS));
		break;
	default:
		if (habit == POSSIBLE) {
			behave_possibly(dice);
			break;
		}
		put(&hostile_part->slots[at].size,
		    chance(dice, 8) ? chance(dice, 600) : any_value(dice));
		put(&hostile_part->sent, near(dice, &ring.taken));
		put(&hostile_part->granted, near(dice, &ring.counted));
	}
}

static void *attack(void *number)
{
	uint64_t dice = seed ^ (uintptr_t)number;

	while (!atomic_load(&over)) {
		attack_once(&dice);
		if (!chance(&dice, 1 + seed % 64))
			usleep(chance(&dice, 100));
	}
	return NULL;
}

/* --- The honest side ----------------------------------------------------------------------- */

static void refuse(void)
{
	CHECK(habit != POSSIBLE);
	atomic_store(&ended, true);
	atomic_fetch_add(&refused, 1);
}

static void answer(enum ring_wait wait, unsigned int flags)
{
	CHECK(!(flags & ~RING_FLAGS));
	if (!flags)
		return;
	atomic_fetch_add(flags & RING_BY_BUS ? &by_bus : &bells, 1);
	if (!(flags & RING_BY_BUS))
		ring_wake(ring.own, wait);
}

static void await(enum ring_wait wait, uint64_t *dice)
{
	struct ring_look look = { .event = &event, .bell = &bell };
	uint64_t begin = channel_now();
	int r;

	pthread_mutex_lock(&lock);
	look.rung = atomic_load(&bell);
	look.word = ring_futex(&ring, wait);
	look.seen = ring_seen(&ring, wait);
	if (!chance(dice, 4))
		ring_disarm(&ring);
	ring_arm(&ring, wait, look.seen, !chance(dice, 4));
	pthread_mutex_unlock(&lock);
	r = ring_sleep(&look, begin + WAIT_NS);
	CHECK(r == 0 || r == -ETIMEDOUT || r == -EINTR);
	CHECK(channel_now() - begin < SLACK_NS);
}

static void *send_messages(void *unused)
{
	uint64_t dice = seed ^ 8;
	unsigned int flags;
	bool waits;
	int n;

	(void)unused;
	for (unsigned int i = 0; i < STEPS && !atomic_load(&ended); i++) {
		flags = 0;
		pthread_mutex_lock(&lock);
		n = credit ? 0 : ring_count(&ring);
		CHECK(n == -EPROTO || (n >= 0 && credit + (unsigned int)n <= RING_SLOTS));
		CHECK(n <= 0 || habit != NEVER_RIGHT);
		if (n > 0)
			credit += (unsigned int)n;
		waits = !credit;
		if (!waits) {
			credit--;
			memset(ring_data(&ring), (int)i, RING_DATA_MAX);
			flags = ring_send(&ring, chance(&dice, 8) ? (uint32_t)i : RING_BUS);
			atomic_fetch_add(&sent, 1);
		}
		pthread_mutex_unlock(&lock);
		answer(FOR_MESSAGE, flags);
		if (n < 0)
			refuse();
		else if (waits)
			await(FOR_CREDIT, &dice);
	}
	return NULL;
}

/* Returns as ring_next(). */
static int receive(uint8_t *data, unsigned int *ret_flags)
{
	uint32_t size;
	int r;

	r = ring_next(&ring, ring_sent(&ring), &size);
	CHECK(r == 0 || r == 1 || r == -EPROTO);
	if (r <= 0)
		return r;
	CHECK(habit != NEVER_RIGHT);
	CHECK(size <= RING_DATA_MAX || size == RING_BUS);
	if (size == RING_BUS)
		ring.taken++;
	else
		ring_take(&ring, data, size);
	atomic_fetch_add(size == RING_BUS ? &promised : &taken, 1);
	if (++owed >= RING_SLOTS / 2) {
		*ret_flags = ring_grant(&ring, owed);
		owed = 0;
	}
	return 1;
}

static void *receive_messages(void *unused)
{
	uint8_t *data = malloc(RING_DATA_MAX);
	uint64_t dice = seed ^ 9;
	unsigned int flags;
	int r;

	(void)unused;
	CHECK(data);
	for (unsigned int i = 0; i < STEPS && !atomic_load(&ended); i++) {
		flags = 0;
		pthread_mutex_lock(&lock);
		r = receive(data, &flags);
		pthread_mutex_unlock(&lock);
		answer(FOR_CREDIT, flags);
		if (r < 0)
			refuse();
		else if (!r)
			await(FOR_MESSAGE, &dice);
	}
	free(data);
	return NULL;
}

/* The peer behaves: a message passes in each direction. */
static void recover(void)
{
	uint8_t data[RING_DATA_MAX];
	unsigned int flags;

	atomic_store(&hostile_part->granted, ring.counted + RING_SLOTS);
	CHECK(ring_count(&ring) == (int)RING_SLOTS);
	hostile_part->slots[ring.taken % RING_SLOTS].size = 4;
	atomic_store(&hostile_part->sent, ring.taken + 1);
	if (habit != NEVER_RIGHT) {
		CHECK(receive(data, &flags) == 1);
		CHECK(receive(data, &flags) == 0);
	}
	atomic_store(&hostile_part->armed[FOR_MESSAGE], ring.sent << 2 | RING_ARMED);
	CHECK(ring_send(&ring, 4) == RING_ARMED);
	CHECK(ring_send(&ring, 4) == 0);
	atomic_fetch_add(&recovered, 1);
}

/* --- Rounds -------------------------------------------------------------------------------- */

static void *map_guarded(int fd, int prot)
{
	char *at = mmap(NULL, RING_PART_SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	CHECK(at != MAP_FAILED);
	CHECK(mmap(at + PAGE, RING_PART_SIZE, prot, MAP_SHARED | MAP_FIXED, fd, 0) == at + PAGE);
	return at + PAGE;
}

static void unmap_guarded(const void *part)
{
	CHECK(munmap((char *)(uintptr_t)part - PAGE, RING_PART_SIZE + 2 * PAGE) == 0);
}

static int part_new(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, RING_PART_SIZE) == 0);
	return fd;
}

static void run_threads(void)
{
	uintptr_t n = habit == POSSIBLE ? 1 : ATTACKERS;
	pthread_t attackers[ATTACKERS], sender, receiver;

	CHECK(!pthread_create(&sender, NULL, send_messages, NULL));
	CHECK(!pthread_create(&receiver, NULL, receive_messages, NULL));
	for (uintptr_t i = 0; i < n; i++)
		CHECK(!pthread_create(&attackers[i], NULL, attack, (void *)i));
	pthread_join(sender, NULL);
	pthread_join(receiver, NULL);
	atomic_store(&over, true);
	for (uintptr_t i = 0; i < n; i++)
		pthread_join(attackers[i], NULL);
}

void run_ring_round(uint64_t round_seed)
{
	int hostile_fd = part_new(), own_fd = part_new();

	seed = round_seed;
	hostile_part = map_guarded(hostile_fd, PROT_READ | PROT_WRITE);
	ring = (struct ring){
		.own = map_guarded(own_fd, PROT_READ | PROT_WRITE),
		.peer = map_guarded(hostile_fd, PROT_READ),
	};
	possible = (struct ring){ .own = hostile_part, .peer = (const void *)ring.own };
	credit = possible_credit = habit == POSSIBLE ? RING_SLOTS : 0;
	owed = 0;
	atomic_store(&over, false);
	atomic_store(&ended, false);
	run_threads();
	if (!atomic_load(&ended))
		recover();
	unmap_guarded(ring.own);
	unmap_guarded(ring.peer);
	unmap_guarded(hostile_part);
	close(hostile_fd);
	close(own_fd);
}

bool show_ring_rounds(void)
{
	printf("streams: %lu messages taken, %lu promised, %lu sent, %lu bells, %lu by the bus, "
	       "%lu ended, %lu recovered\n",
	       taken, promised, sent, bells, by_bus, refused, recovered);
	return taken && promised && sent && bells && by_bus && refused && recovered;
}
