/* SPDX-License-Identifier: MIT */
/*
 * The same test for every event loop that there is glue for: a server in the loop
 * of another process, and a client in one of its own with async calls. A
 * test-loop-*.c gives the loop.
 */
#ifndef E2E_LOOPS_H
#define E2E_LOOPS_H

#include <stdbool.h>

#include "fixture.h"

/* Runs a loop with the connection in it: until done says so, or for ever. */
typedef int (*run_loop_fn)(struct ipc *ipc, bool (*done)(void *userdata), void *userdata);

/* Runs a loop with the connection in it until the loop ends by itself. Returns its error. */
typedef int (*run_to_end_fn)(struct ipc *ipc);

/* The cases; returns an exit status. */
int test_loop(const char *name, run_loop_fn run, run_to_end_fn run_to_end);

#endif /* E2E_LOOPS_H */
