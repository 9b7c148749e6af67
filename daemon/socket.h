/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of the set-up socket, with fds. See socket.c. These functions never block, whatever the
 * peer sends or does, except socket_drain() with files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ipcbusd_message;

/* Sets magic and version of the message, and sends it with at most 4 fds, which stay the caller's.
 * Sends the error -EMFILE as -ENFILE. Returns 0 or -errno: -EAGAIN if the peer does not read. */
int socket_send(int socket, struct ipcbusd_message *message, const int *fds, size_t n_fds);
/* Receives a message with at most one fd. Sets *ret_fd to the fd, or to -1. The caller owns the
 * fd, also on failure. It must call account_take_file() for the fd and close it by close_later().
 * Sets *ret_pid to the process that sent the message. Returns 1; 0 at the end of the connection or
 * after an error of it; -EAGAIN if there is no message; or -EBADMSG if the message is not valid or
 * has more fds. */
int socket_receive(int socket, struct ipcbusd_message *message, int *ret_fd, int *ret_pid);
/* Removes the remaining messages of a socket, whose peer must no longer be able to send. If a
 * message has files and with_files is false, stops before the message and returns false. Other
 * threads than the closer's must not set with_files, because closing the files may block. */
bool socket_drain(int socket, bool with_files);

/* Forbids fds on connections to a listener (SO_PASSRIGHTS, Linux 6.16 and later). On earlier
 * kernels a client can send fds at any time. */
void socket_refuse_files(int listener);
/* Requests the credentials of senders. Must be called on an accepted connection before
 * socket_receive() and socket_drain(). */
void socket_ask_for_senders(int socket);
/* Permits fds on this connection from now on. */
void socket_accept_files(int socket);
