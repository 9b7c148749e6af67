// SPDX-License-Identifier: MIT
/*
 * kmalloc() and similar, based on malloc(): each object is a separate allocation, so that the
 * address sanitizer detects overruns and use after free. New objects contain garbage unless zeroed
 * memory was requested.
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"

#define RUBBISH 0xa5

/* --- Failures on request: see fail.h -------------------------------------- */

void shim_fail_twice(enum shim_fail kind, unsigned int n, unsigned int gap)
{
	current->fail[kind] = n;
	current->fail_gap[kind] = gap;
	current->failed[kind] = false;
}

void shim_fail_nth(enum shim_fail kind, unsigned int n)
{
	shim_fail_twice(kind, n, 0);
}

bool shim_failed(enum shim_fail kind)
{
	return current->failed[kind];
}

bool shim_fail_now(enum shim_fail kind)
{
	struct task_struct *task = current;

	_Static_assert(ARRAY_SIZE(task->fail) == SHIM_FAIL_COUNT, "one for each kind");
	if (likely(!task->fail[kind]) || --task->fail[kind])
		return false;
	task->failed[kind] = true;
	task->fail[kind] = task->fail_gap[kind];
	task->fail_gap[kind] = 0;
	return true;
}

/* --- Memory --------------------------------------------------------------- */

static void *allocate(size_t size, gfp_t gfp)
{
	void *object;

	if (gfp & SHIM_GFP_SLEEP)
		shim_might_reclaim();
	shim_point("alloc", "");
	if (!(gfp & __GFP_NOFAIL) && shim_fail_now(SHIM_FAIL_ALLOC))
		return NULL;
	object = malloc(size);
	BUG_ON(!object);
	shim_count(SHIM_ALLOCS, 1);
	return object;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	void *object = allocate(size, gfp);

	if (object)
		memset(object, gfp & __GFP_ZERO ? 0 : RUBBISH, size);
	return object;
}

void kfree(const void *object)
{
	if (!object)
		return;
	shim_count(SHIM_ALLOCS, -1);
	free((void *)object);
}
