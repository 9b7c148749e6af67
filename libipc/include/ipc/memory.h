/* SPDX-License-Identifier: MIT */
/*
 * Shared memory: a struct ipc_memory is a memory file that several processes map at once. Each sees
 * the writes of the others. Its size never changes. It lives until the last process has unmapped
 * it. To stream frames, send a few of them once; then send only the number of the memory that holds
 * the next frame. The rules of <ipc/ipc.h> apply.
 *
 * In messages of generated code, shared memory is a field of the type ipc.Memory, which contains an
 * ipc.Fd. The sender sets that to ipc_memory_get_fd(), and keeps the memory until the message is
 * sent. The receiver calls ipc_memory_take():
 *
 *	Ipc__Fd fd = IPC__FD__INIT;
 *	Ipc__Memory ring = IPC__MEMORY__INIT;
 *
 *	fd.fd = ipc_memory_get_fd(memory);
 *	ring.fd = &fd;
 *	request.ring = &ring;
 *
 *	r = ipc_memory_take(&request->ring->fd->fd, IPC_MEMORY_WRITE, &memory);
 *
 * Any thread may use a struct ipc_memory, and so may a forked child, which shares the mapping. The
 * threads and processes that use it must synchronize access to the bytes themselves.
 */
#ifndef IPC_MEMORY_FILE_H
#define IPC_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc_memory;

#define IPC_MEMORY_WRITE	(1U << 0)

/*
 * Create zeroed memory of size bytes and map it for reading and writing. The caller owns
 * *ret_memory and drops it with ipc_memory_unref(). With IPC_MEMORY_WRITE in flags
 * receivers may write too; with 0 they may only read.
 *
 *   -EINVAL   size is 0, or flags has other bits.
 *   -EFBIG    size is too large for a file, or RLIMIT_FSIZE forbids it.
 *   -EMFILE   This process cannot open more files.
 */
int ipc_memory_new(size_t size, unsigned int flags, struct ipc_memory **ret_memory);

/* Take or drop a reference. The last ipc_memory_unref() unmaps the memory in this process. */
struct ipc_memory *ipc_memory_ref(struct ipc_memory *memory);
struct ipc_memory *ipc_memory_unref(struct ipc_memory *memory);

/* Return the address of the mapping, which does not change, and its size in bytes. */
void *ipc_memory_data(const struct ipc_memory *memory);
size_t ipc_memory_size(const struct ipc_memory *memory);

/*
 * Seal the memory: from now on no process can write to it, including this process. Sealing sealed
 * memory succeeds. Waits up to a second while the kernel holds pages of the memory.
 *
 *   -EBUSY    Another process has it mapped for writing, or the kernel held some of its pages for
 *             a second. The mapping in this process is read-only nevertheless.
 */
int ipc_memory_seal(struct ipc_memory *memory);

/* Return 1 if the memory is sealed, so that its bytes cannot change; else 0. */
int ipc_memory_is_sealed(const struct ipc_memory *memory);

/* Return the file descriptor, which stays the memory's; -EINVAL for NULL. */
int ipc_memory_get_fd(const struct ipc_memory *memory);

/*
 * Map a received memory file for reading, or with IPC_MEMORY_WRITE in flags for reading and
 * writing. The caller owns *ret_memory. The function takes ownership of fd, also if it fails.
 *
 * A sender that may write can change the bytes at any time. Copy them before you check them,
 * unless ipc_memory_is_sealed(). The process that first touches a page allocates it, so reading
 * all of the memory may allocate ipc_memory_size() bytes.
 *
 *   -EBADMSG  The file is no memory file of fixed size.
 *   -EINVAL   fd is negative, or flags has other bits.
 *   -EPERM    IPC_MEMORY_WRITE is set, but the sender permits reading only.
 */
int ipc_memory_map(int fd, unsigned int flags, struct ipc_memory **ret_memory);

/*
 * Take the memory out of a field of a received message and map it, as ipc_memory_map() does. On
 * success *fd is -1 afterwards. One thread at a time may use the message. Errors as
 * ipc_memory_map(), and:
 *
 *   -ENOENT   *fd is negative: the field is empty, or the memory was taken before.
 */
int ipc_memory_take(int32_t *fd, unsigned int flags, struct ipc_memory **ret_memory);

/* For ipc_auto(). */
static inline void ipc_memory_unrefp(struct ipc_memory **p) { ipc_memory_unref(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_MEMORY_FILE_H */
