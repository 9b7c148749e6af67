/* SPDX-License-Identifier: MIT */
/*
 * Proxies: objects of other processes, a proxy for each handle in use.
 *
 * The driver counts a handle: each message with it adds 1. A proxy collects the counts that arrive
 * while it lives, and puts all counts when its last reference is dropped. Puts and deliveries may
 * cross each other:
 *
 *   A: last reference of P gone         B: a message brings the same handle
 *   takes P out of the table (locked)
 *                                       finds no proxy, makes Q with count 1
 *   puts P's n counts                   (driver: n + 1 - n, the handle stays)
 *
 * If B's message is delivered after A's put, the driver has forgotten the handle, and B gets a new
 * handle, perhaps with the same number. If B looks at its message before A takes the lock, B finds
 * P and revives it; for that reason the last reference is dropped under the lock. P and Q never
 * have users at the same time, so equal objects have equal proxies.
 *
 * When the bus ends and comes back (reconnect.c), each proxy but the manager's loses its handle. A
 * lost proxy with a name gets the handle of another proxy of the new bus, its *target*. Only then
 * do two proxies stand for the same object. Watchers of a lost proxy are on the list of its target.
 *
 * A proxy with watchers has at most one driver's watch at a time. Each watcher holds a reference,
 * so no watcher is left when the counts are put. Each watcher remembers the driver's watch under
 * which it was added. The DEAD event calls and drops the watchers of its own watch. A watcher that
 * is added later makes a new watch, which fires at once if the object is dead.
 */
#ifndef IPC_PROXY_H
#define IPC_PROXY_H

#include "conn/private.h"

struct channel;

#define MANAGER_HANDLE	0
/* Handle of a proxy whose bus has ended. The driver never uses this number. */
#define LOST_HANDLE	UINT32_MAX

/* Calls of a proxy before it gets a channel, if the server answers at once. */
#define CHANNEL_AFTER 16U
/* The number of calls of a proxy that gets none. */
#define CHANNEL_NEVER 0x80000000U

struct ipc_proxy {
	atomic_uint refs;
	struct ipc *ipc;		/* NULL: closed before the last reference went */
	_Atomic uint32_t handle;
	_Atomic uint64_t timeout_usec;	/* 0: none */
	struct channel *_Atomic channel;	/* or NULL */
	struct channel *_Atomic opening;	/* whose set-up can go on, or NULL */
	atomic_uint calls;		/* calls and oneways until it gets a channel */
	atomic_uint refusals;		/* of a channel */
	atomic_uint died;		/* the owner's death is known; a private futex */
	/* Under ipc->lock. */
	struct proxy_name *name;	/* name under which it was found, or NULL. Set once */
	bool is_lost;			/* in ipc->lost_proxies, and not in ipc->proxies */
	LIST_ENTRY(ipc_proxy) lost;
	struct ipc_proxy *target;	/* of a lost proxy: the new proxy, with a reference; or
	                         	 * NULL */
	uint64_t generation;		/* of counts */
	uint32_t counts;		/* the driver's, to be put */
	uint64_t watch;			/* cookie of the driver's watch, or 0 */
	struct slots watchers;
};

/*
 * Returns the proxy of a handle that has just arrived, with a reference. Takes ownership of the
 * count, also when it fails (-ENOMEM). entry is the address of the handle's entry, or NULL. If
 * entry is in the region of an earlier bus, the proxy is dead.
 */
int proxy_arrived_at(struct ipc *ipc, uint32_t handle, const void *entry,
		     struct ipc_proxy **ret_proxy);

/* Makes the service manager's proxy, in no table and in the caller's memory. It never gets a
 * channel. */
void proxy_init_manager(struct ipc_proxy *proxy, struct ipc *ipc);
/* For a connection that survives its bus: remembers the name under which the proxy was found. */
int proxy_set_name(struct ipc_proxy *proxy, const char *name, const char *interface);
/*
 * For a proxy whose handle is LOST_HANDLE: looks up its name again, which blocks. Fails with
 * -EOWNERDEAD if the proxy has no name, and with the errors of ipc_proxy_get().
 */
int proxy_renew(struct ipc_proxy *proxy);

/* Requests the report of the owner's death in proxy->died, and to channels_client_died(), until the
 * proxy is freed. The bus reports it by an event, which any thread of the connection may take.
 * Fails with -EOWNERDEAD if it has been reported. */
int proxy_watch(struct ipc_proxy *proxy);
/* The calling thread has learned of the owner's death: wakes the waiters, and takes back an event
 * that no thread has taken. */
void proxy_set_died(struct ipc_proxy *proxy);

/* The bus has ended: moves the handles out of the tables. */
void proxies_lost(struct ipc *ipc);
void proxies_close(struct ipc *ipc);

/* Reports the death behind the driver's watch with this cookie. */
void watch_died(struct ipc *ipc, uint64_t cookie);
/* Reports the death of all watched objects after the end of the bus. */
void watches_died(struct ipc *ipc);

#endif /* IPC_PROXY_H */
