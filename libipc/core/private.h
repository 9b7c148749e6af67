/* SPDX-License-Identifier: MIT */
/*
 * The connection from inside, and the library's locks.
 *
 * core/ moves bytes, objects and fds and knows no protobuf. In the order in which a
 * call passes through its files:
 *   raw.c        calls, oneways and objects of bytes, for programs: <ipc/raw.h>
 *   request.c    target, time limit and parent of every request; sending and waiting; replies
 *   async.c      calls that nobody waits for
 *   entry.c      objects and fds <-> the driver's object table
 *   payload.c    messages that do not fit into the region, as files
 *   thread.c     the state of a thread for a connection; the exchange
 *   device.c     the driver; device-daemon.c, device-open.c and device-socket.c ipcbusd
 *   loop.c       the serving threads: wait for events and hand them to dispatch.c; more.c
 *                oneways that come together
 *   reconnect.c  the bus ends and comes back
 *   channel*.c   calls through memory that two processes share: channel.h, channel-server.h
 *   dispatch.c   event -> object -> whoever serves its kind
 *   call.c       what a handler does: reply, keep, find out who calls
 *   cancel.c     cancellation: of served calls, and of what depends on them
 * Beside that path: ipc.c the connection; object.c objects and what a user may hold of them;
 * proxy.c proxies and their watches; slot.c registrations of callbacks; error.c; map.c; monitor.c;
 * stream.c, stream-*.c and raw-stream.c streams; memfd.c files of memory; wire.c the few messages
 * of the library itself; writable.c senders that wait for space; backlog.c what is left to serving
 * threads; timer.c what they do at a time; frame.c the parts of a message around its bytes.
 *
 * typed/ adds messages: see typed/typed.h. It uses core/, which knows nothing of it.
 *
 * Locks. No callback of the user's runs and nothing sleeps under any of them,
 * but for the driver's short ioctls on nodes, watches and calls. In this order:
 *
 *   names lock (typed/)     registrations; held over calls of the manager, which calls
 *   |                       nobody while it serves
 *   connections lock (ipc.c)   all connections; each one's threads; which
 *   |                       connection a thread's state belongs to
 *   +- ipc->lock            the tables of objects, proxies, watches and names
 *   ipc->pool.lock          the threads of ipc_run(); nothing is taken under it
 *
 * fork() takes all but the first, so that the child finds them free; there the
 * connection is *foreign*: nothing but freeing memory works.
 */
#ifndef IPC_PRIVATE_H
#define IPC_PRIVATE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What the public headers declare is what the shared library exports. */
#pragma GCC visibility push(default)
#include <ipc/ipc.h>
#include <ipc/monitor.h>
#include <ipc/raw.h>
#pragma GCC visibility pop

#include "backlog.h"
#include "device.h"
#include "map.h"
#include "reconnect.h"
#include "timer.h"
#include "writable.h"

#define IPC_MAX_THREADS	1024

#define ATTEND_STOP	(1U << 0)	/* ipc_stop() */
#define ATTEND_WRITABLE	(1U << 1)	/* a sender waits for space */
#define ATTEND_POLL	(1U << 2)	/* serving threads have to poll for that, or a timer */
#define ATTEND_BACKLOG	(1U << 3)	/* there is work in the backlog */
#define ATTEND_TIMER	(1U << 4)	/* a timer is set */
#define ATTEND_LOST	(1U << 5)	/* the bus is to be opened again: reconnect.c */

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

struct channels;
struct thread;
struct pool_thread;

/* A thread that waits for a stream while others serve. */
struct pool_waiter {
	struct pool_waiter *next;
	struct pool_waiter **link;
	int fd;				/* an eventfd to wake it with */
};

/* The threads of ipc_run(). */
struct pool {
	pthread_mutex_t lock;
	unsigned int limit;		/* threads that may serve, ours and the callers' */
	unsigned int runners;		/* threads of the user's inside ipc_run() */
	unsigned int started;		/* threads that were started and not joined */
	unsigned int blocked;		/* threads in handlers that wait for a stream */
	struct pool_waiter *waiters;	/* to wake when nobody serves any more */
	int error;			/* why one of them ended, if not by ipc_stop() */
	struct pool_thread *threads;
	atomic_int stop_fd;		/* an eventfd for threads that poll, or -1 */
};

/* What stands on a connection: the names of typed/. */
struct upper {
	/* There is a manager, perhaps a new one. */
	void (*manager_came)(struct upper *upper);
	/* The bus has ended. */
	void (*bus_ended)(struct upper *upper);
	/* The connection was opened again. */
	void (*bus_came_back)(struct upper *upper);
	/* Finds the object of a name anew. */
	int (*find)(struct upper *upper, const char *name, const char *interface,
		    struct ipc_proxy **ret_proxy);
	/* The connection is closed: releases the objects, then the memory. */
	void (*close)(struct upper *upper);
};

struct ipc {
	atomic_uint refs;
	uint64_t id;			/* of all connections of this process, never twice */
	_Atomic uint64_t generation;	/* the same at first; another one whenever the bus has
					 * come back; GENERATION_LOST while it is away */
	struct device device;
	char *path;			/* of the device */
	struct upper *_Atomic upper;	/* or NULL */
	bool foreign;			/* opened by the parent; written in fork() only */
	bool closing;			/* its device is closed, or soon; connections lock */
	atomic_bool bus_ended;		/* the bus has ended, and a serving thread has noticed */
	atomic_uint attention;		/* ATTEND_*, for serving threads */
	_Atomic uint64_t timeout_usec;	/* 0: none */
	_Atomic size_t message_max;	/* bytes of a message that comes as a file, or a reply */
	_Atomic size_t borrowed;	/* bytes of buffers into which replies point */
	int (*on_interrupt)(void *userdata);	/* of a wait, or NULL; and its argument */
	void *interrupt_userdata;
	_Atomic uint64_t object_ends;	/* of nodes of our objects; written under ipc->lock */
	_Atomic uint64_t forced_ends;	/* likewise, of those that others may refer to */
	struct pool pool;
	const uint32_t *monitors;	/* of the bus, or NULL: no channels. From ipc_open() on */
	struct channels *_Atomic channels;	/* that others opened, or NULL */

	/* Under the connections lock. */
	struct ipc *next;
	struct thread *threads;
	struct ipc_object *ended;	/* memory that could not be freed: object.c */

	pthread_mutex_t lock;
	pthread_cond_t slot_left;	/* a callback of an ended slot returned: slot.c */
	/* Under ipc->lock. */
	uint64_t last_cookie;		/* of nodes, watches and watchers: never twice */
	struct ipc_object *objects;	/* all of them */
	struct map nodes;		/* node -> object */
	struct map cookies;		/* cookie of a node -> object */
	struct map proxies;		/* handle -> proxy */
	struct ipc_proxy *lost_proxies;	/* those that survived their bus: proxy.c */
	struct map watches;		/* cookie of a watch -> proxy */
	struct map calls;		/* number of a served call that is watched -> call */
	struct map asyncs;		/* id of an async call of ours -> struct async */
	struct ipc_object *manager;	/* what ipc_set_manager() keeps alive */
	struct writable writable;		/* who waits for space */
	struct backlog backlog;
	struct timers timers;
	struct reconnect reconnect;
	uint64_t (*closed_streams)[2];	/* cookies of the ends closed last: stream.c; or NULL */
	unsigned int next_closed;
	struct ipc_slot *monitor;		/* where a monitor's records go, or NULL */
};

/* Returns -EINVAL without a connection, -ECHILD in a forked child, or 0. */
static inline int ipc_check(const struct ipc *ipc)
{
	return !ipc ? -EINVAL : ipc->foreign ? -ECHILD : 0;
}

void connections_lock(void);
void connections_unlock(void);

static inline void ipc_lock(struct ipc *ipc)
{
	pthread_mutex_lock(&ipc->lock);
}

static inline void ipc_unlock(struct ipc *ipc)
{
	pthread_mutex_unlock(&ipc->lock);
}

static inline uint64_t ipc_next_cookie_locked(struct ipc *ipc)
{
	return ++ipc->last_cookie;
}

static inline uint64_t ipc_next_cookie(struct ipc *ipc)
{
	uint64_t cookie;

	ipc_lock(ipc);
	cookie = ipc_next_cookie_locked(ipc);
	ipc_unlock(ipc);
	return cookie;
}

/* Drops a reference unless it is the last, which needs a lock to drop. */
static inline bool refs_drop_unless_last(atomic_uint *refs)
{
	unsigned int n = atomic_load_explicit(refs, memory_order_relaxed);

	while (n > 1)
		if (atomic_compare_exchange_weak_explicit(refs, &n, n - 1, memory_order_release,
							  memory_order_relaxed))
			return true;
	return false;
}

static inline void refs_take(atomic_uint *refs)
{
	atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* For somebody without a reference, who knows that the memory is still there. */
static inline bool refs_take_unless_none(atomic_uint *refs)
{
	unsigned int n = atomic_load_explicit(refs, memory_order_relaxed);

	while (n)
		if (atomic_compare_exchange_weak_explicit(refs, &n, n + 1, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

/* True if that was the last. */
static inline bool refs_drop(atomic_uint *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

#endif /* IPC_PRIVATE_H */
