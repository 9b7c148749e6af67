/* SPDX-License-Identifier: MIT */
/*
 * Shared by the cases of the client in C: checks, events, and the peer that they call.
 */
#ifndef TESTS_LANGUAGES_CONFORMANCE_CLIENT_H
#define TESTS_LANGUAGES_CONFORMANCE_CLIENT_H

#include <pthread.h>
#include <stdio.h>

#include <ipc/ipc.h>

#include "conform.ipc.h"
#include "versions.ipc.h"

/* Fails the case unless the condition holds. */
#define CHECK(condition)                                                             \
	do {                                                                         \
		if (!(condition)) {                                                  \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			return -1;                                                   \
		}                                                                    \
	} while (0)

/* Longer than any operation on a busy machine. */
#define LONG_USEC 60000000U

/* An event of another thread. It lives as long as the program. */
struct event {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int happened;
	int result;
};

#define EVENT_INIT { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 }

void event_set(struct event *event, int result);
/* Returns 0 when the event has happened, -1 after LONG_USEC. */
int event_wait(struct event *event);

struct bench {
	struct ipc *ipc;
	const char *name;
	struct peer *peer;
};

/* The numbers of the peer's handlers that wait, and that ended because they were canceled. */
int get_hangs(struct bench *bench, int64_t *ret_waiting, int64_t *ret_canceled);
int wait_for_hangs(struct bench *bench, int64_t waiting, int64_t canceled);
/* Waits until no handler of the peer waits. */
int wait_for_calm(struct bench *bench, int64_t *ret_canceled);

/* An object of this process: Ask() adds 1, Stay() waits. */
struct guest {
	struct ipc_object *object;
	struct event entered, left;
};

int guest_new(struct bench *bench, struct guest *guest);

/* Cases return 0, or -1 if they have failed. */
int test_fds(struct bench *bench);
int test_bytes(struct bench *bench);
int test_streams(struct bench *bench);
int test_deadlines(struct bench *bench);
int test_cancellation(struct bench *bench);
int test_versions(struct bench *bench);

#endif /* TESTS_LANGUAGES_CONFORMANCE_CLIENT_H */
