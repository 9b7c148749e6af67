// SPDX-License-Identifier: MIT
/*
 * The deadline of a run, and signals that end it: see deadline.h.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "deadline.h"
#include "ipcctl.h"
#include "schema/text.h"

#define QUESTION_MS 5000

/* The complete message. It is replaced atomically, because the signal may arrive at any time. */
static char *volatile message;
static unsigned int limit_ms;
static uint64_t end_ns;
static volatile sig_atomic_t requested;

/* A signal handler may only write and exit. The driver ends the open calls. */
static void on_deadline(int signal)
{
	ssize_t n;

	(void)signal;
	n = message ? write(STDERR_FILENO, message, strlen(message)) : 0;
	(void)n;
	_exit(STATUS_TIMEOUT);
}

static void set_timer(uint64_t ns)
{
	uint64_t now = clock_ns(), usec = ns > now + 1000 ? (ns - now) / 1000 : 1;
	struct itimerval timer = { .it_value = { usec / 1000000, usec % 1000000 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

void deadline_set(unsigned int ms)
{
	struct sigaction action = { .sa_handler = on_deadline };
	sigset_t alarm;

	limit_ms = ms;
	end_ns = clock_ns() + (uint64_t)ms * 1000000;
	deadline_message(NULL, "ended by --timeout: not done");
	/* The parent process may have blocked the signal. */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	sigaction(SIGALRM, &action, NULL);
	set_timer(end_ns);
}

uint64_t deadline_question_usec(void)
{
	return (uint64_t)(ctl.timeout_ms ? ctl.timeout_ms : QUESTION_MS) * 1000;
}

bool deadline_begin(void)
{
	if (limit_ms || ctl.endless)
		return false;
	deadline_set(deadline_question_usec() / 1000);
	deadline_message("see ipcctl doctor", "the bus %s did not reply", ctl_bus_path());
	return true;
}

void deadline_end(bool begun)
{
	if (!begun)
		return;
	limit_ms = 0;
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

uint64_t deadline_delay(void)
{
	uint64_t now = clock_ns();

	if (!limit_ms)
		return UINT64_MAX;
	set_timer(end_ns + 1000 * DEADLINE_DELAY_USEC);
	return end_ns > now + 1000 ? (end_ns - now) / 1000 : 1;
}

void deadline_resume(void)
{
	if (limit_ms)
		set_timer(end_ns);
}

void deadline_message(const char *hint, const char *format, ...)
{
	char *old = message, *text = NULL, what[256], all[320];
	va_list args;
	FILE *file;
	size_t size;

	if (!limit_ms)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(all, sizeof(all), "%s within %u.%03u s", what, limit_ms / 1000, limit_ms % 1000);
	text_clean(all);
	file = open_memstream(&text, &size);
	if (!file)
		return;
	print_error(file, STATUS_TIMEOUT, hint, /* reported= */ NULL, all);
	if (fclose(file) == 0) {
		message = text;
		free(old);
	}
}

void count_ended(void)
{
	if (!ctl.json && isatty(STDERR_FILENO))
		fputs("ipcctl: ended by --count\n", stderr);
}

static struct ipc *running;

static void on_stop(int signal)
{
	(void)signal;
	ipc_stop(running);
}

void signals_stop(struct ipc *ipc)
{
	struct sigaction action = { .sa_handler = ipc ? on_stop : SIG_DFL };

	if (ipc)
		running = ipc;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void on_signal(int signal)
{
	(void)signal;
	requested = 1;
}

void signals_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool signal_arrived(void)
{
	return requested;
}
