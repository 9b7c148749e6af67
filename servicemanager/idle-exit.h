/* SPDX-License-Identifier: MIT */
/*
 * Names whose service exits when nobody has its object: Provide() and IdleExit().
 */
#ifndef SERVICEMANAGER_IDLE_EXIT_H
#define SERVICEMANAGER_IDLE_EXIT_H

#include <stdint.h>

#include "servicemanager.ipc.h"

struct manager;
struct owner;

int handle_provide(struct ipc_call *call, const Ipc__Manager__ProvideRequest *request,
		   void *userdata);
int handle_idle_exit(struct ipc_call *call, const Ipc__Manager__IdleExitRequest *request,
		     void *userdata);

/* A random number for Provide(), never 0. */
int idle_exit_cookie(uint64_t *ret_cookie);
/* The name was registered, or its owner registered it again and does not exit. */
void idle_exit_registered(struct manager *manager, struct owner *owner);
/* Notifies the Provider if somebody waits for the name. */
void idle_exit_wanted(struct manager *manager, struct owner *owner);

#endif /* SERVICEMANAGER_IDLE_EXIT_H */
