// SPDX-License-Identifier: MIT
/*
 * Shared memory: <ipc/memory.h>. The size of the file is sealed, so that no access can fail because
 * another process made it shorter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn/private.h"
#include "shm/memfd.h"

#pragma GCC visibility push(default)
#include <ipc/memory.h>
#pragma GCC visibility pop

struct ipc_memory {
	atomic_uint refs;
	int fd;
	void *data;
	size_t size;
};

/* Takes ownership of the fd, also when it fails. */
static int memory_map(int fd, size_t size, int protection, int sharing,
		      struct ipc_memory **ret_memory)
{
	struct ipc_memory *memory;
	int r = -ENOMEM;

	memory = malloc(sizeof(*memory));
	if (!memory)
		goto err;
	*memory = (struct ipc_memory){ .refs = 1, .fd = fd, .size = size };
	memory->data = mmap(NULL, size, protection, sharing, fd, 0);
	if (memory->data == MAP_FAILED) {
		r = -errno;
		goto err;
	}
	*ret_memory = memory;
	return 0;
err:
	free(memory);
	close(fd);
	return r;
}

/* Maps the memory before a seal forbids new writable mappings. */
int ipc_memory_new(size_t size, unsigned int flags, struct ipc_memory **ret_memory)
{
	struct ipc_memory *memory = NULL;
	int fd, r;

	if (!size || flags & ~IPC_MEMORY_WRITE || !ret_memory)
		return -EINVAL;
	fd = memory_file(size);
	if (fd < 0)
		return fd;
	r = memory_map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, &memory);
	if (r < 0)
		return r;

	r = memory_seal(fd, flags & IPC_MEMORY_WRITE ? 0 : F_SEAL_FUTURE_WRITE);
	if (r < 0) {
		ipc_memory_unref(memory);
		return r;
	}
	*ret_memory = memory;
	return 0;
}

struct ipc_memory *ipc_memory_ref(struct ipc_memory *memory)
{
	if (memory)
		refs_take(&memory->refs);
	return memory;
}

struct ipc_memory *ipc_memory_unref(struct ipc_memory *memory)
{
	if (!memory || !refs_drop(&memory->refs))
		return NULL;
	munmap(memory->data, memory->size);
	close(memory->fd);
	free(memory);
	return NULL;
}

void *ipc_memory_data(const struct ipc_memory *memory)
{
	return memory->data;
}

size_t ipc_memory_size(const struct ipc_memory *memory)
{
	return memory->size;
}

int ipc_memory_get_fd(const struct ipc_memory *memory)
{
	return memory ? memory->fd : -EINVAL;
}

/*
 * The kernel refuses the seal while a shared mapping exists, including our own. So first replace
 * our mapping by a private mapping at the same address.
 */
int ipc_memory_seal(struct ipc_memory *memory)
{
	if (!memory)
		return -EINVAL;
	if (ipc_memory_is_sealed(memory))
		return 0;
	if (mmap(memory->data, memory->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, memory->fd, 0) ==
	    MAP_FAILED)
		return -errno;

	return memory_seal_write(memory->fd, /* seals= */ 0);
}

int ipc_memory_is_sealed(const struct ipc_memory *memory)
{
	size_t size;

	return memory && memory_check(memory->fd, F_SEAL_WRITE, &size) == 0;
}

/* Checks that a received file is shared memory and may be mapped with these flags. Returns
 * MAP_SHARED; or MAP_PRIVATE for a sealed file, of which older kernels refuse MAP_SHARED. */
static int look_at(int fd, unsigned int flags, size_t *ret_size)
{
	if (memory_check(fd, /* seals= */ 0, ret_size) < 0 || !*ret_size)
		return -EBADMSG;
	if (memory_check(fd, F_SEAL_WRITE, ret_size) < 0)
		return MAP_SHARED;
	return flags & IPC_MEMORY_WRITE ? -EPERM : MAP_PRIVATE;
}

int ipc_memory_take(int32_t *fd, unsigned int flags, struct ipc_memory **ret_memory)
{
	int protection = flags & IPC_MEMORY_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t size = 0;
	int sharing, r;

	if (!fd || flags & ~IPC_MEMORY_WRITE || !ret_memory)
		return -EINVAL;
	if (*fd < 0)
		return -ENOENT;
	sharing = look_at(*fd, flags, &size);
	if (sharing < 0)
		return sharing;
	r = memory_map(ipc_take_fd(fd), size, protection, sharing, ret_memory);
	return r == -EACCES ? -EPERM : r;
}

int ipc_memory_map(int fd, unsigned int flags, struct ipc_memory **ret_memory)
{
	int32_t left = fd;
	int r;

	if (fd < 0)
		return -EINVAL;
	r = ipc_memory_take(&left, flags, ret_memory);
	if (left >= 0)
		close(left);
	return r;
}
