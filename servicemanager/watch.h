/* SPDX-License-Identifier: MIT */
/*
 * Watches of names: Watch(), Unwatch(), and the notifications that follow.
 */
#ifndef SERVICEMANAGER_WATCH_H
#define SERVICEMANAGER_WATCH_H

#include "servicemanager.ipc.h"

struct manager;

int handle_watch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request, void *userdata);
int handle_unwatch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		   void *userdata);

/* The name was registered, replaced or removed. */
void watch_changed(struct manager *manager, const char *name);
/* The policy changed: replays to each watcher what that user may see now. */
void watch_policy_changed(struct manager *manager);
/* Notifies those who are behind, also those whose receiver had no space. */
void watch_continue(struct manager *manager);
/* Does what is due. Returns the timeout until the next call. */
int watch_work(struct manager *manager);
void watch_end(struct manager *manager);

#endif /* SERVICEMANAGER_WATCH_H */
