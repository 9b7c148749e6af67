// SPDX-License-Identifier: MIT
/*
 * Memory pressure on request, as by writing 2 to /proc/sys/vm/drop_caches.
 */
#include <linux/shrinker.h>

#include "shim.h"

#define BATCH 128

static struct shrinker *registered;

int register_shrinker(struct shrinker *shrinker, const char *format, ...)
{
	(void)format;
	shim_might_sleep("register_shrinker");
	BUG_ON(registered);
	if (shim_fail_now(SHIM_FAIL_ALLOC))
		return -ENOMEM;
	registered = shrinker;
	return 0;
}

void unregister_shrinker(struct shrinker *shrinker)
{
	BUG_ON(registered != shrinker);
	registered = NULL;
}

/* Shrinks like the kernel at the highest pressure, by at most nr. Returns the number of freed
 * objects. */
static unsigned long shrink(unsigned long nr)
{
	struct shrink_control control = { .gfp_mask = GFP_KERNEL };
	unsigned long freeable, freed = 0, n;

	shim_point("shrink", "");
	freeable = registered->count_objects(registered, &control);
	if (!freeable || freeable == SHRINK_EMPTY)
		return 0;
	for (nr = min(nr, 2 * freeable); nr; nr -= control.nr_to_scan) {
		control.nr_to_scan = min(nr, (unsigned long)BATCH);
		n = registered->scan_objects(registered, &control);
		if (n == SHRINK_STOP)
			break;
		freed += n;
	}
	return freed;
}

unsigned long shim_shrink(unsigned long nr)
{
	unsigned long freed = 0, n;

	if (!registered)
		return 0;
	do {
		n = shrink(nr);
		freed += n;
	} while (n > 1 && nr == ~0UL); /* as drop_caches does */
	return freed;
}
