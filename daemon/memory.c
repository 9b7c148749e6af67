// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the daemon asks of the system for its clients: sealed memory, eventfds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

int memory_new(struct client_memory *memory, const char *name, uint64_t size)
{
	int r = -ENOMEM;

	memory->size = size;
	memory->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory->fd < 0)
		return -errno;
	if (ftruncate(memory->fd, (off_t)size))
		goto err;
	memory->at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			  memory->fd, 0);
	if (memory->at == MAP_FAILED)
		goto err;
	if (!fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW))
		return 0;
	r = -errno;
	munmap(memory->at, size);
err:
	close(memory->fd);
	return r;
}

void memory_free(struct client_memory *memory)
{
	munmap(memory->at, memory->size);
	close(memory->fd);
}

unsigned int memory_max_maps(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned int max = 65530;

	if (file) {
		if (fscanf(file, "%u", &max) != 1 || max < 4096)
			max = 4096;
		fclose(file);
	}
	return max;
}

int event_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int event_show(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int shown = epoll_create1(EPOLL_CLOEXEC);

	if (shown < 0)
		return -errno;
	if (!epoll_ctl(shown, EPOLL_CTL_ADD, fd, &event))
		return shown;
	close(shown);
	return -ENOSPC;
}

void event_set(int fd, bool set)
{
	eventfd_t value;

	if (set)
		(void)!eventfd_write(fd, 1);
	else
		(void)!eventfd_read(fd, &value);
}

int file_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || flags & O_PATH ? -EBADF : flags;
}
