/* SPDX-License-Identifier: MIT */
/*
 * Switch points: moments at which another thread may run, as far as the driver can observe. With
 * real threads a point costs one test and has no effect. Under the deterministic scheduler
 * (tests/env/host/shim/sched.c) each point is a choice of the thread to run next.
 *
 * Coarse points are interactions of threads: locks, sleeps, wake-ups, memory, user copies. Fine
 * points are single accesses. A bounded search over all schedules uses only coarse points.
 *
 * A point comes before the operation that it names, or after it if other threads may continue then,
 * as after an unlock. The driver's locks may be held at a point, but no lock of the C library: the
 * next task runs on the same real thread.
 */
#pragma once

#include <stdbool.h>

struct shim_point {
	const char *what;	/* the operation, such as "lock" */
	const char *name;	/* its operand in the source, or "" */
	const char *file;
	int line;
	bool fine;
};

/* True if the deterministic scheduler runs the threads. A build with SHIM_LEAN, such as ipcbusd,
 * has neither scheduler nor points. */
#ifdef SHIM_LEAN
#define shim_scheduled false
#define shim_point_(what, name, fine) do { } while (0)
#else
extern bool shim_scheduled;

void shim_point_reached(const struct shim_point *point);

#define shim_point_(what, name, fine)                                             \
	do {                                                                      \
		if (__builtin_expect(shim_scheduled, 0)) {                        \
			static const struct shim_point point_ = { what, name,     \
						__FILE__, __LINE__, fine };       \
			shim_point_reached(&point_);                              \
		}                                                                 \
	} while (0)
#endif

#define shim_point(what, name) shim_point_(what, name, false)
#define shim_point_fine(what, name) shim_point_(what, name, true)
