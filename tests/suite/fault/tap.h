/* SPDX-License-Identifier: MIT */
/*
 * Tests that print TAP, each in a child process that ends with the first thing
 * that is wrong, so that the next one begins with nothing in its way. Takes the
 * place of Check, whose macros call what is here.
 *
 * FAIL_ONLY=NAME runs those only whose names begin so, without a child: for a
 * debugger.
 */
#ifndef TESTS_FAIL_RECORD_H
#define TESTS_FAIL_RECORD_H

#include <stddef.h>

void tap_plan(size_t n);
/* fn must end by tap_ok(), with what is to stand behind the name. */
void tap_run(const char *name, void (*fn)(const void *arg), const void *arg);
void tap_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts as a test that was skipped, for that reason. */
void record_skip(const char *name, const char *reason);
/* Which test this is, from 1. */
unsigned int tap_number(void);
/* The exit status. */
int tap_result(void);

/* The program's own: says on stdout what was made to fail, in lines with a #. */
void tap_context(void);

#endif /* TESTS_FAIL_RECORD_H */
