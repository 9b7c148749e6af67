// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closes descriptors whose close() a client can block: files that the client sent, connections with
 * such files in their queue, and files of the daemon that a file of the client watches. close() of
 * a socket with SO_LINGER or of a file in FUSE can block for as long as the client likes. So each
 * account has its own thread for closes, which runs while descriptors are queued. A client that
 * blocks the thread delays only closes of its own account, which stay charged to that account.
 *
 * A queue is a list in a table indexed by descriptor, so queueing allocates no memory and cannot
 * fail. If the thread cannot be started, the queue is kept, and closer_retry() starts the thread
 * later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "closer.h"

#define STACK_SIZE (64UL << 10)
#define NONE	   (-1)
/* Seconds that the thread waits for another descriptor before it ends. */
#define IDLE	   1

/* Protects the queues. accounts_lock may be taken under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct flight *flight;	/* of a connection, or NULL */
	int next;
} closing[CLOSER_MAX_FDS];

void closer_init(struct closer *closer)
{
	pthread_condattr_t attributes;

	closer->first = NONE;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&closer->more, &attributes);
	pthread_condattr_destroy(&attributes);
}

void closer_done(struct closer *closer)
{
	pthread_cond_destroy(&closer->more);
}

/* Takes the first descriptor of the queue. If none arrives in time, returns NONE and the thread
 * must end. */
static int take(struct closer *closer, struct flight **ret_flight)
{
	struct timespec end;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += IDLE;
	pthread_mutex_lock(&lock);
	while (closer->first == NONE &&
	       pthread_cond_timedwait(&closer->more, &lock, &end) != ETIMEDOUT)
		;
	fd = closer->first;
	if (fd == NONE) {
		closer->runs = false;
	} else {
		closer->first = closing[fd].next;
		*ret_flight = closing[fd].flight;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static void *closer_main(void *arg)
{
	struct account *account = arg;
	struct flight *flight;
	int fd;

	while ((fd = take(account_closer(account), &flight)) != NONE) {
		if (flight) {
			flight_close(flight);
			continue;
		}
		close(fd);
		account_end_close(account);
	}
	account_put(account);
	return NULL;
}

static void start_locked(struct account *account)
{
	struct closer *closer = account_closer(account);
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	account_hold(account);
	closer->runs = !pthread_create(&thread, &attributes, closer_main, account);
	if (!closer->runs) {
		account_put(account);
		accounts_look_later();
	}
	pthread_attr_destroy(&attributes);
}

static void queue(int fd, struct flight *flight, struct account *account)
{
	struct closer *closer = account_closer(account);

	pthread_mutex_lock(&lock);
	closing[fd].flight = flight;
	closing[fd].next = NONE;
	if (closer->first == NONE)
		closer->first = fd;
	else
		closing[closer->last].next = fd;
	closer->last = fd;
	if (closer->runs)
		pthread_cond_signal(&closer->more);
	else
		start_locked(account);
	pthread_mutex_unlock(&lock);
}

void close_later(int fd, struct account *account)
{
	account_begin_close(account);
	queue(fd, NULL, account);
}

void flight_close_later(struct flight *flight, int socket, struct account *account)
{
	queue(socket, flight, account);
}

void closer_retry(struct account *account)
{
	struct closer *closer = account_closer(account);

	pthread_mutex_lock(&lock);
	if (closer->first != NONE && !closer->runs)
		start_locked(account);
	pthread_mutex_unlock(&lock);
}
