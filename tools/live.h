/* SPDX-License-Identifier: MIT */
/*
 * For the tests that run ipcctl in the guest (live-*.c): running it, looking at
 * what it printed, and services to look at.
 */
#ifndef IPCCTL_LIVE_H
#define IPCCTL_LIVE_H

#include <check.h>
#include <jansson.h>
#include <sys/types.h>

#define ECHO_SERVER "/t/examples/echo/server"
#define ECHO_CLIENT "/t/examples/echo/client"

/**
 * struct ran - what became of a command
 * @status: its exit status
 * @out: its standard output
 * @err: its standard error
 */
struct ran {
	int status;
	char out[1 << 18];
	char err[4096];
};

/* Runs "ipcctl ARGUMENTS", a line for the shell, of the ipcctl beside the test. The result stays until the next. */
const struct ran *live_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, whose status must be 0, as JSON; the caller's to json_decref(). */
json_t *live_json(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The object of an array whose key has that text; NULL if there is none. */
json_t *live_find(json_t *array, const char *key, const char *text);

/* Starts a program in the background, killed with the case. */
pid_t live_start(const char *program, ...) __attribute__((sentinel));

/* An echo server, which has its name when this returns. */
pid_t live_echo(void);

/* Ends it and waits for its end. */
void live_stop(pid_t pid);

/* What to do before and after each case. */
void live_fixture(void (*begin)(void), void (*end)(void));

/* Runs the cases: what main() returns. */
int live_tests(const char *name, const TTest *const *tests, size_t n);

#define LIVE_TESTS(name, ...)                                                                      \
	live_tests(name, (const TTest *const[]){ __VA_ARGS__ },                                    \
		   sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))

#endif
