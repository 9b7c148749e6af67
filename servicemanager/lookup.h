/* SPDX-License-Identifier: MIT */
/*
 * Looking names up: Get(), Wait() and Check().
 */
#ifndef SERVICEMANAGER_LOOKUP_H
#define SERVICEMANAGER_LOOKUP_H

#include "servicemanager.ipc.h"

struct manager;
struct owner;

int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata);
int handle_wait(struct ipc_call *call, const Ipc__Manager__WaitRequest *request, void *userdata);
int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request, void *userdata);

/* The name was registered: those who wait for it get its object. */
void lookup_registered(struct manager *manager, struct owner *owner);
/* The policy changed: those who wait may now have the name. */
void lookup_policy_changed(struct manager *manager);
/* From now on a missing name is missing: ends the Get() calls that wait for one. */
void lookup_settle(struct manager *manager);

#endif /* SERVICEMANAGER_LOOKUP_H */
