/* SPDX-License-Identifier: MIT */
/* The files of a channel's two parts: each side creates its own file and maps the peer's. */
#ifndef IPC_CHANNEL_MEMORY_H
#define IPC_CHANNEL_MEMORY_H

#include "channel.h"

struct ipcbus_send;

/* Creates and maps a zeroed part. *ret_fd is sealed against new writable mappings. */
int channel_memory_new(int *ret_fd, void **ret_part);
/* Maps another process's part for reading. -EBADMSG: the seals or size are wrong, so reading could
 * fail. */
int channel_memory_map(int fd, const void **ret_part);
/* part may be NULL. Must not be called in a forked child, which does not inherit the mapping. */
void channel_memory_unmap(const void *part);

/* Copies the payload of a message without objects, of at most CHANNEL_DATA_MAX bytes. -EINVAL: the
 * sizes of its parts do not match its total size. */
int channel_gather(const struct ipcbus_send *send, uint8_t *to);

#endif /* IPC_CHANNEL_MEMORY_H */
