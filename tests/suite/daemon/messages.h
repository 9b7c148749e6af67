/* SPDX-License-Identifier: MIT */
/*
 * Messages of the daemon's socket, by hand, for those who attack it.
 */
#ifndef DAEMON_MESSAGES_H
#define DAEMON_MESSAGES_H

#include "ipcbus-daemon.h"

/* Sends one with its magic and version, and an fd unless that is negative. 0 or -errno. */
int send_message(int fd, struct ipcbusd_message *message, int pass);
/* Waits for one; fds that did not come are -1. Returns its error, or -EPROTO at the end. */
int receive_message(int fd, struct ipcbusd_message *message, int fds[4]);

/* A new socket that is connected, or -1; and the same of a socket that there is. */
int bus_connect(const char *path);
int bus_connect_by(int fd, const char *path);

#endif
