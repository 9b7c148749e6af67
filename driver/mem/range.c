// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interval allocator: see range.h. region.c calls it under the region's lock.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/list.h>
#include <linux/minmax.h>

#include "range.h"

/* Returns the size class that contains free ranges of this size. */
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

/* Returns the smallest class in which every range has at least this size. */
static void class_above(u32 size, u32 *fl, u32 *sl)
{
	u32 log = fls(size) - 1;

	if (log > IPCBUS_RANGE_SL_BITS)
		size += (1U << (log - IPCBUS_RANGE_SL_BITS)) - 1;
	class_of(size, fl, sl);
}

static bool is_backed(const struct ipcbus_range *range)
{
	return range->backed_start != range->backed_end;
}

static struct ipcbus_range *range_of(struct list_head *link)
{
	return list_entry(link, struct ipcbus_range, link);
}

static void insert(struct ipcbus_range_pool *pool, struct ipcbus_range *range)
{
	struct list_head **first;
	u32 fl, sl;

	class_of(range->size, &fl, &sl);
	first = &pool->free[fl][sl];
	range->used = false;
	pool->left += range->size;
	pool->backed += range->backed_end - range->backed_start;
	/* The list is a ring, so adding before its first entry appends. */
	INIT_LIST_HEAD(&range->link);
	if (*first)
		list_add_tail(&range->link, *first);
	if (!*first || is_backed(range))
		*first = &range->link;
	pool->sl_bitmap[fl] |= 1U << sl;
	pool->fl_bitmap |= 1U << fl;
}

static void remove(struct ipcbus_range_pool *pool, struct ipcbus_range *range)
{
	struct list_head **first;
	u32 fl, sl;

	class_of(range->size, &fl, &sl);
	first = &pool->free[fl][sl];
	pool->left -= range->size;
	pool->backed -= range->backed_end - range->backed_start;
	if (!list_empty(&range->link)) {
		if (*first == &range->link)
			*first = range->link.next;
		list_del(&range->link);
		return;
	}
	*first = NULL;
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
	return range_of(pool->free[fl][__ffs(map)]);
}

/* Returns a fitting range among the first of size's own class, where not all fit, or NULL. */
static struct ipcbus_range *find_tight(struct ipcbus_range_pool *pool, u32 size)
{
	struct list_head *link;
	u32 fl, sl;
	int tries;

	class_of(size, &fl, &sl);
	link = pool->free[fl][sl];
	for (tries = 8; link && tries; tries--, link = link->next)
		if (range_of(link)->size >= size)
			return range_of(link);
	return NULL;
}

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

/* Sets the backed part of range to its intersection with the given interval. */
static void clip_backed(struct ipcbus_range *range, u32 backed_start, u32 backed_end)
{
	u32 end = range->start + range->size;

	range->backed_start = clamp(backed_start, range->start, end);
	range->backed_end = clamp(backed_end, range->start, end);
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
	clip_backed(upper, range->backed_start, range->backed_end);
	clip_backed(range, range->backed_start, range->backed_end);
	insert(pool, at_end ? range : upper);
	return at_end ? upper : range;
}

/* Extends lower by upper. The descriptor of upper is unused afterwards. */
static void join(struct ipcbus_range *lower, struct ipcbus_range *upper)
{
	if (!is_backed(lower)) {
		lower->backed_start = upper->backed_start;
		lower->backed_end = upper->backed_end;
	} else if (is_backed(upper)) {
		lower->backed_end = upper->backed_end;
	}
	lower->size += upper->size;
	unchain(upper);
}

int ipcbus_range_put_reclaimed(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
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

int ipcbus_range_free(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
		      struct ipcbus_range *unused[2])
{
	range->backed_start = range->start;
	range->backed_end = range->start + range->size;
	return ipcbus_range_put_reclaimed(pool, range, unused);
}

/* Searches from the largest class. In each list, backed ranges come first. min_size is the lower
 * bound of a class, so a smaller range ends the search. */
struct ipcbus_range *ipcbus_range_take_backed(struct ipcbus_range_pool *pool, u32 min_size)
{
	struct ipcbus_range *range;
	int fl, sl;

	for (fl = fls(pool->fl_bitmap) - 1; fl >= 0; fl--) {
		for (sl = fls(pool->sl_bitmap[fl]) - 1; sl >= 0; sl--) {
			if (!(pool->sl_bitmap[fl] & 1U << sl))
				continue;
			range = range_of(pool->free[fl][sl]);
			if (range->size < min_size)
				return NULL;
			if (!is_backed(range))
				continue;
			remove(pool, range);
			range->used = true;
			return range;
		}
	}
	return NULL;
}
