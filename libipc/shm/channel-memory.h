/* SPDX-License-Identifier: MIT */
/*
 * The file of the two parts of a channel, an extension or the ring of a stream: the client's part,
 * then the server's. The client creates it and so pays for the memory. The other process is not
 * trusted, so each side checks the file. The server maps the client's part for reading.
 *
 * The client maps both parts before it sends the file, and the server then seals it. So a hostile
 * process can keep a writable mapping of its peer's part. It can then change only messages that it
 * sends or receives anyway, because a side relies on no value from its own part.
 *
 * The client sleeps in the server's part: the kernel looks up the page of a futex for writing
 * first. In a read-only mapping that fails, and a second lookup follows, which costs 750
 * instructions.
 */
#ifndef IPC_CHANNEL_MEMORY_H
#define IPC_CHANNEL_MEMORY_H

#include <string.h>

#include "channel.h"
#include "ipcbus.h"

/* Creates the file, with zeroed memory. size: of each part. Returns its fd, which the caller must
 * close, or -errno. */
int channel_memory_new(size_t size);
/* Client: creates and maps the file. Returns as channel_memory_new(). Before the client uses the
 * parts, the server must have sealed the file, and channel_memory_check() must follow. */
int channel_memory_make(size_t size, void **ret_own, const void **ret_peer);
/* Client: checks seals, size and pages, so that no access can fail. Returns 0 or -EBADMSG. */
int channel_memory_check(int fd, size_t size);
/* Server: maps the file and checks it. After that, no process can map the file for writing, or
 * punch holes; mappings that it already has stay writable. Fails if it was sealed before, with
 * -EPERM, and as channel_memory_check(). */
int channel_memory_accept(int fd, size_t size, const void **ret_peer, void **ret_own);
/* Closes the file, if *fd is not negative, and sets *fd to -1. */
void channel_memory_close(int *fd);
/* Unmaps a part, which may be NULL. Not for a forked child, which does not inherit the mapping. */
void channel_memory_unmap(const void *part, size_t size);

/* channel_gather() of a payload in parts. */
int channel_gather_parts(const struct ipcbus_send *send, uint8_t *to);

/* Copies the payload of a message without objects, which must fit at that address. -EINVAL: the
 * sizes of its parts do not match its total size. */
static inline int channel_gather(const struct ipcbus_send *send, uint8_t *to)
{
	if (send->flags & IPCBUS_SEND_IOV)
		return channel_gather_parts(send, to);
	if (send->data_size)
		memcpy(to, (const void *)(uintptr_t)send->data, send->data_size);
	return 0;
}

#endif /* IPC_CHANNEL_MEMORY_H */
