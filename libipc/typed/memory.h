/* SPDX-License-Identifier: MIT */
/* Shared memory in messages: struct ipc_memory. core/memfd.h makes its files. */
#ifndef IPC_MEMORY_H
#define IPC_MEMORY_H

#include <errno.h>

#include "core/memfd.h"
#include "core/private.h"

#pragma GCC visibility push(default)
#include <ipc/memory.h>
#pragma GCC visibility pop

/* Adds size to the bytes of files of a message. Fails with -EMSGSIZE if the sum is more than
 * ipc_set_message_max() allows. */
static inline int memory_count(const struct ipc *ipc, size_t *file_bytes, size_t size)
{
	size_t max = atomic_load_explicit(&ipc->message_max, memory_order_relaxed);

	if (size > max || *file_bytes > max - size)
		return -EMSGSIZE;
	*file_bytes += size;
	return 0;
}

#endif /* IPC_MEMORY_H */
