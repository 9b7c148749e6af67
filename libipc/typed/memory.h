/* SPDX-License-Identifier: MIT */
/*
 * Sealed files of memory, for large blobs (blob.c) and struct ipc_memory.
 */
#ifndef IPC_MEMORY_H
#define IPC_MEMORY_H

#include <errno.h>

#include "core/private.h"

#pragma GCC visibility push(default)
#include <ipc/blob.h>
#pragma GCC visibility pop

/* Makes a file of that size without seals. Returns its fd, which the caller must close, or
 * -errno. */
int memory_file(size_t size);
/* Seals the size of the file, and adds the seals (F_SEAL_*). */
int memory_seal(int fd, int seals);
/* Checks a received fd, which may be anything: fails with -EBADMSG if it is not a file of
 * memory whose size is sealed and that has these seals. */
int memory_check(int fd, int seals, size_t *ret_size);
/* Adds size to the bytes of files of one message. Fails with -EMSGSIZE if they are more than
 * ipc_set_blob_max() allows. */
static inline int memory_count(const struct ipc *ipc, size_t *file_bytes, size_t size)
{
	size_t max = atomic_load_explicit(&ipc->blob_max, memory_order_relaxed);

	if (size > max || *file_bytes > max - size)
		return -EMSGSIZE;
	*file_bytes += size;
	return 0;
}
/* Whether some of the first size bytes of such a file have no memory yet. Nobody can take memory
 * out of one that is sealed. */
bool memory_has_holes(int fd, size_t size);
/* Gives memory to the first size bytes. */
void memory_fill(const struct ipc_memory *memory, size_t size);

#endif /* IPC_MEMORY_H */
