/* SPDX-License-Identifier: MIT */
/*
 * Shared memory: a struct ipc_memory is a memory file that two processes map at once. What one
 * writes, the other sees. Its size never changes. To stream frames, send a few of them once; then
 * send only the number of the one that holds the next frame. <ipc/blob.h> puts it into messages of
 * generated code, as a field of the type ipc.Memory. This header needs no other.
 *
 * Any thread may use a struct ipc_memory. Its users must synchronize access to the bytes
 * themselves.
 */
#ifndef IPC_MEMORY_FILE_H
#define IPC_MEMORY_FILE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc_memory;

#define IPC_MEMORY_WRITE	(1U << 0)

/*
 * Create zeroed memory of size bytes and map it for reading and writing. The caller owns
 * *ret_memory and releases it with ipc_memory_unref(). With IPC_MEMORY_WRITE in flags
 * receivers may write too; with 0 they may only read.
 *
 *   -EINVAL   size is 0, or flags has other bits.
 *   -EFBIG    size is too large for a file, or RLIMIT_FSIZE forbids it.
 *   -EMFILE   This process cannot open more files.
 */
int ipc_memory_new(size_t size, unsigned int flags, struct ipc_memory **ret_memory);

/* Take or drop a reference. The last one unmaps the memory here. */
struct ipc_memory *ipc_memory_ref(struct ipc_memory *memory);
struct ipc_memory *ipc_memory_unref(struct ipc_memory *memory);

/* Return the address of the mapping, which does not change, and its size in bytes. */
void *ipc_memory_data(const struct ipc_memory *memory);
size_t ipc_memory_size(const struct ipc_memory *memory);

/*
 * Seal the memory: nobody can write to it any more, not here either. Sealing sealed memory
 * succeeds. Waits up to a second while the kernel holds pages of the memory.
 *
 *   -EBUSY    Another process has it mapped for writing, or the kernel held some of its pages for
 *             a second. It is read-only here all the same.
 */
int ipc_memory_seal(struct ipc_memory *memory);

/* Return 1 if the memory is sealed, so that its bytes cannot change; else 0. */
int ipc_memory_is_sealed(const struct ipc_memory *memory);

/* Return the file descriptor, which stays the memory's; -EINVAL for NULL. */
int ipc_memory_fd(const struct ipc_memory *memory);

/*
 * Map a memory file that came with a message: for reading, or with IPC_MEMORY_WRITE in flags for
 * writing too. The caller owns *ret_memory. The function takes fd over, also if it fails. What
 * ipc_memory_take() says of a sender that may write holds here too, and of how much memory reading
 * may take: ipc_memory_size() is how much.
 *
 *   -EBADMSG  The file is no memory file of fixed size.
 *   -EINVAL   fd is negative, or flags has other bits.
 *   -EPERM    IPC_MEMORY_WRITE is set, but the sender permits reading only.
 */
int ipc_memory_map(int fd, unsigned int flags, struct ipc_memory **ret_memory);

/* For ipc_auto(). */
static inline void ipc_memory_unrefp(struct ipc_memory **p) { ipc_memory_unref(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_MEMORY_FILE_H */
