/* SPDX-License-Identifier: MIT */
/*
 * Files with which a client would block the daemon.
 */
#ifndef DAEMON_BLOCKS_H
#define DAEMON_BLOCKS_H

#include <stdbool.h>

/* A TCP socket that is connected, or -1. */
int tcp_connection(void);
/* One whose last close() waits for 1000 s, because nobody reads what was sent. Or -1. */
int lingering_socket(void);
/*
 * A thread holds the lock of the socket fd, or with polls of the epoll file fd, until this process
 * ends. An event must be ready for the epoll file. False: this user may not do that here.
 */
bool hold_lock(int fd, bool polls);

#endif
