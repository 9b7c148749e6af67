/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait for a name. Their callers get the object once it is there, or the
 * error for which it cannot be had.
 */
#ifndef SERVICEMANAGER_WAITER_H
#define SERVICEMANAGER_WAITER_H

#include "caller.h"
#include "registry.h"

struct manager;
struct owner;

struct waiter {
	struct registry_waiter entry;
	struct manager *manager;
	char interface[REGISTRY_INTERFACE_MAX + 1]; /* wanted; empty: any */
	struct caller caller;
	bool get; /* Get(), not Wait() */
	struct ipc_call *call;
	struct ipc_slot *on_cancel;
};

/* What a call asks for. */
struct wanted {
	struct ipc_call *call;
	const char *name;
	const char *interface; /* empty: any */
	bool get;	       /* Get(), not Wait() */
	bool hidden;	       /* the policy hides the name from the caller */
	struct caller caller;
};

/* The call stays open until one of the functions below ends it. Takes the caller out of
 * *wanted on success. -EMSGSIZE: the request is too large to be kept; -ENOMEM. If the
 * user has too many waiting calls, the reply is sent and says so. */
int waiter_add(struct manager *manager, struct wanted *wanted);

/* Is there a waiter for the name that the policy lets have it? */
bool waiters_exist(const struct manager *manager, const char *name);

/* Hands the object to those who wait for the owner's name and may have it. */
void waiters_reply(struct manager *manager, const struct owner *owner,
		   const struct ipc_proxy *object);

/* Ends the calls that wait for the name, or of these only the Get() calls, with that error. */
void waiters_fail(struct manager *manager, const char *name, bool gets_only, int code,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Ends all calls that wait: servicemanager exits. */
void waiters_end(struct manager *manager);

#endif /* SERVICEMANAGER_WAITER_H */
