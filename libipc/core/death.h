/* SPDX-License-Identifier: MIT */
/*
 * Watches for death and freezing: one of the driver's for each proxy that has
 * watchers.
 *
 * Each watcher remembers under which of the driver's watches it was added. The
 * DEAD event calls and drops those of its own watch; a watcher that is added
 * from then on makes a new watch, which fires at once if the object is dead.
 */
#ifndef IPC_DEATH_H
#define IPC_DEATH_H

#include "private.h"

/* The owner of what is watched was frozen or thawed; count orders the events. */
void freeze_fire(struct ipc *ipc, uint64_t cookie, bool frozen, uint32_t count);
/* The driver's watch with this cookie has fired. */
void death_fire(struct ipc *ipc, uint64_t cookie);
/* Forgets a proxy's watchers without calling them: its connection is closed. */
void watchers_drop(struct ipc_proxy *proxy);

#endif /* IPC_DEATH_H */
