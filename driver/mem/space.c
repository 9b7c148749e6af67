// SPDX-License-Identifier: GPL-2.0-only
/*
 * The free space of a region: see region.h. region.c cuts buffers out of it for the current sender.
 * reclaim.c takes free ranges out, in any task that allocates memory.
 */
#include <linux/list.h>
#include <linux/spinlock.h>

#include "range.h"
#include "region.h"

/* Buffers of at least this size are cut from the upper end of a free range. */
#define LARGE_UNITS	(4 * PAGE_SIZE / IPCBUS_UNIT)

static void spare_ranges(struct ipcbus_region *region, struct ipcbus_range *unused[2], int n)
{
	while (n--)
		list_add(&container_of(unused[n], struct ipcbus_buffer, range)->spare,
			 &region->spare);
}

void ipcbus_region_free_quick_locked(struct ipcbus_region *region)
{
	struct ipcbus_range *unused[2];
	struct ipcbus_buffer *buffer;
	int n;

	lockdep_assert_held(&region->lock);
	while ((buffer = region->quick)) {
		region->quick = buffer->next_quick;
		n = ipcbus_range_free(region->ranges, &buffer->range, unused);
		spare_ranges(region, unused, n);
	}
	region->quick_count = 0;
}

struct ipcbus_range *ipcbus_region_cut_range_locked(struct ipcbus_region *region, u32 units,
						    struct ipcbus_range **rest)
{
	struct ipcbus_range *range;

	range = ipcbus_range_alloc(region->ranges, units, units >= LARGE_UNITS, rest);
	if (!range && region->quick) {
		ipcbus_region_free_quick_locked(region);
		range = ipcbus_range_alloc(region->ranges, units, units >= LARGE_UNITS, rest);
	}
	return range;
}

struct ipcbus_range *ipcbus_region_take_backed(struct ipcbus_region *region, u32 min_units)
{
	struct ipcbus_range *range;

	spin_lock(&region->lock);
	ipcbus_region_free_quick_locked(region);
	range = ipcbus_range_take_backed(region->ranges, min_units);
	region->reclaiming = range ? range->size : 0;
	spin_unlock(&region->lock);
	return range;
}

void ipcbus_region_put_reclaimed(struct ipcbus_region *region, struct ipcbus_range *range)
{
	struct ipcbus_range *unused[2];

	spin_lock(&region->lock);
	spare_ranges(region, unused, ipcbus_range_put_reclaimed(region->ranges, range, unused));
	region->reclaiming = 0;
	spin_unlock(&region->lock);
}

u32 ipcbus_region_backed(struct ipcbus_region *region)
{
	u32 units;

	spin_lock(&region->lock);
	units = region->ranges->backed + ipcbus_region_quick_units(region);
	spin_unlock(&region->lock);
	return units;
}
