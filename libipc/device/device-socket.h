/* SPDX-License-Identifier: MIT */
/*
 * Messages of ipcbusd's socket, with fds (ipcbus-daemon.h). All functions return 0, or -errno
 * unless they say otherwise, and may be called by several threads at once.
 */
#ifndef IPC_DEVICE_SOCKET_H
#define IPC_DEVICE_SOCKET_H

#include <stdbool.h>

#include "ipcbus-daemon.h"

/* Returns the socket. */
int socket_connect(const char *path);

/* Sends a message, with the fd if that is not NULL. */
int socket_send(int socket, struct ipcbusd_message *message, const int *fd);
/* Waits for a message with its fds; missing fds are set to -1. On failure no fd is left
 * open. Returns the error in the message, if any. */
int socket_receive(int socket, struct ipcbusd_message *message, int fds[IPCBUSD_MAX_FDS]);

/*
 * Whether fd is a connection to the bus that socket is connected to. libipc checks this before it
 * sends a file, because the daemon must not: another process may hold a lock of the socket.
 */
bool socket_is_of_bus(int fd, int socket);

/* Sends an administrator's message over a new connection, and replaces it by the reply, which has
 * at most one fd. */
int socket_administer(const char *path, struct ipcbusd_message *message, int fds[IPCBUSD_MAX_FDS]);

#endif /* IPC_DEVICE_SOCKET_H */
