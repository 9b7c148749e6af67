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
struct closer;
struct flight;
struct ipcbusd_message;

/* Sets the limits of each account, for a daemon that may have so many fds and maps. *ret_files: as
 * many files may be in its messages. Returns an fd that is readable when accounts_look() is to be
 * called, or -1. Main thread, both. */
int accounts_init(uint64_t fds, unsigned int maps, unsigned int *ret_files);
void accounts_look(void);
/* Has accounts_look() called in a second. Any thread. */
void accounts_look_later(void);

/* The user who pays for a process of that uid: payer.c. Main thread. */
uint32_t payer_of(uint32_t uid, int pid);

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

struct closer *account_closer(struct account *account);
void account_hold(struct account *account);
void account_put(struct account *account);

/* --- Connections, and files on their way to a client --------------------------------- */

/* A connection that is to be accepted. NULL: no memory. If none is, free() it. */
struct flight *flight_new(void);
/* It was accepted, and counts for the payer until flight_end() has closed it. Returns 0, or 1 if
 * the account is new; -EDQUOT: the payer has too many connections, or too many of its files are
 * being closed; -ENOMEM. After an error it counts all the same and must be refused. Main thread. */
int flight_begin(struct flight *flight, uint32_t payer, int socket);
struct account *flight_account(struct flight *flight);
/* Whether the main thread may do something for the account in this round of events: a few things,
 * so that a user with many connections does not keep others waiting. Main thread. */
bool account_takes_turn(struct account *account, uint64_t round);
/* As socket_send(). A RECEIVE_FD is -EDQUOT while the user has too many that it did not take. */
int flight_send(struct flight *flight, struct ipcbusd_message *message, const int *fds,
		size_t n_fds);
/* Ends the connection; all connections end here. The socket stays open, and counts, until the
 * client has taken all fds, or closed its end, and the files in it are closed. Does not wait for
 * that. */
void flight_end(struct flight *flight);
/* For closer.c: removes what the client sent, which may take long, and ends it. */
void flight_close(struct flight *flight);
