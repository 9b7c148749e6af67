/* SPDX-License-Identifier: MIT */
/*
 * The measured operations.
 */
#ifndef TESTS_COST_OPS_H
#define TESTS_COST_OPS_H

#include <stddef.h>

#include "world.h"

/**
 * struct op - a measured operation
 * @name: in the table
 * @before: prepares, unmeasured; or NULL
 * @run: the operation
 * @after: cleans up, unmeasured; or NULL
 * @yields: the operation processes all objects, and yields; or NULL
 * @how: ONCE: it cannot be repeated; KERNEL: its cost is that of kernel threads;
 *       CLOSE: the kernel closes as many files with it
 */
struct op {
	const char *name;
	void (*before)(struct world *w);
	void (*run)(struct world *w);
	void (*after)(struct world *w);
	const char *yields;
	unsigned int how;
};

#define ONCE	1U
#define KERNEL	2U
#define CLOSE	4U

#define MAX_OPS	64

/* The last operation is the end of the process. */
extern const struct op ops[];
extern const size_t op_count;

#endif
