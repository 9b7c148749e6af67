// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closes what strangers sent. close() may wait as long as they like, for a socket with SO_LINGER or
 * a file of theirs in FUSE. So threads close that do nothing else: one, and one more whenever all
 * wait.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define MAX_THREADS 512
#define STACK_SIZE  (64UL << 10)

struct closing {
	struct closing *next;
	int fd;
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

/* The next one, or NULL: another thread waits for it. */
static struct closing *next_one(void)
{
	struct closing *closing;

	pthread_mutex_lock(&lock);
	while (!first && !idle) {
		idle++;
		pthread_cond_wait(&come, &lock);
		idle--;
	}
	closing = first;
	if (closing)
		first = closing->next;
	else
		threads--;
	/* This one may wait. */
	if (first && !idle && threads < MAX_THREADS)
		start_locked();
	pthread_mutex_unlock(&lock);
	return closing;
}

static void *closer_main(void *unused)
{
	struct closing *closing;

	while ((closing = next_one())) {
		close(closing->fd);
		free(closing);
	}
	return unused;
}

void close_later(int fd)
{
	struct closing *closing = malloc(sizeof(*closing));
	bool is_queued;

	if (!closing) {
		close(fd);
		return;
	}
	closing->fd = fd;
	pthread_mutex_lock(&lock);
	if (!idle && threads < MAX_THREADS)
		start_locked();
	is_queued = threads;
	if (is_queued) {
		closing->next = first;
		first = closing;
		pthread_cond_signal(&come);
	}
	pthread_mutex_unlock(&lock);
	if (is_queued)
		return;
	close(fd);
	free(closing);
}

void socket_close(int socket)
{
	shutdown(socket, SHUT_RDWR);
	close_later(socket);
}
