/* SPDX-License-Identifier: MIT */
/*
 * Failures made to order. shim_fail_nth(kind, n) makes the n-th step of that
 * kind fail which the calling thread does from here on, counting from 1; 0 ends
 * that. shim_failed() says whether it came to that. Called by tests; asked by
 * the parts of the shim that can fail.
 */
#pragma once

#include <stdbool.h>

enum shim_fail {
	SHIM_FAIL_ALLOC,	/* kmalloc and its kin, xarray nodes, tables */
	SHIM_FAIL_PAGE,		/* pages of regions */
	SHIM_FAIL_COPY,		/* from and to user memory */
	SHIM_FAIL_FD,		/* new file descriptors */
	SHIM_FAIL_COUNT,
};

void shim_fail_nth(enum shim_fail kind, unsigned int n);
/* The same, and again the gap-th step of that kind after it, from 1. */
void shim_fail_twice(enum shim_fail kind, unsigned int n, unsigned int gap);
bool shim_failed(enum shim_fail kind);

/* Is it this step's turn? */
bool shim_fail_now(enum shim_fail kind);
