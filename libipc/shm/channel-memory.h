/* SPDX-License-Identifier: MIT */
/*
 * The files of the two parts of a channel, an extension or the ring of a stream. The client
 * creates both and so pays for their memory. Each side maps the part that it writes, and the peer's
 * part for reading. The other process is not trusted, so each side checks both files.
 *
 * The client's mapping of the server's part is writable all the same, because it sleeps there: the
 * kernel looks up the page of a futex for writing first. In a read-only mapping that fails, and a
 * second lookup follows, which costs 750 instructions.
 */
#ifndef IPC_CHANNEL_MEMORY_H
#define IPC_CHANNEL_MEMORY_H

#include <string.h>

#include "channel.h"
#include "ipcbus.h"

/* Creates the file of a part, with zeroed memory. Returns its fd, which the caller must close, or
 * -errno. */
int channel_memory_new(size_t size);
/* Maps the part that this process writes. After that, no process can map the file for writing, or
 * punch holes; mappings that it already has stay writable. Fails if it was sealed before, with
 * -EPERM, and for a file that could fail, with -EBADMSG. */
int channel_memory_map_own(int fd, size_t size, void **ret_part);
/* Checks the file of the part that the peer writes, after the peer has sealed it. -EBADMSG: the
 * seals or the size are wrong, or pages are missing, so reading could fail. */
int channel_memory_check(int fd, size_t size);
/* Client: makes and maps the files of both parts. Sets the fds of its own file and of the server's,
 * or negative values, also on failure: the caller must call channel_memory_close(). Before it reads
 * the server's part, channel_memory_check() must follow. */
int channel_memory_make(size_t size, int ret_fds[2], void **ret_own, const void **ret_peer);
/* Sets them to -1. */
void channel_memory_close(int fds[2]);
/* Server: checks and maps both files, or none. The client's file is sealed, and the server's is
 * not, so they are different files. */
int channel_memory_accept(size_t size, int peer_fd, int own_fd, const void **ret_peer,
			  void **ret_own);
/* part may be NULL. Must not be called in a forked child, which does not inherit the mapping. */
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
