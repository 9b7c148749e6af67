/* SPDX-License-Identifier: MIT */
/*
 * Make the kernel fail on purpose: the Nth thing that can, of what the calling
 * thread does next. What can fail are allocations and copies from and to user
 * memory, the kernel's own on the way to the driver included.
 *
 * Needs a kernel with fault injection (tests/env/debug) and root.
 */
#ifndef TESTS_FAULT_FAIL_NTH_H
#define TESTS_FAULT_FAIL_NTH_H

#include <stdbool.h>

/* 0, or -errno where the kernel does not know how to fail. Once, before forking. */
int fail_init(void);

/* From here on the @nth from 1 fails; 0: none. */
void fail_arm(unsigned int nth);
/* No more; says whether one failed. */
bool fail_disarm(void);

#endif /* TESTS_FAULT_FAIL_NTH_H */
