/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of the set-up socket, with fds. See socket.c. None of these functions waits, whatever
 * the peer has sent or does, except for socket_drain() with files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct account;
struct ipcbusd_message;

/* Returns 0 or -errno; -EAGAIN: the peer does not read. */
int socket_send(int socket, struct ipcbusd_message *message, const int *fds, size_t n_fds);
/* Receives one message with at most one fd, which is in *ret_fd, or -1, and was passed to
 * account_take_file(). *ret_pid: the process that sent it. Returns 1; 0 at the end; -EAGAIN; or
 * -EBADMSG for what is no message. */
int socket_receive(int socket, struct account *account, struct ipcbusd_message *message,
		   int *ret_fd, int *ret_pid);
/* Removes the messages that are left on a socket whose peer can send no more. Returns false if the
 * next one has files. Only the closer's thread may have these closed: with_files. */
bool socket_drain(int socket, bool with_files);

/* Connections to a listener may have no fds. Linux has this from 6.16 on (SO_PASSRIGHTS). Before, a
 * client can send fds at any time. */
void socket_refuse_files(int listener);
/* Of a connection that was accepted, before any of the functions above but socket_send(). */
void socket_ask_for_senders(int socket);
/* This connection may have fds from now on. */
void socket_accept_files(int socket);
