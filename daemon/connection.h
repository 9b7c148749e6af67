/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connection: a socket from accept() to its end, and the process that connected. After HELLO it has
 * a client. Main thread only.
 */
#pragma once

#include <stdbool.h>

struct connection;

/* Registers the listener in the epoll file. Events of a connection carry the connection as their
 * data; events of the listener carry NULL. */
void connections_init(int epoll_fd, int listener);
/* Returns true if /proc hides the processes of other users, which therefore cannot connect. */
bool connections_are_hidden(void);
/* The listener is readable: accepts connections. */
void connections_accept(void);
/* A message arrived, or the process or the socket ended. */
void connection_event(struct connection *connection);
/* Closes the connections of address spaces that have ended: see area-watch.c. */
void connections_close_gone(void);
/* Frees closed connections. Call it only after a round of events, because other events of the round
 * may point to them. */
void connections_free(void);
/* Returns the timeout in milliseconds for epoll_wait(2). Each round of events must begin with
 * connections_round(). In each round every user gets a few turns: see account_takes_turn(). */
int connections_wait(void);
void connections_round(void);
