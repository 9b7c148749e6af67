// SPDX-License-Identifier: MIT
/*
 * Two futexes in a shared page: each side counts up its own word, wakes the
 * other and sleeps on the other's word. No payload moves; this is what two
 * wake-ups and two sleeps by system call cost, the least that any transport
 * without a system call of its own can cost on one CPU.
 */
#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct futex_state {
	_Atomic uint32_t *words;	/* [0] the client's count, [1] the server's */
	uint32_t rounds;
};

static int futex_create(struct bench_case *c)
{
	struct futex_state *s = c->state;
	void *page;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	s->words = page;
	return 0;
}

static int futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int futex_notify(struct futex_state *s, int own)
{
	atomic_store(&s->words[own], s->rounds);
	return futex(&s->words[own], FUTEX_WAKE, 1);
}

static int futex_await(struct futex_state *s, int other)
{
	int r = 0;

	while (atomic_load(&s->words[other]) != s->rounds &&
	       (r == 0 || r == -EAGAIN || r == -EINTR))
		r = futex(&s->words[other], FUTEX_WAIT, s->rounds - 1);
	return r == -EAGAIN || r == -EINTR ? 0 : r;
}

static int futex_serve(struct bench_case *c)
{
	struct futex_state *s = c->state;
	int r;

	r = bench_ready(c);
	while (r == 0) {
		s->rounds++;
		r = futex_await(s, 0);
		if (r == 0)
			r = futex_notify(s, 1);
	}
	return r;
}

static int futex_round(struct bench_case *c)
{
	struct futex_state *s = c->state;
	int r;

	s->rounds++;
	r = futex_notify(s, 0);
	if (r < 0)
		return r;
	return futex_await(s, 1);
}

const struct bench_transport bench_futex = {
	.name = "futex",
	.call = "call",
	.state_size = sizeof(struct futex_state),
	.max_size = 4,
	.create = futex_create,
	.serve = futex_serve,
	.round = futex_round,
};
