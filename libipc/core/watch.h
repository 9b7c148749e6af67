/* SPDX-License-Identifier: MIT */
/*
 * Watches of proxies, for death and freezing. A proxy with watchers has one watch of the
 * driver.
 *
 * Each watcher remembers the driver's watch under which it was added. The DEAD event calls
 * and drops the watchers of its own watch. A watcher that is added later makes a new watch,
 * which fires at once if the object is dead.
 */
#ifndef IPC_WATCH_H
#define IPC_WATCH_H

#include "slot.h"

/* The owner of what is watched was frozen or thawed; count orders the events. */
void watch_freeze_changed(struct ipc *ipc, uint64_t cookie, bool frozen, uint32_t count);
/* The driver's watch with this cookie has fired. */
void watch_died(struct ipc *ipc, uint64_t cookie);
/* The bus has ended, and with it all that is watched. */
void watches_died(struct ipc *ipc);
/* Ends a proxy's watchers without calling them: its connection is closed. */
void watches_close(struct ipc_proxy *proxy);

#endif /* IPC_WATCH_H */
