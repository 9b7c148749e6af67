/* SPDX-License-Identifier: MIT */
/* The threads of ipc_run(). */
#ifndef IPC_POOL_H
#define IPC_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ipc;
struct pool_thread;
struct thread;

#define IPC_MAX_THREADS	1024

struct pool {
	int (*serve)(struct ipc *ipc);	/* of pool_enter() */
	pthread_mutex_t lock;
	/* Written under the lock: */
	atomic_uint limit;		/* threads that may serve, started here or by the program */
	atomic_uint runners;		/* threads of the program in ipc_run() */
	atomic_uint started;		/* threads that were started and not joined */
	/* Without it: */
	atomic_uint idle;		/* threads of ipc_run() that look or wait for work, or have
					 * been started for it */
	atomic_uint polling;		/* of these, the threads that poll, not for channels */
	atomic_bool loops;		/* a thread has called ipc_process(). Stays set: the
					 * program's loop may sleep for as long as it likes */
	unsigned int blocked;		/* threads in handlers that wait for a stream */
	int error;			/* why a thread ended, if not by ipc_stop() */
	struct pool_thread *threads;
	int stop_fd;			/* an eventfd, readable after ipc_stop() until a thread
					 * enters ipc_run() */
};

/* Returns 0 or -errno. */
int pool_init(struct pool *pool);
void pool_done(struct pool *pool);
/* Starts another thread if none is idle and the limit of ipc_run() allows it. */
void pool_grow(struct ipc *ipc);

/* Whether a thread is in ipc_run(), and was not told to stop. */
bool pool_serves(struct ipc *ipc);
/*
 * This thread is in a handler or callback and is about to wait for a stream, so it does not serve
 * until its outermost handler has returned. Another thread must serve, and is started if needed.
 * Returns -EDEADLK if no thread would serve, and -ESHUTDOWN after ipc_stop().
 */
int pool_block(struct thread *t);
/* The outermost handler or callback of a thread that pool_block() has counted returned. */
void pool_unblock(struct thread *t);

/* A thread enters ipc_run(). Threads that are started call serve, which returns at ipc_stop(): 0,
 * or -errno. */
void pool_enter(struct ipc *ipc, int (*serve)(struct ipc *ipc));
/* It leaves ipc_run(), with the result r of serving. Returns the result of ipc_run(). */
int pool_leave(struct ipc *ipc, int r);

#endif /* IPC_POOL_H */
