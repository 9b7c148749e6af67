// SPDX-License-Identifier: MIT
/*
 * Two futexes in shared memory: each side increments its own word, wakes the other side and sleeps
 * on the other side's word.
 *
 *   futex        no payload moves; this costs two wake-ups and two sleeps by system call, the
 *                minimum on one CPU for any transport that has no system call of its own
 *   shared, file the client copies the request into the memory, and the server four bytes back. The
 *                memory is anonymous or a file's. Each side can change bytes while the other reads
 *                them, and is not notified of the other's death.
 */
#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

/**
 * struct futex_state - memory of both sides
 * @words: [0] the client's count, [1] the server's
 * @request: of a transport with a payload: the request
 * @reply: and the reply
 * @rounds: number of rounds
 */
struct futex_state {
	_Atomic uint32_t *words;
	void *request;
	void *reply;
	uint32_t rounds;
};

/* fd is the file's, or -1. Allocates the pages before the first round. */
static int share(struct bench_case *c, int fd, size_t size)
{
	struct futex_state *s = c->state;
	char *memory;

	memory = mmap(NULL, PAGE + size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	s->words = (void *)memory;
	if (size) {
		s->reply = memory + PAGE / 2;
		s->request = memory + PAGE;
	}
	return 0;
}

static int futex_create(struct bench_case *c)
{
	return share(c, -1, 0);
}

static int shared_create(struct bench_case *c)
{
	return share(c, -1, BENCH_MAX_SIZE);
}

static int file_create(struct bench_case *c)
{
	char path[] = "/tmp/bench.XXXXXX";
	int fd = mkstemp(path), r;

	if (fd < 0)
		return -errno;
	unlink(path);
	r = ftruncate(fd, PAGE + BENCH_MAX_SIZE) < 0 ? -errno : share(c, fd, BENCH_MAX_SIZE);
	close(fd);
	return r;
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
		if (r == 0 && s->reply)
			memcpy(s->reply, s->request, BENCH_REPLY_SIZE);
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
	if (s->request)
		memcpy(s->request, c->request, c->size);
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

const struct bench_transport bench_shared = {
	.name = "shared",
	.call = "call",
	.state_size = sizeof(struct futex_state),
	.create = shared_create,
	.serve = futex_serve,
	.round = futex_round,
};

const struct bench_transport bench_file = {
	.name = "file",
	.call = "call",
	.state_size = sizeof(struct futex_state),
	.create = file_create,
	.serve = futex_serve,
	.round = futex_round,
};
