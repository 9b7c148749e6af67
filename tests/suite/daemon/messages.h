/* SPDX-License-Identifier: MIT */
/*
 * Messages on the daemon's socket, without libipc, for attackers.
 */
#ifndef DAEMON_MESSAGES_H
#define DAEMON_MESSAGES_H

#include "ipcbus-daemon.h"

/* Sends a message, with an fd unless that is negative. Returns 0 or -errno. */
int send_message(int fd, struct ipcbusd_message *message, int pass);
/* Waits for a message. Missing fds are -1. Returns the message's error, or -EPROTO at the end. */
int receive_message(int fd, struct ipcbusd_message *message, int fds[4]);
/* Likewise, also with the fifth fd, the status. */
int receive_all(int fd, struct ipcbusd_message *message, int fds[IPCBUSD_MAX_FDS]);

/* Return a connected socket, or -1. The first creates it, the second reuses an existing socket. */
int bus_connect(const char *path);
int bus_connect_by(int fd, const char *path);

#endif
