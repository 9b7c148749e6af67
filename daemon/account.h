/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Account: what one user has of the daemon's file descriptors and stacks. The user is the payer
 * (payer.c): subordinate uids count for their owner. See account.c. Any thread may call these
 * unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct closing;
struct flight;
struct ipcbusd_message;

/* Sets the limits of each account, for a daemon that may have so many fds and maps. *ret_files: as
 * many files may be in its messages. Returns an fd that is readable when accounts_look() is to be
 * called, or -1. Main thread, both. */
int accounts_init(uint64_t fds, unsigned int maps, unsigned int *ret_files);
void accounts_look(void);

/* The user who pays for a process of that uid: payer.c. Main thread. */
uint32_t payer_of(uint32_t uid, int pid);

/* Counts a connection of the payer. 0, or 1 if the account is new; -EDQUOT: it has enough, or too
 * many of its files are being closed; -ENOMEM. */
int account_connect(uint32_t payer, struct account **ret_account);
void account_disconnect(struct account *account);

/* Counts a thread of a client that is connected: 0, or -EDQUOT. */
int account_add_thread(struct account *account);
void account_remove_thread(struct account *account);

/* --- Files that a client sent, from then until they are closed ---------------------- */

/* One has come, and holds the account. */
void account_take_file(struct account *account);
/* It is to be closed, which may take long, and then it is. */
void account_begin_close(struct account *account);
void account_end_close(struct account *account);

/**
 * struct account_wait - a sender that waits until fewer files of its user are being closed
 * @next: the account's
 * @wake: called for each that is closed, and once time is up
 * @arg: for @wake
 * @seconds: how long it has waited
 */
struct account_wait {
	struct account_wait *next;
	void (*wake)(void *arg);
	void *arg;
	unsigned int seconds;
};

void account_wait_begin(struct account *account, struct account_wait *wait);
/* 0; -EAGAIN: wait until it is woken; -EDQUOT: it has waited long enough. */
int account_may_send(struct account *account, const struct account_wait *wait);
void account_wait_end(struct account *account, struct account_wait *wait);

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
