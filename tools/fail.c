// SPDX-License-Identifier: MIT
/*
 * Standard error: what failed, what to do about it, and the exit status that belongs to
 * it. With --json it is an object.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.h>

#include "ipcctl.h"
#include "text.h"

static const char *origin_of(const struct ipc_error *error)
{
	static const char *const names[] = {
		[IPC_ORIGIN_HERE] = "here",
		[IPC_ORIGIN_BUS] = "bus",
		[IPC_ORIGIN_PEER] = "service",
		[IPC_ORIGIN_BEHIND] = "behind",
	};

	return error && error->origin <= IPC_ORIGIN_BEHIND ? names[error->origin] : NULL;
}

void print_error(FILE *file, int status, const char *hint, const struct ipc_error *reported,
		 const char *text)
{
	const char *cause = reported && reported->cause ? ipc_strerror(reported->cause) : NULL;
	json_t *error;

	if (!ctl.json) {
		fprintf(file, "ipcctl: %s\n", text);
		if (hint)
			fprintf(file, "ipcctl: %s\n", hint);
		return;
	}
	error = json_pack("{s:s, s:i, s:s*, s:s*, s:s*}", "error", text, "status", status, "hint",
			  hint, "origin", origin_of(reported), "cause", cause);
	if (error)
		json_dumpf(error, file, JSON_COMPACT);
	fputs(error ? "\n" : "{\"error\":\"out of memory\"}\n", file);
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

int fail_status(int error)
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

const char *fail_root_hint(void)
{
	static char hint[512];

	/* sudo does not pass $IPCBUS_DEVICE on. */
	if (!strcmp(ctl_device(), "/dev/ipcbus"))
		return "run it as root: sudo ipcctl ...";
	snprintf(hint, sizeof(hint), "run it as root: sudo ipcctl --device %s ...", ctl_device());
	return hint;
}

const char *fail_hint(int error)
{
	switch (error) {
	case -ENOTCONN:
		return "start the service manager: systemctl start ipcbus-servicemanager, or: servicemanager &";
	case -EPERM:
		return fail_root_hint();
	case -EACCES:
		return "see which rule decides: sudo ipcctl policy check --user USER call NAME";
	case -EHOSTDOWN:
		return "thaw it: ipcctl thaw NAME";
	default:
		return NULL;
	}
}

int fail_errno(int error, const char *what)
{
	return fail_with(fail_status(error), fail_hint(error), "%s: %s", what, ipc_strerror(error));
}
