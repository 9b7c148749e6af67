/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets: the messages of the set-up socket, with fds, and how what strangers sent is closed. See
 * socket.c and closer.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct account;
struct ipcbusd_message;

/* Does not wait. 0 or -errno; -EAGAIN: the peer does not read. */
int socket_send(int socket, struct ipcbusd_message *message, const int *fds, size_t n_fds);
/* Receives one message with at most one fd, which is in *ret_fd, or -1, and counts in the account.
 * *ret_pid: who sent it, with SO_PASSCRED, or 0. Returns 1; 0 at the end; -EAGAIN; or -EBADMSG for
 * what is no message. */
int socket_receive(int socket, struct account *account, struct ipcbusd_message *message,
		   int *ret_fd, int *ret_pid);
/* Receives what is left on a socket that is shut down, and closes the fds in it. */
void socket_drain(int socket, struct account *account);

/* Closes an fd that a stranger sent, which may take them as long as they like: on another thread.
 * account: where it counts until then, or NULL. Any thread. */
void close_later(int fd, struct account *account);
/* Ends a connection at once, and closes it with what nobody received there. */
void socket_close(int socket);
