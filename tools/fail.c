// SPDX-License-Identifier: MIT
/*
 * Standard error: what failed, what to do about it, and the exit status that belongs to
 * it. With --json it is an object.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.h>

#include "ipcctl.h"

struct ctl ctl;

void print_error(FILE *file, int status, const char *hint, const char *text)
{
	json_t *error;

	if (!ctl.json) {
		fprintf(file, "ipcctl: %s\n", text);
		if (hint)
			fprintf(file, "ipcctl: %s\n", hint);
		return;
	}
	error = json_pack("{s:s, s:i, s:s*}", "error", text, "status", status, "hint", hint);
	if (error)
		json_dumpf(error, file, JSON_COMPACT);
	fputs(error ? "\n" : "{\"error\":\"out of memory\"}\n", file);
	json_decref(error);
}

int fail_with(int status, const char *hint, const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	fflush(stdout);
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	print_error(stderr, status, hint, n < 0 ? "out of memory" : text);
	if (n >= 0)
		free(text);
	return status;
}

int fail_memory(void)
{
	return fail_with(STATUS_FAILED, NULL, "out of memory");
}

static int status_of(int error)
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

static const char *hint_of(int error)
{
	switch (error) {
	case -ENOTCONN:
		return "start the service manager: systemctl start ipcbus-servicemanager, or: servicemanager &";
	case -EPERM:
	case -EACCES:
		return "run it as root: sudo ipcctl ...";
	case -EHOSTDOWN:
		return "the service is frozen; thaw it: ipcctl thaw NAME";
	default:
		return NULL;
	}
}

int fail_errno(int error, const char *what)
{
	return fail_with(status_of(error), hint_of(error), "%s: %s", what, ipc_strerror(error));
}

int parse_number(const char *what, const char *text, unsigned long min, unsigned long max,
		 unsigned long *ret_number)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || number < min || number > max)
		return fail_with(STATUS_USAGE, NULL,
				 "%s takes a number from %lu to %lu, not \"%s\"", what, min, max,
				 text);
	*ret_number = number;
	return 0;
}

int parse_seconds(const char *what, const char *text, unsigned int *ret_ms)
{
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || *end || !(seconds >= 0.001) || seconds > 86400)
		return fail_with(STATUS_USAGE, NULL,
				 "%s takes seconds from 0.001 to 86400, not \"%s\"", what, text);
	/* 0.1 may be stored as a little less. */
	*ret_ms = (unsigned long)(seconds * 1000000 + 1) / 1000;
	return 0;
}
