/* SPDX-License-Identifier: MIT */
/*
 * What the manager keeps, for the files that serve its methods. From below to above:
 *
 *   registry.c, policy.c   names and rules: pure, they know no connection
 *   caller.c, access.c     who calls, and what the policy allows them
 *   reply.c                replies that several handlers send
 *   waiter.c               calls that wait for a name
 *   unit.c, activation.c   starting the service of a name
 *   idle-exit.c            names whose service exits when nobody has its object
 *   lookup.c               getting, awaiting and checking names
 *   listing.c              listing names
 *   watch.c                notifying those who watch names
 *   registration.c         registering and unregistering names
 *   administration.c       what only root and our user may: the policy, reading it again
 *   manager.c              the object behind handle 0, made of all these
 *
 * A file calls those above it in this list, never one below; tests/suite/static/calls
 * checks that. All of it belongs to one thread.
 */
#ifndef SERVICEMANAGER_PRIVATE_H
#define SERVICEMANAGER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <ipc/ipc.h>

#include "clock.h"
#include "log.h"
#include "registry.h"
#include "source.h"

struct activation;
struct manager_reload;
struct policy;

struct manager {
	struct ipc *ipc;
	const char *device;	  /* path of the bus; NULL: the default one */
	struct registry *registry;
	const struct policy *policy;
	void (*reload)(struct manager_reload *ret_reload, void *userdata);
	void *userdata;
	const struct log_copy *problems; /* of reload; NULL: it is not known */
	const bool *outdated;
	struct ipc_object *object;
	struct activation *activations;
	uint64_t started_at;
	uint64_t settled_at; /* a name that is missing then is missing */
	uint64_t expire_at;  /* the next reservation; 0: there is none */
	bool settled;
	bool wants_writable;   /* a watch is behind: its receiver has no space */
	bool wants_time;       /* a watch is behind for lack of another resource */
	bool wants_turn;       /* a watch is behind: NAMES_AT_ONCE was reached */
	unsigned int notified; /* names, in this turn of the loop */
	int epoll;
	bool verbose;
};

/* The process that registered a name, and the object or Provider that it registered. */
struct owner {
	struct registry_entry entry;
	struct manager *manager;
	struct ipc_proxy *proxy;
	struct ipc_slot *death;
	uint64_t cookie; /* for Provide(); not 0: the proxy is a Provider */
	bool asked;	 /* the Provider was notified that somebody wants the object */
	bool exiting;	 /* it called IdleExit() */
};

static inline struct owner *owner_of(struct registry_entry *entry)
{
	return container_of(entry, struct owner, entry);
}

/* With --verbose. */
#define log_verbose(manager, ...) ((manager)->verbose ? log_line(__VA_ARGS__) : (void)0)

#endif /* SERVICEMANAGER_PRIVATE_H */
