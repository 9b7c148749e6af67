// SPDX-License-Identifier: MIT
/*
 * The bus and its manager: see bus.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "ipcctl.h"
#include "process.h"
#include "schema.h"
#include "servicemanager.ipc.h"

const char *ctl_device(void)
{
	const char *device = ctl.device ? ctl.device : getenv("IPCBUS_DEVICE");

	return device && *device ? device : "/dev/ipcbus";
}

int bus_open(struct ipc **ret_ipc)
{
	return bus_open_sized(ret_ipc, IPC_REGION_DEFAULT);
}

int bus_open_sized(struct ipc **ret_ipc, size_t region_size)
{
	int r = ipc_open_sized(ret_ipc, ctl_device(), region_size);

	switch (r) {
	case 0:
		return STATUS_OK;
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return fail_with(STATUS_NO_BUS,
				 "load the module: modprobe ipcbus; ipcctl doctor says more",
				 "there is no bus %s", ctl_device());
	case -EACCES:
	case -EPERM:
		return fail_with(STATUS_DENIED,
				 "become a member of its group; ipcctl doctor says which",
				 "you may not open the bus %s", ctl_device());
	case -ENOTTY:
		return fail_with(STATUS_NO_BUS, NULL, "%s is no bus", ctl_device());
	default:
		return fail_with(STATUS_FAILED, "ipcctl doctor may say more", "the bus %s: %s",
				 ctl_device(), ipc_strerror(r));
	}
}

int bus_manager(struct ipc **ret_ipc, struct service_manager **ret_manager)
{
	struct ipc_proxy *proxy;
	struct ipc *ipc;
	int status, r;

	status = bus_open(&ipc);
	if (status)
		return status;
	r = ipc_get_manager(ipc, &proxy);
	if (r < 0) {
		ipc_unref(ipc);
		return fail_errno(r, "the service manager");
	}
	*ret_ipc = ipc;
	*ret_manager = service_manager_from_proxy(proxy);
	return STATUS_OK;
}

/* --- Names ---------------------------------------------------------------------- */

static json_t *row_new(const Ipc__Manager__Entry *entry)
{
	char process[64], unit[256], user[64];

	process_name(entry->pid, process, sizeof(process));
	process_unit(entry->pid, unit, sizeof(unit));
	user_name(entry->uid, user, sizeof(user));
	return json_pack("{s:s, s:i, s:s%, s:s, s:i, s:s, s:s}", "name", entry->name, "pid",
			 (int)entry->pid, "process", process, strlen(process), "unit", unit, "uid",
			 (int)entry->uid, "user", user, "interface", entry->interface);
}

static json_t *rows_new(const Ipc__Manager__ListReply *reply)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < reply->n_entries; i++) {
		if (json_array_append_new(rows, row_new(reply->entries[i])) < 0) {
			json_decref(rows);
			rows = NULL;
		}
	}
	return rows;
}

int bus_list(struct service_manager *manager, const char *prefix, json_t **ret_rows)
{
	ipc_auto(service_manager_list_reply_free) Ipc__Manager__ListReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	int r;

	request.prefix = (char *)prefix;
	r = service_manager_list(manager, &request, &reply, &error);
	if (r == -EOWNERDEAD)
		r = -ENOTCONN;
	if (r < 0)
		return fail_errno(r, error.message ? error.message : "the service manager");
	*ret_rows = rows_new(reply);
	return *ret_rows ? STATUS_OK : fail_memory();
}

json_t *bus_row(const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(json_string_value(json_object_get(row, "name")), name))
			return row;
	return NULL;
}

static int nobody(const char *name)
{
	return fail_with(STATUS_NOT_FOUND, "ipcctl list shows what there is",
			 "no service is named %s", name);
}

int bus_proxy(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	/* Whoever may have registered as that, it is the manager. */
	return strcmp(name, "servicemanager") ? ipc_get_name(ipc, name, ret_proxy) :
						ipc_get_manager(ipc, ret_proxy);
}

int bus_find(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	int r = bus_proxy(ipc, name, ret_proxy);

	if (r == -EINVAL)
		return fail_with(STATUS_USAGE,
				 "a name is 1 to 127 letters, digits and any of _ . / -",
				 "\"%s\" is no name", name);
	if (r == -ENOENT)
		return nobody(name);
	return r < 0 ? fail_errno(r, name) : STATUS_OK;
}

int bus_describe(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy,
		 struct schema **ret_schema)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	int status, r;

	status = bus_find(ipc, name, &proxy);
	if (status)
		return status;
	r = schema_introspect(proxy, ret_schema, &error);
	if (r == -ENOENT || r == -EBADMSG || r == -EOPNOTSUPP)
		return fail_with(STATUS_NOT_FOUND, "it may be made with an older protoc-gen-ipc",
				 "%s does not describe itself", name);
	if (r < 0)
		return fail_errno(r, name);
	*ret_proxy = proxy;
	proxy = NULL;
	return STATUS_OK;
}

static int find_pid(const char *name, pid_t *ret_pid)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL, *row;
	int status;

	status = bus_manager(&ipc, &manager);
	if (!status)
		status = bus_list(manager, name, &rows);
	if (status)
		return status;
	row = bus_row(rows, name);
	*ret_pid = json_integer_value(json_object_get(row, "pid"));
	json_decref(rows);
	if (row && !*ret_pid)
		return fail_with(STATUS_NOT_FOUND, "name it by its pid",
				 "the process of %s cannot be seen by the service manager", name);
	return row ? STATUS_OK : nobody(name);
}

int bus_process(const char *who, pid_t *ret_pid)
{
	unsigned long number;
	int status;

	if (!*who || who[strspn(who, "0123456789")])
		return find_pid(who, ret_pid);
	status = parse_number("a pid", who, 1, 1 << 22, &number);
	if (!status)
		*ret_pid = number;
	return status;
}
