/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Account: the file descriptors and stacks of the daemon that one user occupies. The user is the
 * payer (payer.c): the owner pays for subordinate uids. See account.c. Any thread may call these
 * functions unless stated otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct closer;
struct flight;
struct ipcbusd_message;

/* Computes the limits of each account from the numbers of fds and mappings that the daemon may
 * have. Sets *ret_files to the maximum number of fds in an account's messages. Returns an fd, or
 * -1; when it is readable, call accounts_look(). Both functions: main thread only. */
int accounts_init(uint64_t fds, unsigned int maps, unsigned int *ret_files);
void accounts_look(void);
/* Schedules accounts_look() within a second. */
void accounts_look_later(void);

/* Returns true if the kernel reports the uid for all users that are not mapped into the daemon's
 * user namespace. Main thread only. */
bool uid_is_ambiguous(uint32_t uid);
/* Returns the user that pays for a process with that uid. See payer.c. Main thread only. */
uint32_t payer_of(uint32_t uid, int pid);

/* Charges a thread of a connected client. Returns 0 or -EDQUOT. */
int account_add_thread(struct account *account);
void account_remove_thread(struct account *account);

/* --- Files that a client sent, until they are closed -------------------------------- */

/* Charges a received file. The file holds a reference to the account until account_end_close(). */
void account_take_file(struct account *account);
/* Must be called before and after the close, which may block for a long time. */
void account_begin_close(struct account *account);
void account_end_close(struct account *account);

/**
 * struct account_wait - a sender that waits until fewer files of its user are being closed
 * @next: in the account's list
 * @wake: called each time a file was closed, and when the timeout has passed
 * @arg: argument of @wake
 * @seconds: seconds waited so far
 */
struct account_wait {
	struct account_wait *next;
	void (*wake)(void *arg);
	void *arg;
	unsigned int seconds;
};

void account_wait_begin(struct account *account, struct account_wait *wait);
/* Returns 0, -EAGAIN if the sender must wait until it is woken, or -EDQUOT after the timeout. */
int account_may_send(struct account *account, const struct account_wait *wait);
void account_wait_end(struct account *account, struct account_wait *wait);

/* Charges memory of a connection that has ended like a connection, and holds a reference. */
void account_begin_memory(struct account *account);
void account_end_memory(struct account *account);

struct closer *account_closer(struct account *account);
void account_hold(struct account *account);
void account_put(struct account *account);

/* --- Connections, and files in flight to a client ------------------------------------ */

/* Allocates a flight for a connection that is not yet accepted. Returns NULL if memory is short. If
 * no connection follows, free() it. */
struct flight *flight_new(void);
/* Charges an accepted connection to the payer until flight_end() has closed it. If the payer has
 * too many connections, or too many of its files are being closed, returns -EDQUOT. If memory is
 * short, returns -ENOMEM. The connection is charged even after an error, and the caller must then
 * refuse it. Main thread only. */
int flight_begin(struct flight *flight, uint32_t payer, int socket);
struct account *flight_account(struct flight *flight);
/* Returns true if the main thread may do another operation for the account in this round of events.
 * A few turns per round keep a user with many connections from delaying other users. Main thread
 * only. */
bool account_takes_turn(struct account *account, uint64_t round);
/* Like socket_send(). A RECEIVE_FD fails with -EDQUOT while too many fds of the user are unread. */
int flight_send(struct flight *flight, struct ipcbusd_message *message, const int *fds,
		size_t n_fds);
/* Ends a connection; every connection must end here. The socket stays open and charged until the
 * client has received all fds or closed its end, and until the files that it sent are closed. Never
 * blocks. */
void flight_end(struct flight *flight);
/* Drops the messages that the client sent and ends the connection. May block for a long time. Only
 * closer.c may call it. */
void flight_close(struct flight *flight);
