// SPDX-License-Identifier: MIT
/*
 * Which bus a program opens. Without a path, all programs of a user find the same bus: the
 * environment's, the kernel's, or a daemon's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "find.h"

#define DEVICE_PATH	"/dev/ipcbus"
#define DAEMON_PATH	"/run/ipcbus/bus"

/* Fills in the path of the socket of this user's daemon. False: it does not exist. */
static bool find_own_daemon(char *path, size_t size)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	int n = runtime ? snprintf(path, size, "%s/ipcbus/bus", runtime) : -1;

	return n > 0 && (size_t)n < size && !access(path, F_OK);
}

const char *bus_choose(const char *bus, char *path, size_t size, enum ipc_bus_reason *ret_reason)
{
	const char *variable;

	*ret_reason = IPC_BUS_BY_ARGUMENT;
	if (bus && *bus)
		return bus;
	/* An empty path is the default, whatever the environment says. */
	variable = bus ? NULL : secure_getenv("IPCBUS_BUS");
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
	/* Opening then fails with the error of the bus. */
	*ret_reason = IPC_BUS_NOT_FOUND;
	return DEVICE_PATH;
}

/* If the path cannot be examined, it may be a bus. Opening it then fails with the reason. */
static enum ipc_bus_kind kind_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? IPC_BUS_NONE : IPC_BUS_UNKNOWN;
	return S_ISSOCK(st.st_mode) ? IPC_BUS_DAEMON :
	       S_ISCHR(st.st_mode)  ? IPC_BUS_DEVICE :
				      IPC_BUS_UNKNOWN;
}

/* Meanings of errnos for opening a bus, because those of ipc_strerror() are about calls. Other
 * errnos have the system's text. */
static const struct {
	int code;
	const char *meaning;
} open_meanings[] = {
	{ ENOENT, "there is no bus" },
	{ EACCES, "its permissions do not let this user open it" },
	{ EPROTO, "it is not a socket of ipcbusd, or ipcbusd has another protocol version" },
	{ EINVAL, "the size of the region must be a multiple of the page size, up to 1 GiB" },
	{ ECONNREFUSED, "no daemon runs the bus: it has ended" },
	{ ECONNRESET, "ipcbusd ended, or closed the connection, before the bus was open" },
	{ EPIPE, "ipcbusd ended, or closed the connection, before the bus was open" },
	{ ETIMEDOUT, "ipcbusd does not reply: it is stopped or overloaded" },
	{ EAGAIN, "ipcbusd does not accept connections at the moment" },
	{ ENOTTY, "the path is not a bus" },
	{ EISDIR, "the path is a folder, not a bus" },
	{ ESRCH, "ipcbusd cannot see this process: it runs in another PID namespace" },
	{ EOVERFLOW, "this user is not mapped into the user namespace of ipcbusd" },
	{ EDQUOT, "this user has too many connections, or too many files or memory in them" },
	{ ENOSPC, "ipcbusd, or the system, has reached a limit, such as fs.epoll.max_user_watches" },
	{ ENOMEM, "this process, or ipcbusd, has no memory, or ipcbusd may start no other thread" },
	{ EFBIG, "the memory of a connection exceeds the limit of file sizes of ipcbusd, "
		 "RLIMIT_FSIZE (ulimit -f)" },
	{ EMFILE, "this process has no free file descriptor; raise RLIMIT_NOFILE (ulimit -n)" },
	{ ENFILE, "ipcbusd, or the system, has no free file descriptor; raise RLIMIT_NOFILE of "
		  "ipcbusd" },
};

static const char *open_meaning(int code)
{
	for (size_t i = 0; i < sizeof(open_meanings) / sizeof(open_meanings[0]); i++)
		if (open_meanings[i].code == abs(code))
			return open_meanings[i].meaning;
	return strerrordesc_np(abs(code)) ?: "unknown error";
}

char *ipc_open_error_text(char *to, size_t size, const char *bus, int code)
{
	enum ipc_bus_reason reason;
	char found[PATH_MAX];
	const char *path = bus_choose(bus, found, sizeof(found), &reason);
	bool is_gone = code == -ENOENT || code == -ECONNREFUSED;
	bool may_be_device = code == -ENOENT && !strcmp(path, DEVICE_PATH);

	snprintf(to, size, "cannot open the bus %s%s: %s%s%s", path,
		 reason == IPC_BUS_BY_ENVIRONMENT ? ", which IPCBUS_BUS names" :
		 reason == IPC_BUS_NOT_FOUND	  ? ", and no ipcbusd was found" :
						    "",
		 open_meaning(code),
		 may_be_device	 ? "; start ipcbusd, or load the driver: modprobe ipcbus" :
		 is_gone	 ? "; start it: ipcbusd --bus " :
		 code == -EINVAL ? "" :
				   "; see ipcctl doctor",
		 is_gone && !may_be_device ? path : "");
	return to;
}

int ipc_print_open_error(const char *bus, int code)
{
	char text[IPC_ERROR_TEXT_MAX];

	fprintf(stderr, "%s\n", ipc_open_error_text(text, sizeof(text), bus, code));
	return 1;
}

int ipc_find_bus(const char *bus, char **ret_path, enum ipc_bus_kind *ret_kind,
		 enum ipc_bus_reason *ret_reason)
{
	enum ipc_bus_reason reason;
	char found[PATH_MAX], *path;

	if (!ret_path)
		return -EINVAL;
	path = strdup(bus_choose(bus, found, sizeof(found), &reason));
	if (!path)
		return -ENOMEM;
	*ret_path = path;
	if (ret_kind)
		*ret_kind = kind_of(path);
	if (ret_reason)
		*ret_reason = reason;
	return 0;
}

int ipc_wait_manager(const char *bus, uint64_t timeout_usec)
{
	enum ipc_bus_reason reason;
	char path[PATH_MAX];

	return device_wait_manager(bus_choose(bus, path, sizeof(path), &reason), timeout_usec);
}

int ipc_open_state(const char *bus, const char *name)
{
	enum ipc_bus_reason reason;
	char path[PATH_MAX];

	if (!name)
		return -EINVAL;
	return device_open_state(bus_choose(bus, path, sizeof(path), &reason), name);
}
