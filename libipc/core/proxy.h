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
 * A proxy with watchers, for death and freezing, has one watch of the driver. Each watcher holds a
 * reference: there is none left when the counts are put. Each watcher remembers the driver's watch
 * under which it was added. The DEAD event calls and drops the watchers of its own watch. A watcher
 * that is added later makes a new watch, which fires at once if the object is dead.
 */
#ifndef IPC_PROXY_H
#define IPC_PROXY_H

#include "slot.h"

#define MANAGER_HANDLE	0

struct ipc_proxy {
	atomic_uint refs;
	struct ipc *ipc;		/* NULL: closed before the last reference went */
	uint32_t handle;
	_Atomic uint64_t timeout_usec;	/* 0: none */
	/* Under ipc->lock. */
	uint32_t counts;		/* the driver's, to be put */
	uint64_t watch;			/* cookie of the driver's watch, or 0 */
	bool watch_frozen;		/* that reports freezing too */
	uint32_t freeze_count;		/* of its last such event */
	struct ipc_slot *watchers;
};

/*
 * The proxy of a handle that has just arrived, with a reference. Takes the
 * count over, also when it fails (-ENOMEM).
 */
int proxy_arrived(struct ipc *ipc, uint32_t handle, struct ipc_proxy **ret_proxy);

void proxies_close(struct ipc *ipc);

/* The owner of what is watched was frozen or thawed; count orders the events. */
void watch_freeze_changed(struct ipc *ipc, uint64_t cookie, bool frozen, uint32_t count);
/* The driver's watch with this cookie has fired. */
void watch_died(struct ipc *ipc, uint64_t cookie);
/* The bus has ended, and with it all that is watched. */
void watches_died(struct ipc *ipc);

#endif /* IPC_PROXY_H */
