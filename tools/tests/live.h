/* SPDX-License-Identifier: MIT */
/*
 * Runs ipcctl and services for the tests in the guest (live-*.c).
 */
#ifndef IPCCTL_LIVE_H
#define IPCCTL_LIVE_H

#include <check.h>
#include <jansson.h>
#include <sys/types.h>

#define ECHO_SERVER "/t/examples/echo/server"
#define ECHO_CLIENT "/t/examples/echo/client"

/**
 * struct ran - the outcome of a command
 * @status: its exit status
 * @out: its standard output
 * @err: its standard error
 */
struct ran {
	int status;
	char out[1 << 18];
	char err[4096];
};

/* Runs "ipcctl ARGUMENTS", a line for the shell. The result is valid until the next run. */
const struct ran *live_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As live_run(), but the status must be 0. Returns the output as JSON; the caller must release
 * it. */
json_t *live_json(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns the object of an array whose key has this text, or NULL. */
json_t *live_find(json_t *array, const char *key, const char *text);

/* Starts a program in the background. It is killed when the test case ends. */
pid_t live_start(const char *program, ...) __attribute__((sentinel));

/* Starts an echo server and waits until it is registered. */
pid_t live_echo(void);

/* Kills the echo server and waits until its name is gone. */
void live_stop(pid_t pid);

/* Functions to call before and after each test case. */
void live_fixture(void (*begin)(void), void (*end)(void));

/* Runs the test cases. Returns the exit status. */
int live_tests(const char *name, const TTest *const *tests, size_t n);

#define LIVE_TESTS(name, ...)                                   \
	live_tests(name, (const TTest *const[]){ __VA_ARGS__ }, \
		   sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))

#endif
