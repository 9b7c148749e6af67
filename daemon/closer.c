// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closes descriptors whose close() a client can block: files that the client sent, connections with
 * such files in their queue, and files of the daemon that a file of the client watches. Also
 * frees memory whose munmap() a client can block. close() of a socket with SO_LINGER or of a file
 * in FUSE can block for as long as the client likes. So each account has its own thread for
 * closes, which runs while descriptors are queued. A client that blocks the thread delays only
 * closes of its own account, which stay charged to that account.
 *
 * A queue is a list in a table indexed by descriptor, so queueing allocates no memory and cannot
 * fail. If the thread cannot be started, the queue is kept, and closer_retry() starts the thread
 * later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "client.h"
#include "closer.h"

#define STACK_SIZE (64UL << 10)
#define NONE	   (-1)
/* Seconds that the thread waits for another descriptor before it ends. */
#define IDLE	   1

/* Protects the queues. accounts_lock may be taken under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry {
	struct flight *flight;	/* of a connection, or NULL */
	bool (*end)(int fd, void *arg); /* of memory, or NULL */
	void *arg;
	int next;
} closing[CLOSER_MAX_FDS];
/* The number of kept descriptors, and of requests to retry them. */
static unsigned int n_kept, retries;

void closer_init(struct closer *closer)
{
	pthread_condattr_t attributes;

	closer->first = closer->kept = NONE;
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
static int take(struct closer *closer, struct entry *ret_entry)
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
		*ret_entry = closing[fd];
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static void *closer_main(void *arg);

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

static void append_locked(struct closer *closer, int fd)
{
	closing[fd].next = NONE;
	if (closer->first == NONE)
		closer->first = fd;
	else
		closing[closer->last].next = fd;
	closer->last = fd;
	pthread_cond_signal(&closer->more);
}

static void queue(int fd, struct entry entry, struct account *account)
{
	struct closer *closer = account_closer(account);

	pthread_mutex_lock(&lock);
	closing[fd] = entry;
	append_locked(closer, fd);
	if (!closer->runs)
		start_locked(account);
	pthread_mutex_unlock(&lock);
}

/* Ends memory that a client had. If a process can still write to it, closer_retry() queues it
 * again. */
static void end_memory(int fd, const struct entry *entry, struct account *account)
{
	unsigned int before = __atomic_load_n(&retries, __ATOMIC_SEQ_CST);
	struct closer *closer = account_closer(account);
	bool retry;

	if (entry->end(fd, entry->arg)) {
		account_end_memory(account);
		return;
	}
	pthread_mutex_lock(&lock);
	closing[fd].next = closer->kept;
	closer->kept = fd;
	n_kept++;
	retry = retries != before;
	pthread_mutex_unlock(&lock);
	if (retry)
		accounts_look_later();
}

static void *closer_main(void *arg)
{
	struct account *account = arg;
	struct entry entry;
	int fd;

	while ((fd = take(account_closer(account), &entry)) != NONE) {
		if (entry.flight) {
			flight_close(entry.flight);
		} else if (entry.end) {
			end_memory(fd, &entry, account);
		} else {
			close(fd);
			account_end_close(account);
		}
	}
	account_put(account);
	return NULL;
}

void close_later(int fd, struct account *account)
{
	account_begin_close(account);
	queue(fd, (struct entry){ 0 }, account);
}

void flight_close_later(struct flight *flight, int socket, struct account *account)
{
	queue(socket, (struct entry){ .flight = flight }, account);
}

void memory_end_later(int fd, bool (*end)(int fd, void *arg), void *arg, struct account *account)
{
	account_begin_memory(account);
	queue(fd, (struct entry){ .end = end, .arg = arg }, account);
}

void closer_retry(struct account *account)
{
	struct closer *closer = account_closer(account);
	int fd;

	pthread_mutex_lock(&lock);
	while ((fd = closer->kept) != NONE) {
		closer->kept = closing[fd].next;
		n_kept--;
		append_locked(closer, fd);
	}
	if (closer->first != NONE && !closer->runs)
		start_locked(account);
	pthread_mutex_unlock(&lock);
}

void closers_retry_later(void)
{
	bool retry;

	pthread_mutex_lock(&lock);
	__atomic_add_fetch(&retries, 1, __ATOMIC_SEQ_CST);
	retry = n_kept;
	pthread_mutex_unlock(&lock);
	if (retry)
		accounts_look_later();
}
