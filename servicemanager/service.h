/* SPDX-License-Identifier: MIT */
/*
 * The service behind handle 0: the handlers of servicemanager.proto over the
 * registry and the death watches of those who own names. One thread; main.c
 * runs it.
 */
#ifndef SERVICEMANAGER_SERVICE_H
#define SERVICEMANAGER_SERVICE_H

#include <stdbool.h>

#include <ipc/ipc.h>

#include "policy.h"

struct demands;
struct service;

/* Of two times to wait, of which -1 is no limit. */
static inline int earlier(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

struct service_options {
	/* What has to be watched besides the connection is put here; its events,
	 * which carry a pointer in data.ptr, go to service_event(). */
	int epoll;
	/* For so long who gets a missing name is kept waiting; longer while others
	 * still add theirs. */
	unsigned int settle_msec;
	bool verbose;
	/* Of the bus, for services that are started; NULL: the usual one. */
	const char *device;
	/* Stays the caller's, who may free it after the end or another one's set. */
	const struct policy *policy;
};

/* Becomes the bus's manager: see ipc_set_manager() for the errors. */
int service_new(struct ipc *ipc, const struct service_options *options,
		struct service **ret_service);

/* From now on this one holds, also for those who wait or watch already. */
void service_set_policy(struct service *service, const struct policy *policy);

/* Which services are started on demand; those of before are not any more. Takes them
 * out of the list. -ENOMEM: some are missing. */
int service_set_demands(struct service *service, struct demands *demands);

void service_event(struct service *service, void *data);

/* Does what is due, and says when to be called again: in so many milliseconds, or
 * -1: not for the sake of time. */
int service_work(struct service *service);

/* When this is true, service_room() is to be called once there is room: ipc_on_writable(). */
bool service_wants_room(const struct service *service);
void service_room(struct service *service);

/* Forgets all names; those who wait get an error. */
struct service *service_free(struct service *service);

#endif /* SERVICEMANAGER_SERVICE_H */
