/* SPDX-License-Identifier: MIT */
/*
 * The service manager: the object behind handle 0 of a bus, with the methods of
 * servicemanager.proto. daemon.c runs it, on one thread.
 */
#ifndef SERVICEMANAGER_MANAGER_H
#define SERVICEMANAGER_MANAGER_H

#include <stdbool.h>

#include <ipc/ipc.h>

#include "policy.h"

struct manager;
struct log_copy;

/* What reading the files again came to. */
struct manager_reload {
	size_t rules, services; /* that are in force now */
	bool policy_refused, services_refused;
};

struct manager_options {
	/* The manager adds to this epoll what it waits for besides the bus. The data.ptr of
	 * an event is a struct source. */
	int epoll;
	/* For this long, Get() waits for a name that nobody has: its owner may be about to
	 * register it again. The time grows while others still do so. */
	unsigned int settle_msec;
	bool verbose;
	/* The bus, for services that the manager starts; NULL: the default one. */
	const char *device;
	/* Stays the caller's, who may free it after manager_free(), or after another
	 * policy was set. */
	const struct policy *policy;
	/* For Reload(): reads the files again, and calls manager_set_policy(). */
	void (*reload)(struct manager_reload *ret_reload, void *userdata);
	void *userdata;
	/* What was wrong when the files were last read, and whether the policy was
	 * refused then. Both stay the caller's. */
	const struct log_copy *problems;
	const bool *outdated;
};

/* Becomes the manager of the bus. -ENOMEM, or an error of ipc_set_manager(). */
int manager_new(struct ipc *ipc, const struct manager_options *options,
		struct manager **ret_manager);

/* Applies the policy from now on, also to callers that wait or watch already. */
void manager_set_policy(struct manager *manager, const struct policy *policy);

/* Does what is due. Returns after how many milliseconds it must be called again, or -1
 * for no limit. */
int manager_work(struct manager *manager);

/* While this is true, manager_writable() must be called once a sender may try again: see
 * ipc_on_writable(). */
bool manager_wants_writable(const struct manager *manager);
void manager_writable(struct manager *manager);

/* Forgets all names. Calls that wait end with an error. */
struct manager *manager_free(struct manager *manager);

#endif /* SERVICEMANAGER_MANAGER_H */
