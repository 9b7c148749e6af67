// SPDX-License-Identifier: MIT
/*
 * The files of a channel's parts: see channel-memory.h.
 *
 * The size is sealed and every page allocated, so reading never fails and never charges the reader.
 * F_SEAL_FUTURE_WRITE keeps the owner's mapping writable, and also prevents holes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel-memory.h"
#include "ipcbus.h"
#include "memfd.h"

static void *map_part(int fd, int prot)
{
	void *part = mmap(NULL, CHANNEL_PART_SIZE, prot, MAP_SHARED, fd, 0);

	if (part == MAP_FAILED)
		return NULL;
	if (madvise(part, CHANNEL_PART_SIZE, MADV_DONTFORK) < 0) {
		munmap(part, CHANNEL_PART_SIZE);
		return NULL;
	}
	madvise(part, CHANNEL_PART_SIZE, MADV_DONTDUMP);
	return part;
}

int channel_memory_new(int *ret_fd, void **ret_part)
{
	int fd = memory_file(CHANNEL_PART_SIZE), r;
	void *part;

	if (fd < 0)
		return fd;
	part = map_part(fd, PROT_READ | PROT_WRITE);
	r = part ? memory_seal(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) : -errno;
	if (r < 0) {
		channel_memory_unmap(part);
		close(fd);
		return r;
	}
	/* Pages that fallocate() makes still count as holes. */
	memset(part, 0, CHANNEL_PART_SIZE);
	*ret_fd = fd;
	*ret_part = part;
	return 0;
}

int channel_memory_map(int fd, const void **ret_part)
{
	size_t size;
	int r;

	r = memory_check(fd, F_SEAL_FUTURE_WRITE, &size);
	if (r < 0)
		return r;
	if (size != CHANNEL_PART_SIZE || memory_has_holes(fd, size))
		return -EBADMSG;
	*ret_part = map_part(fd, PROT_READ);
	return *ret_part ? 0 : -errno;
}

void channel_memory_unmap(const void *part)
{
	if (part)
		munmap((void *)(uintptr_t)part, CHANNEL_PART_SIZE);
}

int channel_gather(const struct ipcbus_send *send, uint8_t *to)
{
	const struct ipcbus_iovec *parts = (const void *)(uintptr_t)send->data;
	size_t left = send->data_size;

	if (!(send->flags & IPCBUS_SEND_IOV)) {
		if (left)
			memcpy(to, parts, left);
		return 0;
	}
	for (uint32_t i = 0; i < send->iov_count; i++) {
		if (parts[i].size > left)
			return -EINVAL;
		to = mempcpy(to, (const void *)(uintptr_t)parts[i].base, parts[i].size);
		left -= parts[i].size;
	}
	return left ? -EINVAL : 0;
}
