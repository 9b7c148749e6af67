/* SPDX-License-Identifier: MIT */
/*
 * The service behind handle 0: the handlers of servicemanager.proto over the
 * registry, the death watches of those who own names and the pidfds of those
 * who wait for one. One thread; main.c runs it.
 */
#ifndef SERVICEMANAGER_SERVICE_H
#define SERVICEMANAGER_SERVICE_H

#include <stdbool.h>

#include <ipc/ipc.h>

struct service;

/*
 * Becomes the bus's manager (see ipc_set_manager() for the errors). What has to
 * be watched besides the connection is put into the epoll by the service; its
 * events, which carry a pointer in data.ptr, go to service_event().
 */
int service_new(struct ipc *ipc, int epoll, bool verbose, struct service **ret_service);
void service_event(struct service *service, void *data);

/* Forgets all names; those who wait get an error. */
struct service *service_free(struct service *service);

#endif /* SERVICEMANAGER_SERVICE_H */
