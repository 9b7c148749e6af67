/* SPDX-License-Identifier: MIT */
/*
 * The dumps of many services, for ipcctl dump --all.
 */
#ifndef IPCCTL_DUMPS_H
#define IPCCTL_DUMPS_H

#include <jansson.h>

#include <ipc/ipc.h>

/* Gets the dump of a service: how that ended, an enum status, and what the service wrote and what
 * went wrong. Both texts have been cleaned. Returns an enum status; an error ends it all. */
typedef int (*dumps_put)(const char *name, int status, const char *text, void *userdata);

/* Asks the services of the rows (bus_list()), 32 at a time, and puts their dumps in the order of
 * the rows. Each has the time of a question. Once a process did not reply in that time, its other
 * services are not asked any more. Of a dump it keeps a MiB. Takes over the reference of the
 * connection. Reports what went wrong on this side, and returns an enum status. */
int dumps_take(struct ipc *ipc, const json_t *rows, dumps_put put, void *userdata);

#endif
