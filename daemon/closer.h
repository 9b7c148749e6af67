/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Closer: closes descriptors whose close() a client can block, on a thread of the client's account.
 * See closer.c. Any thread may call these; none of them waits for a client.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct account;
struct flight;

/* The daemon's descriptors are below this: main.c limits them. */
#define CLOSER_MAX_FDS (1 << 20)

/**
 * struct closer - of one account; all fields are closer.c's
 * @first: descriptor in the queue
 * @last: likewise
 * @runs: there is a thread
 * @more: wakes it
 */
struct closer {
	int first;
	int last;
	bool runs;
	pthread_cond_t more;
};

void closer_init(struct closer *closer);
void closer_done(struct closer *closer);
/* Closes a file for which account_take_file() was called. It stays charged until then. */
void close_later(int fd, struct account *account);
/* Calls flight_close() on the account's thread. */
void flight_close_later(struct flight *flight, int socket, struct account *account);
/* Starts the thread if it is needed and could not be started before. */
void closer_retry(struct account *account);
