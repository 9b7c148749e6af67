// SPDX-License-Identifier: MIT
/*
 * The file of a channel's parts, and the copying of payloads into them: see channel-memory.h.
 *
 * The size is sealed and every page allocated, so an access neither fails nor charges the process
 * that makes it. F_SEAL_FUTURE_WRITE keeps the writer's mapping writable, and prevents holes in all
 * mappings. Holes are looked for only after this seal: until then, the peer can punch a hole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "channel-memory.h"
#include "memfd.h"

/* Maps both parts for writing, or returns NULL. A forked child must not use the channel of its
 * parent. Core dumps do not contain payloads. */
static void *map_parts(int fd, size_t size)
{
	void *parts = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (parts == MAP_FAILED)
		return NULL;
	if (madvise(parts, 2 * size, MADV_DONTFORK) < 0) {
		munmap(parts, 2 * size);
		return NULL;
	}
	madvise(parts, 2 * size, MADV_DONTDUMP);
	return parts;
}

/* Writes each page, because pages that fallocate() makes still count as holes. */
static int allocate_pages(int fd, size_t size)
{
	static uint8_t zeros[CHANNEL_PAGE];
	struct iovec pages[2 * CHANNEL_HUGE_MAX / CHANNEL_PAGE];
	size_t n = size / CHANNEL_PAGE;

	for (size_t i = 0; i < n; i++)
		pages[i] = (struct iovec){ .iov_base = zeros, .iov_len = CHANNEL_PAGE };
	return pwritev(fd, pages, (int)n, 0) == (ssize_t)size ? 0 : -ENOMEM;
}

int channel_memory_new(size_t size)
{
	int fd = memory_file(2 * size), r;

	if (fd < 0)
		return fd;
	r = allocate_pages(fd, 2 * size);
	if (r == 0)
		r = memory_seal(fd, 0);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int check_file(int fd, size_t size, int seals)
{
	size_t have;
	int r = memory_check(fd, seals, &have);

	return r == 0 && have != 2 * size ? -EBADMSG : r;
}

int channel_memory_check(int fd, size_t size)
{
	int r = check_file(fd, size, F_SEAL_FUTURE_WRITE);

	return r == 0 && memory_has_holes(fd, 2 * size) ? -EBADMSG : r;
}

int channel_memory_make(size_t size, void **ret_own, const void **ret_peer)
{
	int fd = channel_memory_new(size), r;
	uint8_t *parts;

	if (fd < 0)
		return fd;
	parts = map_parts(fd, size);
	if (!parts) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_own = parts;
	*ret_peer = parts + size;
	return fd;
}

int channel_memory_accept(int fd, size_t size, const void **ret_peer, void **ret_own)
{
	uint8_t *parts;
	int r;

	r = check_file(fd, size, /* seals= */ 0);
	if (r < 0)
		return r;
	parts = map_parts(fd, size);
	if (!parts)
		return -errno;
	r = mprotect(parts, size, PROT_READ) < 0 ? -errno : 0;
	if (r == 0)
		r = memory_seal(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	if (r == 0 && memory_has_holes(fd, 2 * size))
		r = -EBADMSG;
	if (r < 0) {
		channel_memory_unmap(parts, 2 * size);
		return r;
	}
	*ret_peer = parts;
	*ret_own = parts + size;
	return 0;
}

void channel_memory_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void channel_memory_unmap(const void *part, size_t size)
{
	if (part)
		munmap((void *)(uintptr_t)part, size);
}

int channel_gather_parts(const struct ipcbus_send *send, uint8_t *to)
{
	const struct ipcbus_iovec *parts = (const void *)(uintptr_t)send->data;
	size_t left = send->data_size;

	for (uint32_t i = 0; i < send->iov_count; i++) {
		if (parts[i].size > left)
			return -EINVAL;
		to = mempcpy(to, (const void *)(uintptr_t)parts[i].base, parts[i].size);
		left -= parts[i].size;
	}
	return left ? -EINVAL : 0;
}
