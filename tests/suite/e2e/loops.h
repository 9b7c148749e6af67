/* SPDX-License-Identifier: MIT */
/*
 * The common test for every supported event loop: a server runs in the loop in another process, and
 * a client with async calls runs in a loop of its own. Each test-loop-*.c provides a loop.
 */
#ifndef E2E_LOOPS_H
#define E2E_LOOPS_H

#include <stdbool.h>

#include "fixture.h"

/* Runs a loop with the connection until @done returns true. Returns 0 or -errno. */
typedef int (*run_loop_fn)(struct ipc *ipc, bool (*done)(void *userdata), void *userdata);

/* Runs a loop with the connection until the loop ends by itself. Returns its error. */
typedef int (*run_to_end_fn)(struct ipc *ipc);

/* Runs the cases. Returns an exit status. */
int test_loop(const char *name, run_loop_fn run, run_to_end_fn run_to_end);

#endif /* E2E_LOOPS_H */
