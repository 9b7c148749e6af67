// SPDX-License-Identifier: MIT
/*
 * Where the bus is. A program that is given no path finds the same bus as all others of its
 * user: the environment's, the kernel's, or a daemon's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"

#define DEVICE_PATH	"/dev/ipcbus"
#define DAEMON_PATH	"/run/ipcbus/bus"

/* Where a daemon of this user listens, if there is one. */
static bool find_own_daemon(char *path, size_t size)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	int n = runtime ? snprintf(path, size, "%s/ipcbus/bus", runtime) : -1;

	return n > 0 && (size_t)n < size && !access(path, F_OK);
}

const char *bus_choose(const char *device, char *path, size_t size,
		       enum ipc_bus_reason *ret_reason)
{
	const char *variable;

	*ret_reason = IPC_BUS_BY_ARGUMENT;
	if (device && *device)
		return device;
	/* An empty path is the default, whatever the environment says. */
	variable = device ? NULL : secure_getenv("IPCBUS_DEVICE");
	*ret_reason = IPC_BUS_BY_ENVIRONMENT;
	if (variable && *variable)
		return variable;
	*ret_reason = IPC_BUS_BY_DEVICE;
	if (!access(DEVICE_PATH, F_OK))
		return DEVICE_PATH;
	*ret_reason = IPC_BUS_BY_USER_DAEMON;
	if (find_own_daemon(path, size))
		return path;
	*ret_reason = IPC_BUS_BY_SYSTEM_DAEMON;
	if (!access(DAEMON_PATH, F_OK))
		return DAEMON_PATH;
	/* The error of opening is then the device's. */
	*ret_reason = IPC_BUS_NOT_FOUND;
	return DEVICE_PATH;
}

/* What is there. What cannot be looked at may be a device: opening it says why not. */
static enum ipc_bus_kind kind_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? IPC_BUS_NONE : IPC_BUS_UNKNOWN;
	return S_ISSOCK(st.st_mode) ? IPC_BUS_DAEMON :
	       S_ISCHR(st.st_mode)  ? IPC_BUS_DEVICE :
				      IPC_BUS_UNKNOWN;
}

int ipc_fail_open(const char *device, int code)
{
	enum ipc_bus_reason reason;
	char found[PATH_MAX], what[PATH_MAX + 64];
	const char *path = bus_choose(device, found, sizeof(found), &reason);

	snprintf(what, sizeof(what), "open %s%s", path,
		 reason == IPC_BUS_BY_ENVIRONMENT ? ", which IPCBUS_DEVICE names" :
		 reason == IPC_BUS_NOT_FOUND	  ? ", and no ipcbusd was found" :
						    "");
	return ipc_fail(what, code, NULL);
}

int ipc_find_bus(const char *device, char **ret_path, enum ipc_bus_kind *ret_kind,
		 enum ipc_bus_reason *ret_reason)
{
	enum ipc_bus_reason reason;
	char found[PATH_MAX], *path;

	if (!ret_path)
		return -EINVAL;
	path = strdup(bus_choose(device, found, sizeof(found), &reason));
	if (!path)
		return -ENOMEM;
	*ret_path = path;
	if (ret_kind)
		*ret_kind = kind_of(path);
	if (ret_reason)
		*ret_reason = reason;
	return 0;
}
