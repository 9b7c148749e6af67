// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interval allocator; see range.h. Pure: called by buffer.c under the
 * region's lock, and by tests without any.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/list.h>

#include "range.h"

/* The class that a free range of this size is listed in. */
static void class_of(u32 size, u32 *fl, u32 *sl)
{
	u32 log = fls(size) - 1;

	if (log < IPCBUS_RANGE_SL_BITS) {
		*fl = 0;
		*sl = size;
		return;
	}
	*fl = log - IPCBUS_RANGE_SL_BITS + 1;
	*sl = (size >> (log - IPCBUS_RANGE_SL_BITS)) - IPCBUS_RANGE_SL_COUNT;
}

/* The smallest class of which every member has at least this size. */
static void class_above(u32 size, u32 *fl, u32 *sl)
{
	u32 log = fls(size) - 1;

	if (log > IPCBUS_RANGE_SL_BITS)
		size += (1U << (log - IPCBUS_RANGE_SL_BITS)) - 1;
	class_of(size, fl, sl);
}

static void insert(struct ipcbus_range_pool *pool, struct ipcbus_range *range)
{
	u32 fl, sl;

	class_of(range->size, &fl, &sl);
	range->used = false;
	hlist_add_head(&range->link, &pool->free[fl][sl]);
	pool->sl_bitmap[fl] |= 1U << sl;
	pool->fl_bitmap |= 1U << fl;
}

static void remove(struct ipcbus_range_pool *pool, struct ipcbus_range *range)
{
	u32 fl, sl;

	class_of(range->size, &fl, &sl);
	hlist_del(&range->link);
	if (!hlist_empty(&pool->free[fl][sl]))
		return;
	pool->sl_bitmap[fl] &= ~(1U << sl);
	if (!pool->sl_bitmap[fl])
		pool->fl_bitmap &= ~(1U << fl);
}

static struct ipcbus_range *find(struct ipcbus_range_pool *pool, u32 size)
{
	u32 fl, sl, map;

	class_above(size, &fl, &sl);
	if (fl >= IPCBUS_RANGE_FL_COUNT)
		return NULL;
	map = pool->sl_bitmap[fl] & (~0U << sl);
	if (!map) {
		map = pool->fl_bitmap & (~0U << fl << 1);
		if (!map)
			return NULL;
		fl = __ffs(map);
		map = pool->sl_bitmap[fl];
	}
	return hlist_entry(pool->free[fl][__ffs(map)].first, struct ipcbus_range, link);
}

/* A fitting range in size's own class, where only some fit: a bounded look. */
static struct ipcbus_range *find_tight(struct ipcbus_range_pool *pool, u32 size)
{
	struct ipcbus_range *range;
	u32 fl, sl;
	int tries = 8;

	class_of(size, &fl, &sl);
	hlist_for_each_entry(range, &pool->free[fl][sl], link) {
		if (range->size >= size)
			return range;
		if (!--tries)
			break;
	}
	return NULL;
}

/* Links range into the chain right behind before. */
static void chain_after(struct ipcbus_range *before, struct ipcbus_range *range)
{
	range->before = before;
	range->after = before->after;
	if (before->after)
		before->after->before = range;
	before->after = range;
}

static void unchain(struct ipcbus_range *range)
{
	if (range->before)
		range->before->after = range->after;
	if (range->after)
		range->after->before = range->before;
}

void ipcbus_range_init(struct ipcbus_range_pool *pool, struct ipcbus_range *whole, u32 size)
{
	*pool = (struct ipcbus_range_pool){};
	*whole = (struct ipcbus_range){ .size = size };
	insert(pool, whole);
}

struct ipcbus_range *ipcbus_range_alloc(struct ipcbus_range_pool *pool, u32 size, bool at_end,
					struct ipcbus_range **spare)
{
	struct ipcbus_range *range = find(pool, size), *upper;

	if (!range)
		range = find_tight(pool, size);
	if (!range)
		return NULL;
	remove(pool, range);
	range->used = true;
	if (range->size == size)
		return range;

	upper = *spare;
	*spare = NULL;
	chain_after(range, upper);
	upper->size = at_end ? size : range->size - size;
	range->size -= upper->size;
	upper->start = range->start + range->size;
	upper->used = true;
	insert(pool, at_end ? range : upper);
	return at_end ? upper : range;
}

/* Makes lower cover upper as well; upper's descriptor is unused then. */
static void join(struct ipcbus_range *lower, struct ipcbus_range *upper)
{
	lower->size += upper->size;
	unchain(upper);
}

int ipcbus_range_free(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
		      struct ipcbus_range *unused[2])
{
	struct ipcbus_range *before = range->before, *after = range->after;
	int n = 0;

	if (after && !after->used) {
		remove(pool, after);
		join(range, after);
		unused[n++] = after;
	}
	if (before && !before->used) {
		remove(pool, before);
		join(before, range);
		unused[n++] = range;
		range = before;
	}
	insert(pool, range);
	return n;
}
