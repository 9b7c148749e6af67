/* SPDX-License-Identifier: MIT */
/*
 * Injects failures into the kernel: the Nth fallible operation of the calling thread fails. These
 * are allocations, and copies from and to user memory, including the kernel's own on the way to the
 * driver.
 *
 * Needs a kernel with fault injection (tests/env/debug) and root.
 */
#ifndef TESTS_FAULT_FAIL_NTH_H
#define TESTS_FAULT_FAIL_NTH_H

#include <stdbool.h>

/* Returns 0, or -errno if the kernel has no fault injection. Call it once, before forking. */
int fail_init(void);

/* From now on, operation @nth fails, counted from 1; 0: none. */
void fail_arm(unsigned int nth);
/* Stops injection. Returns whether an operation failed. */
bool fail_disarm(void);

#endif /* TESTS_FAULT_FAIL_NTH_H */
