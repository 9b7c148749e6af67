/* SPDX-License-Identifier: MIT */
/*
 * Files of memory with seals: for large blobs (blob.c) and struct ipc_memory.
 */
#ifndef IPC_MEMORY_H
#define IPC_MEMORY_H

#include "core/private.h"

#pragma GCC visibility push(default)
#include <ipc/blob.h>
#pragma GCC visibility pop

/* A new file of that size, not sealed yet, or -errno. */
int memory_file(size_t size);
/* Fixes its size, and what seals say besides. */
int memory_seal(int fd, int seals);
/* Whether a stranger's fd is such a file with its size and those seals fixed:
 * -EBADMSG. */
int memory_check(int fd, int seals, size_t *ret_size);

#endif /* IPC_MEMORY_H */
