/* SPDX-License-Identifier: MIT */
/*
 * Failures on request. shim_fail_nth(kind, n) makes the n-th step of that kind fail that the
 * calling thread takes from now on, counting from 1. If n is 0, no step fails. shim_failed()
 * returns true if the step has failed. Tests call these functions. Fallible parts of the shim call
 * shim_fail_now().
 */
#pragma once

#include <stdbool.h>

enum shim_fail {
	SHIM_FAIL_ALLOC,	/* kmalloc() and similar, xarray nodes, tables */
	SHIM_FAIL_PAGE,		/* pages of regions */
	SHIM_FAIL_COPY,		/* copies from and to user memory */
	SHIM_FAIL_FD,		/* new file descriptors */
	SHIM_FAIL_COUNT,
};

void shim_fail_nth(enum shim_fail kind, unsigned int n);
/* Likewise; after the n-th step, the gap-th step of that kind fails as well, counting from 1. */
void shim_fail_twice(enum shim_fail kind, unsigned int n, unsigned int gap);
bool shim_failed(enum shim_fail kind);

/* Returns true if the current step must fail. */
bool shim_fail_now(enum shim_fail kind);
