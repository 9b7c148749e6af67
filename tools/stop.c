// SPDX-License-Identifier: MIT
/*
 * Deadline, signals and the clock: see stop.h.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "ipcctl.h"
#include "stop.h"

static char timeout_message[128];
static volatile sig_atomic_t requested;

/* A signal handler may only write and exit. The driver ends calls that are still open. */
static void on_deadline(int signal)
{
	ssize_t n;

	(void)signal;
	n = write(STDERR_FILENO, timeout_message, strlen(timeout_message));
	(void)n;
	_exit(STATUS_TIMEOUT);
}

void stop_after(unsigned int ms)
{
	struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	struct sigaction action = { .sa_handler = on_deadline };
	const char *format = "ipcctl: not done within %u.%03u s (--timeout)\n";

	if (ctl.json)
		format = "{\"error\":\"not done within %u.%03u s (--timeout)\",\"status\":7}\n";
	snprintf(timeout_message, sizeof(timeout_message), format, ms / 1000, ms % 1000);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_signal(int signal)
{
	(void)signal;
	requested = 1;
}

void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool stop_requested(void)
{
	return requested;
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
