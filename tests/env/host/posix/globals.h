/* SPDX-License-Identifier: MIT */
/*
 * Comes before each test of tests/suite/kernel: the fixture's procs, which a forked
 * peer would have a copy of, are each peer's own here as well.
 */
#include "../../../suite/kernel/fixture.h"

/* global for the main process; else the current process's own. */
struct raw *host_raw(struct raw *global);

#define srv (*host_raw(&srv))
#define cli (*host_raw(&cli))
#define oth (*host_raw(&oth))
