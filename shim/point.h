/* SPDX-License-Identifier: MIT */
/*
 * Points: moments at which another thread may run, as far as the driver can
 * notify. With real threads they cost one test and do nothing; under the
 * deterministic scheduler (sched.c) each is a choice who runs next.
 *
 * Coarse points are where threads meet: locks, sleeps, wake-ups, memory, user
 * copies. Fine ones are single accesses. A bounded search over all schedules
 * takes the coarse ones only.
 */
#pragma once

#include <stdbool.h>

struct shim_point {
	const char *what;
	const char *name;
	const char *file;
	int line;
	bool fine;
};

/* Whether the deterministic scheduler runs the threads. A build with SHIM_LEAN, which is
 * ipcbusd's, has none, and no points. */
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
