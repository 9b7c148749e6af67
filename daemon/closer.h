/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Closer: closes descriptors whose close() or munmap() a client can block, on a thread of the
 * client's account. See closer.c. Any thread may call these functions. They never block on a
 * client.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct account;
struct flight;

/* Upper bound of the daemon's descriptors, which limits_raise() enforces. */
#define CLOSER_MAX_FDS (1 << 20)

/**
 * struct closer - queue of an account; all fields are private to closer.c
 * @first: first descriptor in the queue
 * @last: last descriptor in the queue
 * @kept: list of descriptors of memory that could not be freed
 * @runs: the thread runs
 * @more: signaled when a descriptor is queued
 */
struct closer {
	int first;
	int last;
	int kept;
	bool runs;
	pthread_cond_t more;
};

void closer_init(struct closer *closer);
void closer_done(struct closer *closer);
/* Closes a file for which account_take_file() was called. The file stays charged until it is
 * closed. */
void close_later(int fd, struct account *account);
/* Calls flight_close() on the account's thread. socket: that of the flight. */
void flight_close_later(struct flight *flight, int socket, struct account *account);
/* Calls end() on the account's thread. It must free the memory, close its memfd and return true.
 * Otherwise closer_retry() calls it again. Until then, the memory counts as a connection. */
void memory_end_later(int fd, bool (*end)(int fd, void *arg), void *arg, struct account *account);
/* If the thread is needed but could not be started earlier, starts it. Also retries to end
 * memory. */
void closer_retry(struct account *account);
/* If an account has memory that could not be ended, calls closer_retry() within a second. */
void closers_retry_later(void);
