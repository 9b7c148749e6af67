/* SPDX-License-Identifier: MIT */
/*
 * Included before each test of tests/suite/kernel. A forked peer would have its own copy of the
 * fixture's procs, so each peer has its own procs here as well.
 */
#include "../../../suite/kernel/fixture.h"

/* Returns global for the main process, otherwise the proc of the current process. */
struct raw *host_raw(struct raw *global);

#define srv (*host_raw(&srv))
#define cli (*host_raw(&cli))
#define oth (*host_raw(&oth))
