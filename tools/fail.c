// SPDX-License-Identifier: MIT
/*
 * What goes to standard error: what is wrong, how to right it, and the exit
 * status that belongs to it. With --json it is an object.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "ipcctl.h"

struct ctl ctl;

static void say(int status, const char *hint, const char *text)
{
	json_t *error;

	if (!ctl.json) {
		fprintf(stderr, "ipcctl: %s\n", text);
		if (hint)
			fprintf(stderr, "ipcctl: %s\n", hint);
		return;
	}
	error = json_pack("{s:s, s:i, s:s*}", "error", text, "status", status, "hint", hint);
	if (error)
		json_dumpf(error, stderr, JSON_COMPACT);
	fputs(error ? "\n" : "{\"error\":\"out of memory\"}\n", stderr);
	json_decref(error);
}

int complain(int status, const char *hint, const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	fflush(stdout);
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	say(status, hint, n < 0 ? "out of memory" : text);
	if (n >= 0)
		free(text);
	return status;
}

int fail_memory(void)
{
	return complain(STATUS_FAILED, NULL, "out of memory");
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
		return "start one: servicemanager, or systemctl start ipcbus-servicemanager";
	case -EPERM:
	case -EACCES:
		return "try it as root: sudo ipcctl ...";
	case -EHOSTDOWN:
		return "thaw it: ipcctl thaw PID";
	default:
		return NULL;
	}
}

int fail_errno(int error, const char *what)
{
	return complain(status_of(error), hint_of(error), "%s: %s", what, ipc_strerror(error));
}

int parse_number(const char *what, const char *text, unsigned long min, unsigned long max,
		 unsigned long *ret_number)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || number < min || number > max)
		return complain(STATUS_USAGE, NULL, "%s is a number from %lu to %lu, not \"%s\"", what,
			    min, max, text);
	*ret_number = number;
	return 0;
}

int parse_seconds(const char *what, const char *text, unsigned int *ret_ms)
{
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || *end || !(seconds >= 0.001) || seconds > 86400)
		return complain(STATUS_USAGE, NULL, "%s is seconds, 0.001 to 86400, not \"%s\"", what,
			    text);
	/* A tenth may be a little less than a tenth. */
	*ret_ms = (unsigned long)(seconds * 1000000 + 1) / 1000;
	return 0;
}

/* --- The time that --timeout gave ------------------------------------------------ */

static char late[128];

/* A signal handler: nothing but write and end. Calls that are open end with us. */
static void on_deadline(int signal)
{
	ssize_t n;

	(void)signal;
	n = write(STDERR_FILENO, late, strlen(late));
	(void)n;
	_exit(STATUS_TIMEOUT);
}

void deadline_start(unsigned int ms)
{
	struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	struct sigaction action = { .sa_handler = on_deadline };
	const char *format = "ipcctl: not done within %u.%03u s\n";

	if (ctl.json)
		format = "{\"error\":\"not done within %u.%03u s\",\"status\":7}\n";
	snprintf(late, sizeof(late), format, ms / 1000, ms % 1000);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}
