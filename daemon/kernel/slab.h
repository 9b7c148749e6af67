/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocation failures that a test requests: see slab.c.
 */
#pragma once

#include <linux/types.h>

/* Makes the nth allocation of the driver from now fail once, in ioctls of this process, or of all
 * processes if pid is 0. If nth is 0, no allocation fails. Returns the number of allocations that
 * remained until the previously requested failure, or 0. Any thread. */
u64 slab_fail(int pid, u64 nth);
