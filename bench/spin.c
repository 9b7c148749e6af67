// SPDX-License-Identifier: MIT
/*
 * A ring of one slot in each direction, in memory that both sides may write. The receiver spins
 * until the count of the slot changes. This needs no system call, but occupies a CPU for each side
 * all the time. The client copies the request into its slot, and the server four bytes into the
 * other slot. This is the minimum for any transport between two CPUs. Neither side checks the
 * contents of the memory.
 */
#include "bench.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

/* Two cache lines, because processors fetch lines in pairs. The data begins in the first line. */
struct slot {
	_Alignas(128) _Atomic uint32_t count;
	_Alignas(16) char data[];
};

#define REQUEST_AT 4096

struct spin_state {
	struct slot *reply;
	struct slot *request;
	uint32_t rounds;
};

static int spin_create(struct bench_case *c)
{
	struct spin_state *s = c->state;
	char *memory;

	memory = mmap(NULL, REQUEST_AT + sizeof(struct slot) + BENCH_MAX_SIZE,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	s->reply = (void *)memory;
	s->request = (void *)(memory + REQUEST_AT);
	return 0;
}

static void put(struct slot *slot, uint32_t count, const void *data, size_t size)
{
	memcpy(slot->data, data, size);
	atomic_store_explicit(&slot->count, count, memory_order_release);
}

static void await(struct slot *slot, uint32_t count)
{
	while (atomic_load_explicit(&slot->count, memory_order_acquire) != count) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

static int spin_serve(struct bench_case *c)
{
	struct spin_state *s = c->state;
	int r = bench_ready(c);

	while (r == 0) {
		await(s->request, ++s->rounds);
		put(s->reply, s->rounds, s->request->data, BENCH_REPLY_SIZE);
	}
	return r;
}

static int spin_round(struct bench_case *c)
{
	struct spin_state *s = c->state;

	put(s->request, ++s->rounds, c->request, c->size);
	await(s->reply, s->rounds);
	return 0;
}

const struct bench_transport bench_spin_ring = {
	.name = "spin",
	.call = "call",
	.state_size = sizeof(struct spin_state),
	.spins = true,
	.create = spin_create,
	.serve = spin_serve,
	.round = spin_round,
};
