// SPDX-License-Identifier: MIT
/*
 * TAP lines, child processes and failures; see tap.h.
 */
#include <check.h>
#include <errno.h>
#include <sanitizer/lsan_interface.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* Missing in a build without sanitizers, such as for coverage. */
#pragma weak __lsan_do_recoverable_leak_check

static const char *running;
static unsigned int n_run;
static int n_failed;

/* --- Failures ------------------------------------------------------------------- */

static void say_context(void)
{
	tap_context();
	fflush(stdout);
}

/* The functions that Check's macros call. */
void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
	va_list args;

	printf("# %s:%d: %s", file, line, expr);
	if (msg) {
		printf(": ");
		va_start(args, msg);
		vprintf(msg, args);
		va_end(args);
	}
	printf("\n");
	say_context();
	_exit(EXIT_FAILURE);
}

void _mark_point(const char *file, int line)
{
	(void)file, (void)line;
}

/* Called by the address sanitizer. */
void __asan_on_error(void);
void __asan_on_error(void)
{
	say_context();
}

/* --- Lines -------------------------------------------------------------------- */

static const char *only(void)
{
	return getenv("FAIL_ONLY");
}

void tap_plan(size_t n)
{
	if (!only())
		printf("1..%zu\n", n);
}

void tap_ok(const char *format, ...)
{
	va_list args;

	if (__lsan_do_recoverable_leak_check)
		ck_assert_msg(!__lsan_do_recoverable_leak_check(), "memory was leaked");
	printf("ok %u - %s: ", n_run, running);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static bool run_in_child(void (*fn)(const void *arg), const void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn(arg);
		exit(EXIT_SUCCESS);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		printf("# signal %d\n", WTERMSIG(status));
	return !status;
}

void tap_run(const char *name, void (*fn)(const void *arg), const void *arg)
{
	n_run++;
	running = name;
	if (only()) {
		if (!strncmp(name, only(), strlen(only())))
			fn(arg);
	} else if (!run_in_child(fn, arg)) {
		printf("not ok %u - %s\n", n_run, name);
		n_failed++;
	}
}

void record_skip(const char *name, const char *reason)
{
	n_run++;
	if (!only())
		printf("ok %u - %s # SKIP %s\n", n_run, name, reason);
}

unsigned int tap_number(void)
{
	return n_run;
}

int tap_result(void)
{
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
