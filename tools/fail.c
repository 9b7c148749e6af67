// SPDX-License-Identifier: MIT
/*
 * Errors on standard error: the failure and a hint, with --json an object. Also the exit status.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "ipcctl.h"
#include "schema/json.h"
#include "process.h"
#include "schema/text.h"

static const char *origin_of(const struct ipc_error *error)
{
	static const char *const names[] = {
		[IPC_ORIGIN_HERE] = "here",
		[IPC_ORIGIN_BUS] = "bus",
		[IPC_ORIGIN_PEER] = "peer",
		[IPC_ORIGIN_BEHIND] = "behind",
	};

	return error && error->origin <= IPC_ORIGIN_BEHIND ? names[error->origin] : NULL;
}

void print_error(FILE *file, int status, const char *hint, const struct ipc_error *reported,
		 const char *text)
{
	json_t *error;

	if (!ctl.json) {
		fprintf(file, "ipcctl: %s\n", text);
		if (hint)
			fprintf(file, "ipcctl: %s\n", hint);
		return;
	}
	error = json_pack("{s:s, s:i, s:s*, s:s*}", "message", text, "status", status, "hint", hint,
			  "origin", origin_of(reported));
	if (error && reported)
		json_object_update_new(error, error_json(reported));
	if (error)
		json_dumpf(error, file, JSON_COMPACT);
	fputs(error ? "\n" : "{\"message\":\"out of memory\"}\n", file);
	json_decref(error);
}

static int fail_text(int status, const char *hint, const struct ipc_error *reported,
		     const char *format, va_list args)
{
	char *text;
	int n;

	fflush(stdout);
	n = vasprintf(&text, format, args);
	if (n >= 0)
		text_clean(text);
	print_error(stderr, status, hint, reported, n < 0 ? "out of memory" : text);
	if (n >= 0)
		free(text);
	return status;
}

int fail_with(int status, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_text(status, hint, /* reported= */ NULL, format, args);
	va_end(args);
	return status;
}

int fail_reported(int status, const char *hint, const struct ipc_error *reported,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_text(status, hint, reported, format, args);
	va_end(args);
	return status;
}

int fail_memory(void)
{
	return fail_with(STATUS_FAILED, NULL, "out of memory");
}

static int fail_status(int error)
{
	switch (error) {
	case -ENOENT:
	case -ESRCH:
	case -EOPNOTSUPP:
		return STATUS_NOT_FOUND;
	case -ENOTCONN:
		return STATUS_NO_MANAGER;
	case -EPERM:
	case -EACCES:
		return STATUS_DENIED;
	case -ETIMEDOUT:
		return STATUS_TIMEOUT;
	case -EREMOTEIO:
		return STATUS_REMOTE;
	case -EOWNERDEAD:
	case -EHOSTDOWN:
		return STATUS_GONE;
	default:
		return STATUS_FAILED;
	}
}

/* Returns the beginning of a command that runs as root for this bus. sudo does not pass on
 * $IPCBUS_BUS. */
static const char *as_root(char *command, size_t size)
{
	bool is_default = !strcmp(ctl_bus_path(), "/dev/ipcbus");

	snprintf(command, size, "sudo ipcctl%s%s", is_default ? "" : " --bus ",
		 is_default ? "" : ctl_bus_path());
	return command;
}

bool may_read_state(void)
{
	struct stat st;

	return !geteuid() || (ctl_bus()->kind == IPC_BUS_DAEMON && stat(ctl_bus_path(), &st) == 0 &&
			      st.st_uid == geteuid());
}

const char *fail_root_hint(void)
{
	static char hint[640];
	char command[512], user[64];
	struct stat st;

	as_root(command, sizeof(command));
	snprintf(hint, sizeof(hint), "run it as root: %s ...", command);
	/* The socket of a bus belongs to the user who runs its daemon. */
	if (ctl_bus()->kind != IPC_BUS_DAEMON || stat(ctl_bus_path(), &st) < 0 || !st.st_uid ||
	    st.st_uid == geteuid())
		return hint;
	user_name(st.st_uid, user, sizeof(user));
	snprintf(hint, sizeof(hint), "run it as user %s, who runs ipcbusd, or as root: %s ...", user,
		 command);
	return hint;
}

static const char *fail_manager_hint(void)
{
	static char hint[512];

	if (ctl_bus()->kind != IPC_BUS_DAEMON)
		return "start the service manager: systemctl start ipcbus-servicemanager, or: "
		       "servicemanager &";
	snprintf(hint, sizeof(hint), "start the service manager: servicemanager --bus %s &",
		 ctl_bus_path());
	return hint;
}

/* what: the name of a service, or another text with a space in it */
static const char *name_for_hint(const char *what)
{
	return strchr(what, ' ') ? "NAME" : what;
}

static const char *thaw_hint(const char *what)
{
	static char hint[192];

	snprintf(hint, sizeof(hint), "thaw it: ipcctl thaw %s", name_for_hint(what));
	return hint;
}

static const char *policy_hint(const char *what)
{
	static char hint[1024];
	char command[512], user[64];

	user_name(geteuid(), user, sizeof(user));
	snprintf(hint, sizeof(hint), "see which rule decides: %s policy check --user %s find %s, and "
		 "the same with call", geteuid() ? as_root(command, sizeof(command)) : "ipcctl", user,
		 name_for_hint(what));
	return hint;
}

static const char *fail_hint(int error, const char *what)
{
	switch (error) {
	case -ENOTCONN:
		return fail_manager_hint();
	case -EPERM:
		return fail_root_hint();
	case -EACCES:
		return policy_hint(what);
	case -EHOSTDOWN:
		return thaw_hint(what);
	case -EHOSTUNREACH:
		return "the log of the service manager has more";
	default:
		return NULL;
	}
}

int fail_errno(int error, const char *what)
{
	return fail_call(error, /* reported= */ NULL, what);
}

int fail_call(int error, const struct ipc_error *reported, const char *what)
{
	char text[IPC_ERROR_TEXT_MAX];

	return fail_reported(fail_status(error), fail_hint(error, what), reported, "%s: %s", what,
			     ipc_error_text(text, sizeof(text), error, reported));
}

int fail_manager(int error, const struct ipc_error *reported)
{
	if (error == -EOWNERDEAD || error == -ENOTCONN)
		return fail_reported(fail_status(-ENOTCONN), fail_manager_hint(), reported, "%s",
				     ipc_strerror(-ENOTCONN));
	if (error == -ETIMEDOUT)
		return fail_reported(STATUS_TIMEOUT, "it may be stopped (SIGSTOP); see ipcctl doctor",
				     reported, "the service manager did not reply in time");
	return fail_call(error, reported, "the service manager");
}

int fail_not_on_bus(int pid)
{
	return fail_with(STATUS_NOT_FOUND,
			 may_read_state() ? "ipcctl stats lists the connections to the bus" :
					    "ipcctl list shows the processes of services",
			 "process %d is not on the bus %s", pid, ctl_bus_path());
}

int fail_no_bus(int error)
{
	const struct ctl_bus *bus = ctl_bus();
	char hint[512];

	snprintf(hint, sizeof(hint), "start it: ipcbusd --bus %s; or see ipcctl doctor", bus->path);
	if (error == -ECONNREFUSED)
		return fail_with(STATUS_NO_BUS, hint, "no ipcbusd listens at %s: it has ended",
				 bus->path);
	if (bus->reason != IPC_BUS_BY_ENVIRONMENT && bus->reason != IPC_BUS_BY_ARGUMENT)
		return fail_with(STATUS_NO_BUS,
				 "load the driver: modprobe ipcbus; or run ipcbusd, which needs no "
				 "module; or see ipcctl doctor",
				 "no bus: there is neither /dev/ipcbus nor a socket of ipcbusd");
	return fail_with(STATUS_NO_BUS, hint, "no bus at %s, which %s names", bus->path,
			 bus->reason == IPC_BUS_BY_ENVIRONMENT ? "IPCBUS_BUS" : "--bus");
}
