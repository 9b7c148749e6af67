/* SPDX-License-Identifier: MIT */
/*
 * The fixture of the whole-program tests: a server in its own process, which is the bus's manager,
 * and a client's connection to it. No servicemanager is needed: handle 0 is the server.
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
	unsigned int threads;	/* of ipc_run(); 0: its own epoll loop */
	size_t region_size;	/* 0: the default */
	uid_t uid;		/* not 0: switches to this user first */
	int (*prepare)(struct ipc *ipc); /* not NULL: instead of the usual object */
	int (*loop)(struct ipc *ipc); /* not NULL: instead of ipc_run() */
};

/* Starts the server and waits until it is ready. */
pid_t start_server(const struct server_options *options);
/* The same with a single thread and a server that @prepare adds to a connection. */
pid_t start_serving(int (*prepare)(struct ipc *ipc));
/* Kills the server and waits for its end. */
void kill_server(pid_t pid);
/* Waits for the server's end. Returns the status from waitpid(). */
int wait_server(pid_t pid);

/* The main functions of the server's process: open, and serve until it is stopped. */
int open_server(const struct server_options *options, struct ipc **ret_ipc);
int serve_until_stop(const struct server_options *options, struct ipc *ipc);

/* The handlers of the server, for further objects by object_new. */
extern const struct server_ops server_handlers;

/* Returns the number of Hang calls that the handlers hold on this connection. */
unsigned int local_hanging(struct ipc *ipc);
/* Returns the number of Hung calls that the handlers have served. */
unsigned int local_asked(struct ipc *ipc);

/* A connection, and its proxy for the server. */
struct client {
	struct ipc *ipc;
	struct server *server;
	pid_t pid; /* of the server that client_start() started */
};

void client_open(struct client *client);
void client_close(struct client *client);

extern const struct server_options one_thread;
/* A server and its client. They end with the case, or the server ends earlier. */
extern struct client client;
void client_start(const struct server_options *options);
void client_kill_server(void);
/* Called by run_tests() after each case. */
void client_end(void);

/* Returns the number by which messages identify an object. */
static inline uint64_t object_id(struct ipc_object *object)
{
	uint64_t id;

	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	return id;
}

/* Runs @fn in a child process. It must return 0. */
void run_child(int (*fn)(void *data), void *data);

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

int run_tests(const char *name, const TTest *const *tests, size_t n);

#define RUN_TESTS(name, ...)                                                                       \
	run_tests(name, (const TTest *const[]){ __VA_ARGS__ },                                     \
		  sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))

#endif /* E2E_FIXTURE_H */
