// SPDX-License-Identifier: GPL-2.0-only
/*
 * System resources that the daemon allocates for its clients: memory, fds to poll. Also the limits
 * of the system.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "account.h"
#include "client.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

/* Creates a memfd of constant size with these seals, and maps it at *ret_at unless that is NULL.
 * Returns the fd or -errno. The daemon can open the file again, other users cannot. */
static int make(const char *name, uint64_t size, int seals, void **ret_at)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), r;
	void *at = NULL;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) || ftruncate(fd, (off_t)size))
		goto err;
	if (ret_at)
		at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (at == MAP_FAILED || fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW))
		goto err;
	if (ret_at)
		*ret_at = at;
	return fd;
err:
	r = -errno;
	if (at && at != MAP_FAILED)
		munmap(at, size);
	close(fd);
	return r;
}

static size_t count_chunks(const struct client_memory *memory)
{
	size_t pages = memory->size / (size_t)sysconf(_SC_PAGESIZE);

	return (pages + CLIENT_CHUNK_PAGES - 1) / CLIENT_CHUNK_PAGES;
}

void memory_free_used(struct client_memory *memory)
{
	for (size_t i = 0; i < count_chunks(memory); i++)
		free(memory->used[i]);
	free(memory->used);
}

int memory_new(struct client_memory *memory, const char *name, uint64_t size)
{
	void *at;

	memory->size = size;
	memory->used = calloc(count_chunks(memory), sizeof(*memory->used));
	if (!memory->used)
		return -ENOMEM;
	memory->fd = make(name, size, 0, &at);
	if (memory->fd >= 0) {
		memory->at = at;
		return 0;
	}
	memory_free_used(memory);
	return memory->fd;
}

void memory_free(struct client_memory *memory)
{
	munmap(memory->at, memory->size);
	memory_free_used(memory);
	close(memory->fd);
}

bool memory_seal(struct client_memory *memory)
{
	int seals = memory->sealed ? 0 : fcntl(memory->fd, F_ADD_SEALS,
					       F_SEAL_SEAL | F_SEAL_FUTURE_WRITE);

	memory->sealed = !seals;
	return memory->sealed;
}

int memory_new_unmapped(const char *name, uint64_t size)
{
	return make(name, size, F_SEAL_SEAL, NULL);
}

/* See client.h. Memory for processes of the daemon's own user needs a seal, because they could open
 * the file again for writing. */
int memory_new_read_only(const char *name, uint64_t size, uint32_t uid, void **ret_at)
{
	return make(name, size, F_SEAL_SEAL | (uid == geteuid() ? F_SEAL_FUTURE_WRITE : 0), ret_at);
}

void memory_end(int fd, void *at, uint64_t size)
{
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
	munmap(at, size);
	close(fd);
}

int memory_open(int fd, bool writes)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool memory_read(int fd, void *to, size_t size, uint64_t offset)
{
	return pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

bool memory_has_page(int fd, uint64_t offset)
{
	return lseek(fd, (off_t)offset, SEEK_DATA) == (off_t)offset;
}

/* See client.h. While the daemon has the lease, an open() for writing waits. The daemon's own memfd
 * does not count as a writer. */
bool memory_free_unused(int fd, void *at)
{
	bool waits = area_wait(fd);
	struct stat status;

	if (fcntl(fd, F_SETLEASE, F_RDLCK) || fstat(fd, &status)) {
		if (!waits)
			accounts_look_later();
		return false;
	}
	munmap(at, (size_t)status.st_size);
	close(fd);
	return true;
}

/* --- Limits of the system ----------------------------------------------------------- */

static uint64_t read_limit(const char *folder, const char *name)
{
	unsigned long long limit = UINT64_MAX;
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return limit;
	/* "max" is not a number. */
	if (fscanf(file, "%llu", &limit) != 1)
		limit = UINT64_MAX;
	fclose(file);
	return limit;
}

/* Returns the lowest limit of a cgroup and its ancestors. */
static uint64_t limit_of_group(const char *root, const char *group, const char *name)
{
	uint64_t least = UINT64_MAX, limit;
	char folder[PATH_MAX - 64];
	char *slash;

	snprintf(folder, sizeof(folder), "%s%s", root, group);
	for (;;) {
		limit = read_limit(folder, name);
		least = limit < least ? limit : least;
		slash = strrchr(folder, '/');
		if (!slash || (size_t)(slash - folder) < strlen(root))
			return least;
		*slash = 0;
	}
}

/* Returns the lowest limit of memory of this process's cgroups, of both versions. */
static uint64_t limit_of_groups(void)
{
	uint64_t least = UINT64_MAX, limit = UINT64_MAX;
	char line[PATH_MAX], *controllers, *group;
	FILE *file = fopen("/proc/self/cgroup", "re");

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		controllers = strchr(line, ':');
		group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = 0;
		if (!controllers[1])
			limit = limit_of_group("/sys/fs/cgroup", group, "memory.max");
		else if (strstr(controllers, "memory"))
			limit = limit_of_group("/sys/fs/cgroup/memory", group,
					       "memory.limit_in_bytes");
		least = limit < least ? limit : least;
	}
	if (file)
		fclose(file);
	return least;
}

uint64_t memory_total(void)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t group = limit_of_groups();

	return group < machine ? group : machine;
}

unsigned int memory_max_maps(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned int max = 65530; /* the kernel's default */

	if (file) {
		if (fscanf(file, "%u", &max) != 1 || max < 4096)
			max = 4096;
		fclose(file);
	}
	return max;
}

int event_new(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* Makes the timer readable, by letting it expire, or not. */
void event_set(int fd, bool set)
{
	const struct itimerspec at = { .it_value.tv_nsec = set };

	timerfd_settime(fd, 0, &at, NULL);
}

int file_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || flags & O_PATH ? -EBADF : flags;
}
