/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Account: what one user has of the daemon's file descriptors. See account.c. Any thread may call
 * these unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct closing;
struct flight;
struct ipcbusd_message;

/* So many connections, and so many files, for each user. An fd that is readable when
 * accounts_look() is to be called, or -1. Main thread, both. */
int accounts_init(unsigned int max_connections, unsigned int max_files);
void accounts_look(void);

/* Counts a connection of the user. 0; -EDQUOT: it has enough, of those or of files; -ENOMEM. */
int account_connect(uint32_t uid, struct account **ret_account);
void account_disconnect(struct account *account);

/* --- Files that a client sent, from then until they are closed ---------------------- */

/* Before the daemon asks for one: 0, or -EDQUOT. */
int account_promise_file(struct account *account);
/* One that came unasked. False: the user has too many. */
bool account_take_file(struct account *account);
/* It is to be closed, which may take long; account_drop_file() follows. */
void account_begin_close(struct account *account);
/* It is closed, or does not come. */
void account_drop_file(struct account *account, bool was_closing);

/**
 * struct account_closing - which of these are closed right now: closer.c's
 * @threads: how many threads do
 * @waiting: files for which there is none, as the user has enough threads
 */
struct account_closing {
	unsigned int threads;
	struct closing *waiting;
};

struct account_closing *account_closing(struct account *account);

/* --- Files on their way to a client ------------------------------------------------- */

/* All that is sent to a client once it has had its WELCOME. NULL: no memory. */
struct flight *flight_new(struct account *account, int socket);
/* As socket_send(). A RECEIVE_FD is -EDQUOT while the user has too many that it did not take. */
int flight_send(struct flight *flight, struct ipcbusd_message *message, const int *fds,
		size_t n_fds);
/* Before anything is sent; the socket is the caller's. */
void flight_cancel(struct flight *flight);
/* Ends the connection. The socket stays open, and counts, until the client has taken all, or
 * closed its end. */
void flight_end(struct flight *flight);
