/* SPDX-License-Identifier: MIT */
/*
 * What the whole-program tests share: a server in a process of its own, which
 * is the bus's manager, and a client's connection to it. No servicemanager is
 * needed; handle 0 is the server.
 */
#ifndef E2E_FIXTURE_H
#define E2E_FIXTURE_H

#include <check.h>
#include <ipc/ipc.h>
#include <stdbool.h>
#include <sys/types.h>

#include "e2e.ipc.h"

/* How the server serves. */
struct server_options {
	unsigned int threads;	/* of ipc_run(); 0: an epoll loop of its own */
	size_t region_size;	/* 0: the default */
	uid_t uid;		/* not 0: drops its rights to this user first */
	int (*prepare)(struct ipc *ipc); /* not NULL: instead of the usual object */
	int (*loop)(struct ipc *ipc); /* not NULL: instead of ipc_run() */
};

/* Starts the server and waits until it is there. */
pid_t start_server(const struct server_options *options);
/* The same with a server that prepare makes of a connection, on one thread. */
pid_t start_serving(int (*prepare)(struct ipc *ipc));
/* Kills it and waits for its end. */
void kill_server(pid_t pid);
/* Waits for its end: what waitpid() says. */
int wait_server(pid_t pid);

/* What its process does: opens, and serves until it is stopped. */
int open_server(const struct server_options *options, struct ipc **ret_ipc);
int serve_until_stop(const struct server_options *options, struct ipc *ipc);

/* The handlers of the server; object_new with them makes another one. */
extern const struct server_ops server_handlers;

/* How many calls of Hang the handlers hold on this connection. */
unsigned int local_hanging(struct ipc *ipc);
/* How many calls of Hung they have served. */
unsigned int local_asked(struct ipc *ipc);

/* A connection, and the server seen from it. */
struct client {
	struct ipc *ipc;
	struct server *server;
};

void client_open(struct client *client);
void client_close(struct client *client);

/* The number of an object, for messages. */
static inline uint64_t object_id(struct ipc_object *object)
{
	uint64_t id;

	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	return id;
}

/* A process that runs fn and must return 0. */
void run_child(int (*fn)(void *data), void *data);

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

int run_tests(const char *name, const TTest *const *tests, size_t n);

#define RUN_TESTS(name, ...)                                                                       \
	run_tests(name, (const TTest *const[]){ __VA_ARGS__ },                                     \
		  sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))

#endif /* E2E_FIXTURE_H */
