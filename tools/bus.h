/* SPDX-License-Identifier: MIT */
/*
 * A connection to the bus that the options name, its manager, and the names that
 * the manager knows. Each function says itself what went wrong and returns an
 * enum status.
 */
#ifndef IPCCTL_BUS_H
#define IPCCTL_BUS_H

#include <jansson.h>
#include <sys/types.h>

#include <ipc/ipc.h>

struct schema;
struct service_manager;

int bus_open(struct ipc **ret_ipc);
int bus_open_sized(struct ipc **ret_ipc, size_t region_size);

/* Opens, too. The manager is the caller's to unref. */
int bus_manager(struct ipc **ret_ipc, struct service_manager **ret_manager);

/* The services whose names begin with prefix: an array of objects with name, pid,
 * process, unit, uid, user, interface. */
int bus_list(struct service_manager *manager, const char *prefix, json_t **ret_rows);

/* The proxy of a name; "servicemanager" is the manager. Returns -errno. */
int bus_proxy(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy);

/* The same, as a status. */
int bus_find(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy);

/* The same, with what it says of itself. */
int bus_describe(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy,
		 struct schema **ret_schema);

/* The process of who registered a name, or of a number: "PID or NAME". */
int bus_process(const char *who, pid_t *ret_pid);

/* The row of a service in the array of bus_list(), borrowed. */
json_t *bus_row(const json_t *rows, const char *name);

#endif
