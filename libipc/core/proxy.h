/* SPDX-License-Identifier: MIT */
/*
 * Proxies: other processes' objects, one for each handle that is in use.
 *
 * The driver counts a handle: each message with it adds one. A proxy collects the counts that
 * arrive while it lives, and puts all of them when its last reference goes. Puts and
 * deliveries may cross each other:
 *
 *   A: last reference of P gone         B: a message brings the same handle
 *   takes P out of the table (locked)
 *                                       finds none, makes Q with count 1
 *   puts P's n counts                   (driver: n + 1 - n, the handle stays)
 *
 * If B's message is delivered after A's put, the driver has forgotten the handle, and B's is
 * a new one, perhaps with the same number. If B looks at its message before A takes the lock,
 * B finds P and revives it; for that reason the last reference is dropped under the lock. P
 * and Q never have users at the same time, so equal objects have equal proxies.
 *
 * When the bus ends and comes back (reconnect.c), each proxy but the manager's loses its handle. A
 * proxy with a name gets the handle of another proxy of the new bus, its *target*: equal objects
 * have equal proxies except for those that survived the bus. Watchers of such a proxy are on the
 * list of the target.
 *
 * A proxy with watchers, for death and freezing, has one watch of the driver. Each watcher holds a
 * reference: there is none left when the counts are put. Each watcher remembers the driver's watch
 * under which it was added. The DEAD event calls and drops the watchers of its own watch. A watcher
 * that is added later makes a new watch, which fires at once if the object is dead.
 */
#ifndef IPC_PROXY_H
#define IPC_PROXY_H

#include "slot.h"

struct channel;

#define MANAGER_HANDLE	0
/* Of a proxy whose bus has ended. The driver has no such handle. */
#define LOST_HANDLE	UINT32_MAX

struct ipc_proxy {
	atomic_uint refs;
	struct ipc *ipc;		/* NULL: closed before the last reference went */
	_Atomic uint32_t handle;
	_Atomic uint64_t timeout_usec;	/* 0: none */
	struct channel *_Atomic channel;	/* or NULL */
	atomic_uint calls;		/* until it gets one */
	/* Under ipc->lock. */
	struct proxy_name *name;	/* where it was found, or NULL. Set once */
	struct ipc_proxy *next_lost;	/* in ipc->lost_proxies, and not in ipc->proxies */
	struct ipc_proxy **link_lost;	/* NULL: the other way round */
	struct ipc_proxy *target;	/* of a lost one: for which it stands, with a reference; or
					 * NULL */
	uint64_t generation;		/* of counts */
	uint32_t counts;		/* the driver's, to be put */
	uint64_t watch;			/* cookie of the driver's watch, or 0 */
	bool watch_frozen;		/* that reports freezing too */
	uint32_t freeze_count;		/* of its last such event */
	struct ipc_slot *watchers;
};

/*
 * The proxy of a handle that has just arrived, with a reference. Takes the
 * count over, also when it fails (-ENOMEM). entry is the place of the handle, or NULL. If that is
 * in the region of an earlier bus, the proxy is dead.
 */
int proxy_arrived_at(struct ipc *ipc, uint32_t handle, const void *entry,
		     struct ipc_proxy **ret_proxy);
static inline int proxy_arrived(struct ipc *ipc, uint32_t handle, struct ipc_proxy **ret_proxy)
{
	return proxy_arrived_at(ipc, handle, NULL, ret_proxy);
}

/* For a connection that survives its bus: remembers the name under which the proxy was found. */
int proxy_set_name(struct ipc_proxy *proxy, const char *name, const char *interface);
/*
 * For a proxy whose handle is LOST_HANDLE: finds its name again, which blocks. Fails with
 * -EOWNERDEAD if it has none, with -ENOTCONN if nobody has registered the name, and with the errors
 * of ipc_proxy_get().
 */
int proxy_renew(struct ipc_proxy *proxy);

void proxies_close(struct ipc *ipc);

/* The owner of what is watched was frozen or thawed; count orders the events. */
void watch_freeze_changed(struct ipc *ipc, uint64_t cookie, bool frozen, uint32_t count);
/* The driver's watch with this cookie has fired. */
void watch_died(struct ipc *ipc, uint64_t cookie);
/* The bus has ended, and with it all that is watched. */
void watches_died(struct ipc *ipc);

#endif /* IPC_PROXY_H */
