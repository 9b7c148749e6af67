// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory: malloc(). An allocation fails if memory is short, or if a test requested it.
 */
#include <stdlib.h>

#include "../cell.h"
#include "shim.h"
#include "slab.h"

bool shim_fail_now(enum shim_fail kind)
{
	(void)kind;
	return false;
}

/* Number of allocations in ioctls of process fails_of up to and including the one that must fail.
 * 0: none must fail. fails_of is 0 for all processes. */
static u64 fails_in;
static int fails_of;

u64 slab_fail(int pid, u64 nth)
{
	u64 left = __atomic_exchange_n(&fails_in, 0, __ATOMIC_SEQ_CST);

	__atomic_store_n(&fails_of, pid, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fails_in, nth, __ATOMIC_SEQ_CST);
	return left;
}

static bool fails_now(void)
{
	const struct cell *cell = cell_current();
	int pid = __atomic_load_n(&fails_of, __ATOMIC_SEQ_CST);
	u64 left = __atomic_load_n(&fails_in, __ATOMIC_SEQ_CST);

	if (!cell || (pid && cell->client->peer.pid != pid))
		return false;
	while (left && !__atomic_compare_exchange_n(&fails_in, &left, left - 1, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return left == 1;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	if (unlikely(__atomic_load_n(&fails_in, __ATOMIC_RELAXED)) && !(gfp & __GFP_NOFAIL) &&
	    fails_now())
		return NULL;
	return gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

void kfree(const void *object)
{
	free((void *)object);
}
