// SPDX-License-Identifier: MIT
/*
 * The memory of a stream's rings: see shared.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memfd.h"
#include "shared.h"

/* NULL: errno says why. */
static void *map(int fd, size_t size, int protection)
{
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int map_own(struct shared *shared, int fd, size_t size)
{
	shared->own = map(fd, size, PROT_READ | PROT_WRITE);
	if (!shared->own)
		return -errno;
	shared->own_size = size;
	return memory_seal(fd, F_SEAL_FUTURE_WRITE);
}

static int map_peer(struct shared *shared, int fd, size_t size)
{
	shared->peer = map(fd, size, PROT_READ);
	if (!shared->peer)
		return -errno;
	shared->peer_size = size;
	return 0;
}

/* fallocate() leaves what counts as a hole. */
static int fill(int fd, size_t size)
{
	static const char zeros[4096];

	for (size_t done = 0; done < size;) {
		size_t left = size - done;
		ssize_t n = pwrite(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros),
				   (off_t)done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/* A file whose pages are all there. */
static int new_file(size_t size)
{
	int fd = memory_file(size);
	int r;

	if (fd < 0)
		return fd;
	r = fill(fd, size);
	if (r == 0)
		r = memory_seal(fd, /* seals= */ 0);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int shared_new(struct shared *shared, size_t own_size, size_t peer_size, int ret_fds[2])
{
	int r;

	*shared = (struct shared){ .own = NULL };
	ret_fds[0] = new_file(own_size);
	if (ret_fds[0] < 0)
		return ret_fds[0];
	ret_fds[1] = new_file(peer_size);
	r = ret_fds[1] < 0 ? ret_fds[1] : map_own(shared, ret_fds[0], own_size);
	if (r == 0)
		r = map_peer(shared, ret_fds[1], peer_size);
	if (r == 0)
		return 0;

	shared_done(shared);
	close(ret_fds[0]);
	if (ret_fds[1] >= 0)
		close(ret_fds[1]);
	return r;
}

static int check(int fd, int seals, size_t size)
{
	size_t have;
	int r;

	r = memory_check(fd, seals, &have);
	if (r < 0)
		return r;
	return have != size || memory_has_holes(fd, size) ? -EBADMSG : 0;
}

/* A part that cannot be sealed has another writer than this process, or may lose its pages. */
int shared_take(struct shared *shared, size_t own_size, size_t peer_size, const int fds[2])
{
	int r;

	*shared = (struct shared){ .own = NULL };
	r = check(fds[0], F_SEAL_FUTURE_WRITE, peer_size);
	if (r == 0)
		r = check(fds[1], /* seals= */ 0, own_size);
	if (r == 0)
		r = map_own(shared, fds[1], own_size);
	/* Nobody can make holes any more. */
	if (r == 0)
		r = check(fds[1], F_SEAL_FUTURE_WRITE, own_size);
	if (r == 0)
		r = map_peer(shared, fds[0], peer_size);
	if (r == 0)
		return 0;
	shared_done(shared);
	return r == -EPERM || r == -EACCES ? -EBADMSG : r;
}

void shared_done(struct shared *shared)
{
	if (shared->own)
		munmap(shared->own, shared->own_size);
	if (shared->peer)
		munmap((void *)shared->peer, shared->peer_size);
	*shared = (struct shared){ .own = NULL };
}
