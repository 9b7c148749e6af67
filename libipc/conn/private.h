/* SPDX-License-Identifier: MIT */
/*
 * The connection from inside, and the library's locks.
 *
 * The library's folders, from the lowest. A file calls only files before it in LIBIPC_PARTS of
 * libipc/module.mk; files of a subject (streams, a side of channels, names) count as a single file.
 *   base/      headers for time, text and descriptors; map.c tables; wire.c the library's own
 *              messages
 *   shm/       shared memory: memfd.c sealed files; channel*.c cells, oneways and rings, and how
 *              threads wait for them. Only these files read the words of a peer.
 *   device/    device-socket.c, device-daemon.c and device-open.c ipcbusd; device.c the driver, and
 *              both behind one interface
 *   conn/      the connection: ipc.c locks, references and settings; find.c which bus a program
 *              opens; frame.c the parts of a message around its bytes; slot.c registrations of
 *              callbacks; pool.c the threads of ipc_run(); backlog.c deferred work for serving
 *              threads; writable.c senders that wait for space; timer.c timers of serving threads;
 *              generation.c the buses that a connection used; exchange.c the exchange; thread.c
 *              the state of a thread; route.h the route beside the bus
 *   core/      bytes, objects and fds, without protobuf: below
 *   channels/  direct channels, which fill the table of conn/route.h: route.c; channels.c shared
 *              by both sides; the client (channel-client.h): channel-client.c, channel-open.c,
 *              channel-send.c and channel-async.c; the server (channel-server.h):
 *              channel-server.c, channel-door.c, channel-serve.c, channel-oneways.c and turn.c,
 *              the order of oneways through the bus and through channels
 *   typed/     protobuf messages: see typed/typed.h
 *   open.c     opens and closes a connection, and connects the folders
 *
 * core/:
 *   error.c      errors and their texts
 *   object.c     objects and limits of users
 *   proxy.c      proxies and their watches
 *   entry.c      objects and fds <-> the driver's object table
 *   payload.c    messages that came as files
 *   cancel.c     calls and streams that depend on an owner, and end with it
 *   call.c       functions of handlers: reply, keep, identity of the caller
 *   watched.c    cancellation of served calls
 *   reply.c      replies and errors: from the event to the program's result
 *   async.c      async calls
 *   monitor.c    monitors of the bus
 *   dispatch.c   event -> object -> serve function of its type
 *   request.c    target, timeout and parent of every request; sending and waiting
 *   raw.c        calls, oneways and replies of bytes, for programs: <ipc/raw.h>
 *   more.c       batches of oneways
 *   stream.c, stream-*.c  streams: stream.h; stream-ring.c their messages through memory
 *   raw-stream.c and raw-object.c  streams and objects of bytes
 *   reconnect.c  reconnection after the end of the bus
 *   loop.c       the serving threads: wait for events and hand them to dispatch.c
 *
 * Locks. Never run a callback of the program under a lock, and never sleep, except in the driver's
 * short ioctls on nodes, watches and calls. Take them in this order:
 *
 *   stream->lock            a stream; held while it sends oneways
 *   channel->lock           the client's oneways of a channel; held while it sends oneways
 *   |                       by the bus
 *   connections lock (ipc.c)   all connections; their threads; the connection to which
 *   |                       a thread's state belongs
 *   ipc->lock               the tables of objects, proxies, watches and names
 *   |
 *   +- channels->lock       the tables of channels; no lock is taken under it, so drop no
 *   |                       reference and set no timer there
 *   +- ipc->pool.lock       the threads of ipc_run(); no lock is taken under it
 *
 * Beside them, the link to ipcbusd has locks of its own: device-link.h.
 *
 * fork() takes the connections lock, and ipc->lock and pool.lock of all connections, so that they
 * are free in the child. In the child the connection is *foreign*: only freeing memory works, and
 * it must take no other lock.
 */
#ifndef IPC_PRIVATE_H
#define IPC_PRIVATE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

/* The shared library exports only the declarations of the public headers. */
#pragma GCC visibility push(default)
#include <ipc/ipc.h>
#include <ipc/monitor.h>
#include <ipc/raw.h>
#pragma GCC visibility pop

#include "backlog.h"
#include "base/map.h"
#include "device/device.h"
#include "generation.h"
#include "pool.h"
#include "route.h"
#include "slot.h"
#include "timer.h"
#include "writable.h"

#define ATTEND_STOP	(1U << 0)	/* ipc_stop() */
#define ATTEND_WRITABLE	(1U << 1)	/* a sender waits for space */
#define ATTEND_POLL	(1U << 2)	/* for WRITABLE or TIMER: threads of ipc_run() must poll */
#define ATTEND_BACKLOG	(1U << 3)	/* there is work in the backlog */
#define ATTEND_TIMER	(1U << 4)	/* a timer is set */
#define ATTEND_LOST	(1U << 5)	/* the bus must be opened again: reconnect.c */

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

struct channels;
struct names;
struct thread;

/* The connection's calls of typed/name.c, which keeps the names. */
struct names_ops {
	/* The bus has a manager, perhaps a new manager. */
	void (*manager_came)(struct ipc *ipc);
	void (*bus_ended)(struct ipc *ipc);
	/* The connection was opened again. */
	void (*bus_came_back)(struct ipc *ipc);
	void (*close)(struct ipc *ipc);
	/* ipc_proxy_get() */
	int (*get)(struct ipc *ipc, const char *name, const char *interface,
		   struct ipc_proxy **ret_proxy);
};

struct ipc {
	atomic_uint refs;
	uint64_t id;			/* unique among all connections of this process, ever */
	_Atomic uint64_t generation;	/* initially id; a new number when the bus comes back;
	                            	 * GENERATION_LOST while it is away */
	void (*close)(struct ipc *ipc);	/* at the last reference: open.c */
	struct device device;
	char *path;			/* of the device */
	const struct names_ops *names_ops;
	struct names *_Atomic names;	/* of typed/, or NULL */
	bool foreign;			/* opened by the parent; written in fork() only */
	bool closing;			/* its device is closed, or soon; connections lock */
	unsigned int leaving;		/* threads that drop references of channels, for which
					 * the device stays open; connections lock */
	atomic_bool bus_ended;		/* a thread has noticed the end of the bus */
	atomic_uint attention;		/* ATTEND_*, for serving threads */
	_Atomic uint64_t space_asked;	/* when a thread last asked for space between messages */
	_Atomic uint64_t timeout_usec;	/* 0: none */
	_Atomic size_t message_max;	/* see ipc_set_message_max() */
	_Atomic size_t borrowed;	/* bytes of buffers into which replies point */
	int (*on_interrupt)(void *userdata);	/* see ipc_raw_set_interrupt(); NULL: none */
	void *interrupt_userdata;
	_Atomic uint64_t object_ends;	/* counts ended nodes of this process's objects;
					 * written under ipc->lock */
	_Atomic uint64_t forced_ends;	/* likewise, nodes that ipc_object_end() ended */
	struct pool pool;
	const struct route *route;	/* beside the bus: route.h */
	bool may_route;			/* messages may take the route: the connection may have
					 * channels */
	const uint32_t *monitors;	/* number of monitors of the bus, if may_route */
	bool channels_random;		/* for tests, with IPC_CHANNELS=random: a proxy has a
					 * channel from its first call on, and each call uses
					 * either the channel or the bus */
	atomic_uint n_rings;		/* of streams that this process serves */
	struct channels *_Atomic channels;	/* NULL until the first channel is opened */

	/* Under the connections lock. */
	LIST_ENTRY(ipc) link;
	LIST_HEAD(, thread) threads;
	LIST_HEAD(, ipc_object) ended;	/* memory that must be freed later: object.c */

	pthread_mutex_t lock;
	pthread_cond_t slot_left;	/* a callback of an ended slot returned: slot.c */
	/* Under ipc->lock. */
	uint64_t last_cookie;		/* of nodes, watches and watchers: never twice */
	LIST_HEAD(, ipc_object) objects;	/* all of them */
	struct map cookies;		/* cookie of a node -> object */
	struct map proxies;		/* handle -> proxy */
	LIST_HEAD(, ipc_proxy) lost_proxies;	/* that survived their bus: proxy.c */
	struct map watches;		/* cookie of a watch -> proxy */
	struct map calls;		/* number of a served call that is watched -> call */
	struct map asyncs;		/* id of an async call of ours -> struct async */
	struct ipc_object *manager;	/* kept alive by ipc_set_manager(), or NULL */
	struct writable writable;		/* senders that wait for space */
	struct backlog backlog;
	struct timers timers;
	struct reconnect reconnect;
	uint64_t (*closed_streams)[2];	/* cookies of the ends closed last: stream.c; or NULL */
	unsigned int next_closed;
	atomic_uint logged;		/* causes that log_failure() has logged */
	struct slots monitor;		/* where a monitor's records go: at most one slot */
};

/* A monitor must see all calls, so a monitored bus has no channels. */
static inline bool is_monitored(const struct ipc *ipc)
{
	return __atomic_load_n(ipc->monitors, __ATOMIC_RELAXED);
}

/* For tests, with channels_random: whether the next message uses the bus. */
bool route_chooses_bus(void);

/* Returns -EINVAL without a connection, -ECHILD in a forked child, or 0. */
static inline int ipc_check(const struct ipc *ipc)
{
	return !ipc ? -EINVAL : ipc->foreign ? -ECHILD : 0;
}

void connections_lock(void);
void connections_unlock(void);
/* Returns a number that no connection and no generation had before. Under the lock. */
uint64_t connections_next_id(void);

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

/* For a caller without a reference that knows that the memory is still valid. */
static inline bool refs_take_unless_none(atomic_uint *refs)
{
	unsigned int n = atomic_load_explicit(refs, memory_order_relaxed);

	while (n)
		if (atomic_compare_exchange_weak_explicit(refs, &n, n + 1, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

/* Returns true if that was the last reference. */
static inline bool refs_drop(atomic_uint *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

#endif /* IPC_PRIVATE_H */
