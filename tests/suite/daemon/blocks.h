/* SPDX-License-Identifier: MIT */
/*
 * Files with which a client would block the daemon.
 */
#ifndef DAEMON_BLOCKS_H
#define DAEMON_BLOCKS_H

#include <stdbool.h>

/* Returns a connected TCP socket, or -1. */
int tcp_connection(void);
/* Returns a socket whose last close() blocks for 1000 s, because its peer does not read, or -1. */
int lingering_socket(void);
/*
 * Starts a thread that holds the lock of the socket @fd, or with @polls of the epoll file @fd,
 * until this process ends. An event of the epoll file must be ready. Returns false if this user may
 * not do that here.
 */
bool hold_lock(int fd, bool polls);

#endif
