/* SPDX-License-Identifier: MIT */
/*
 * Tests that print TAP. Each runs in a child process, which ends at its first failure, so that the
 * next test is not affected. Replaces Check: its macros call these functions.
 *
 * FAIL_ONLY=TEXT runs only the tests with names that begin with TEXT, without a child, for
 * debuggers.
 */
#ifndef TESTS_FAIL_RECORD_H
#define TESTS_FAIL_RECORD_H

#include <stddef.h>

void tap_plan(size_t n);
/* fn must end by calling tap_ok(), with a text to print after the name. */
void tap_run(const char *name, void (*fn)(const void *arg), const void *arg);
void tap_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts a skipped test, with its reason. */
void record_skip(const char *name, const char *reason);
/* Returns the number of the current test, from 1. */
unsigned int tap_number(void);
/* Returns the exit status. */
int tap_result(void);

/* Implemented by the program: prints the injected failures, in lines that begin with #. */
void tap_context(void);

#endif /* TESTS_FAIL_RECORD_H */
