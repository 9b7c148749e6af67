/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connection: a socket from accept() to its end, and the process that connected. After HELLO it has
 * a client. Main thread only.
 */
#pragma once

#include <stdbool.h>

struct connection;

/* Events of connections have them as data in this epoll file, and those of the listener NULL. */
void connections_init(int epoll_fd, int listener);
/* /proc hides the processes of other users, which therefore cannot connect. */
bool connections_are_hidden(void);
/* Some wait to be accepted. */
void connections_accept(void);
/* A message has come, or the process or the socket has ended. */
void connection_event(struct connection *connection);
/* Closes those whose address space has ended: see area.c. */
void connections_close_gone(void);
/* Frees those that were closed: after a round of events, as others of the round may name them. */
void connections_free(void);
/* How long to wait for a round of events, as for epoll_wait(2). Each begins with _round(), and in
 * each of them every user has a few turns: see account_takes_turn(). */
int connections_wait(void);
void connections_round(void);
