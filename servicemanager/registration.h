/* SPDX-License-Identifier: MIT */
/*
 * Registering and unregistering names: RegisterName() and UnregisterName().
 */
#ifndef SERVICEMANAGER_REGISTRATION_H
#define SERVICEMANAGER_REGISTRATION_H

#include "servicemanager.ipc.h"

struct manager;

int handle_register_name(struct ipc_call *call, const Ipc__Manager__RegisterNameRequest *request,
			 void *userdata);
int handle_unregister_name(struct ipc_call *call,
			   const Ipc__Manager__UnregisterNameRequest *request, void *userdata);

/* Ends the reservations whose time has come. Returns the timeout until the next call. */
int registrations_work(struct manager *manager);
/* Removes all names, without notifications. */
void registrations_end(struct manager *manager);

#endif /* SERVICEMANAGER_REGISTRATION_H */
