// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closes what strangers sent. close() may wait as long as they like, for a socket with SO_LINGER or
 * a file of theirs in FUSE. So threads close that do nothing else: one, and one more whenever all
 * wait. A user's files hold a part of them at most.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "account.h"
#include "socket.h"

#define MAX_THREADS 512
#define PART_OF_THREADS 16
#define STACK_SIZE  (64UL << 10)

struct closing {
	struct closing *next;
	int fd;
	struct account *account;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t come = PTHREAD_COND_INITIALIZER;
static struct closing *first;
static unsigned int threads, idle;

static void *closer_main(void *unused);

static void start_locked(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (!pthread_create(&thread, &attributes, closer_main, NULL))
		threads++;
	pthread_attr_destroy(&attributes);
}

static void push(struct closing **list, struct closing *closing)
{
	closing->next = *list;
	*list = closing;
}

static struct closing *pop(struct closing **list)
{
	struct closing *closing = *list;

	if (closing)
		*list = closing->next;
	return closing;
}

/* One whose user may have another thread. Others wait for end_locked(). */
static struct closing *begin_locked(void)
{
	struct account_closing *of_user;
	struct closing *closing;

	while ((closing = pop(&first)) && closing->account) {
		of_user = account_closing(closing->account);
		if (of_user->threads < MAX_THREADS / PART_OF_THREADS) {
			of_user->threads++;
			break;
		}
		push(&of_user->waiting, closing);
	}
	return closing;
}

static void end_locked(struct account *account)
{
	struct account_closing *of_user = account_closing(account);
	struct closing *closing = pop(&of_user->waiting);

	of_user->threads--;
	if (closing)
		push(&first, closing);
}

/* The next one, or NULL: another thread waits for it. */
static struct closing *next_one(void)
{
	struct closing *closing;

	pthread_mutex_lock(&lock);
	while (!(closing = begin_locked()) && !idle) {
		idle++;
		pthread_cond_wait(&come, &lock);
		idle--;
	}
	if (!closing)
		threads--;
	/* This one may wait. */
	if (first && !idle && threads < MAX_THREADS)
		start_locked();
	pthread_mutex_unlock(&lock);
	return closing;
}

static void close_now(int fd, struct account *account)
{
	close(fd);
	if (account)
		account_end_close(account);
}

static void *closer_main(void *unused)
{
	struct closing *closing;

	while ((closing = next_one())) {
		close(closing->fd);
		if (closing->account) {
			pthread_mutex_lock(&lock);
			end_locked(closing->account);
			pthread_mutex_unlock(&lock);
			account_end_close(closing->account);
		}
		free(closing);
	}
	return unused;
}

void close_later(int fd, struct account *account)
{
	struct closing *closing = malloc(sizeof(*closing));
	bool is_queued;

	if (account)
		account_begin_close(account);
	if (!closing) {
		close_now(fd, account);
		return;
	}
	closing->fd = fd;
	closing->account = account;
	pthread_mutex_lock(&lock);
	if (!idle && threads < MAX_THREADS)
		start_locked();
	is_queued = threads;
	if (is_queued) {
		push(&first, closing);
		pthread_cond_signal(&come);
	}
	pthread_mutex_unlock(&lock);
	if (is_queued)
		return;
	close_now(fd, account);
	free(closing);
}

void socket_close(int socket)
{
	shutdown(socket, SHUT_RDWR);
	close_later(socket, NULL);
}
