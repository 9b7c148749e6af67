/* SPDX-License-Identifier: MIT */
/*
 * Which code of the driver a process runs, by the kernel's KCOV: what is to be
 * counted is built with KCOV_INSTRUMENT (flavours.sh). The parent looks at what its
 * child did; one child at a time.
 */
#ifndef TESTS_DEBUG_KCOV_H
#define TESTS_DEBUG_KCOV_H

#include <stddef.h>

/* 0, or -errno where the kernel does not count. Once, before forking. */
int kcov_init(void);
/* In the child: counts from here to its end. Must. */
void kcov_begin(void);
/* In the parent, when the child has ended: how many steps from one place to another it
 * took that no child before had taken. */
size_t kcov_new(void);
/* How many different steps were seen in all. */
size_t kcov_total(void);

#endif /* TESTS_DEBUG_KCOV_H */
