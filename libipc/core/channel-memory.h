/* SPDX-License-Identifier: MIT */
/*
 * The files of a channel's two parts: each side makes its own and maps the other's.
 */
#ifndef IPC_CHANNEL_MEMORY_H
#define IPC_CHANNEL_MEMORY_H

#include "channel.h"

struct ipcbus_send;

/* Makes and maps a part of zeroes. *ret_fd is sealed: nobody can map it for writing any more. */
int channel_memory_new(int *ret_fd, void **ret_part);
/* Maps another process's part for reading. -EBADMSG: its owner could make reading fail. */
int channel_memory_map(int fd, const void **ret_part);
/* part may be NULL. Not in a forked child, which has no part of it. */
void channel_memory_unmap(const void *part);

/* Copies the payload of a message without objects, of at most CHANNEL_DATA_MAX bytes. -EINVAL: its
 * parts do not add up. */
int channel_gather(const struct ipcbus_send *send, uint8_t *to);

#endif /* IPC_CHANNEL_MEMORY_H */
