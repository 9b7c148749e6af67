/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An allocation that fails because a test asked for it: see slab.c.
 */
#pragma once

#include <linux/types.h>

/* The nth allocation of the driver's from now, in ioctls of this process or, with 0, of any, fails
 * once. nth 0: none. Returns how many were left until the one that was to fail before, or 0. Any
 * thread. */
u64 slab_fail(int pid, u64 nth);
