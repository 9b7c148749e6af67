// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: see region.h. buffer.c reserves for the current sender and releases for
 * the current receiver. reclaim.c takes free ranges out, from wherever the kernel asks
 * for memory.
 */
#include <linux/jiffies.h>
#include <linux/nospec.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "../stats.h"
#include "charge.h"
#include "quota.h"
#include "reclaim.h"
#include "region.h"

/* From this size on a buffer comes from the upper end of a free range. */
#define LARGE_UNITS	(4 * PAGE_SIZE / IPCBUS_UNIT)

void ipcbus_region_init(struct ipcbus_region *region, struct mm_struct *owner)
{
	region->owner = owner;
	spin_lock_init(&region->lock);
	init_waitqueue_head(&region->space);
	INIT_LIST_HEAD(&region->spare);
	ipcbus_quotas_init(region);
	region->first_generation = get_random_u32();
}

/* Adds IPCBUS_BUFFERS_PER_SLAB spare descriptors. */
static int add_slab(struct ipcbus_region *region)
{
	struct ipcbus_charge charge;
	struct ipcbus_buffer *slab;
	u32 i;

	charge = ipcbus_charge_begin(region->owner);
	slab = kcalloc(IPCBUS_BUFFERS_PER_SLAB, sizeof(*slab), IPCBUS_CHARGE_GFP);
	ipcbus_charge_end(&charge);
	if (!slab)
		return -ENOMEM;

	spin_lock(&region->lock);
	if (region->slabs == IPCBUS_BUFFER_SLABS) {
		spin_unlock(&region->lock);
		kfree(slab);
		return -EDQUOT;
	}
	for (i = 0; i < IPCBUS_BUFFERS_PER_SLAB; i++) {
		slab[i].slot = region->slabs * IPCBUS_BUFFERS_PER_SLAB + i;
		slab[i].generation = region->first_generation;
		list_add_tail(&slab[i].spare, &region->spare);
	}
	region->slab[region->slabs++] = slab;
	spin_unlock(&region->lock);
	return 0;
}

static struct ipcbus_buffer *pop_spare(struct ipcbus_region *region)
{
	struct ipcbus_buffer *buffer;

	lockdep_assert_held(&region->lock);
	buffer = list_first_entry_or_null(&region->spare, struct ipcbus_buffer, spare);
	if (buffer)
		list_del(&buffer->spare);
	return buffer;
}

/* Also of a region that was never mapped. */
static void unmap(struct ipcbus_region *region)
{
	while (region->slabs)
		kfree(region->slab[--region->slabs]);
	kfree(region->slab);
	region->slab = NULL;
	ipcbus_pages_done(&region->pages);
}

int ipcbus_region_map(struct ipcbus_region *region, struct address_space *mapping, size_t size)
{
	int ret;

	ret = ipcbus_pages_init(&region->pages, region->owner, mapping, size);
	if (ret)
		return ret;
	region->slab = kcalloc(IPCBUS_BUFFER_SLABS, sizeof(*region->slab), GFP_KERNEL_ACCOUNT);
	ret = region->slab ? add_slab(region) : -ENOMEM;
	if (ret) {
		unmap(region);
		return ret;
	}
	spin_lock(&region->lock);
	ipcbus_range_init(&region->ranges, &pop_spare(region)->range, size / IPCBUS_UNIT);
	spin_unlock(&region->lock);
	region->spam_units = size / IPCBUS_UNIT / 2 / 5 * 4;
	ipcbus_reclaim_add(region);
	/* Senders look at the size first: all else is in place then. */
	smp_store_release(&region->size, size);
	return 0;
}

void ipcbus_region_done(struct ipcbus_region *region)
{
	if (region->size)
		ipcbus_reclaim_remove(region);
	unmap(region);
	ipcbus_quotas_done(region);
}

/* --- Reserving ----------------------------------------------------------------- */

static void spare_ranges(struct ipcbus_region *region, struct ipcbus_range *unused[2], int n)
{
	while (n--)
		list_add(&container_of(unused[n], struct ipcbus_buffer, range)->spare,
			 &region->spare);
}

/* Joins the ranges kept for the next message with the free ones around them. */
static void free_quick(struct ipcbus_region *region)
{
	struct ipcbus_range *unused[2];
	struct ipcbus_buffer *buffer;
	int n;

	lockdep_assert_held(&region->lock);
	while ((buffer = region->quick)) {
		region->quick = buffer->next_quick;
		n = ipcbus_range_free(&region->ranges, &buffer->range, unused);
		spare_ranges(region, unused, n);
	}
	region->quick_count = 0;
}

/* A descriptor that is on the spare list; drops the lock for memory. */
static struct ipcbus_buffer *get_spare_locked(struct ipcbus_region *region)
{
	struct ipcbus_buffer *spare;
	int ret;

	while (!(spare = pop_spare(region))) {
		spin_unlock(&region->lock);
		ret = add_slab(region);
		spin_lock(&region->lock);
		if (ret && !region->quick)
			return ERR_PTR(ret);
		if (ret)
			free_quick(region);
	}
	return spare;
}

/* Cuts units out of the free ranges, or NULL. */
static struct ipcbus_range *try_cut(struct ipcbus_region *region, u32 units,
				    struct ipcbus_range **rest)
{
	struct ipcbus_range *range;

	range = ipcbus_range_alloc(&region->ranges, units, units >= LARGE_UNITS, rest);
	if (!range && region->quick) {
		free_quick(region);
		range = ipcbus_range_alloc(&region->ranges, units, units >= LARGE_UNITS, rest);
	}
	return range;
}

struct ipcbus_buffer *ipcbus_region_cut_locked(struct ipcbus_region *region, u32 units)
{
	struct ipcbus_range *range, *rest;
	struct ipcbus_buffer *spare;

	for (;;) {
		spare = get_spare_locked(region);
		if (IS_ERR(spare))
			return spare;
		rest = &spare->range;
		range = try_cut(region, units, &rest);
		if (rest)
			list_add(&spare->spare, &region->spare);
		if (range)
			return container_of(range, struct ipcbus_buffer, range);
		if (!region->reclaiming)
			return ERR_PTR(-ENOSPC);
		spin_unlock(&region->lock);
		ipcbus_reclaim_wait();
		spin_lock(&region->lock);
	}
}

static u32 quick_units(const struct ipcbus_region *region)
{
	return region->quick ? region->quick_count * region->quick->range.size : 0;
}

u32 ipcbus_region_left_locked(const struct ipcbus_region *region)
{
	lockdep_assert_held(&region->lock);
	return region->ranges.left + quick_units(region) + region->reclaiming;
}

/* If there is no memory, what lies idle in this very region is all that its owner has
 * to give. */
int ipcbus_region_populate_slow(struct ipcbus_region *region, const struct ipcbus_buffer *buffer,
				int error)
{
	if (error != -ENOMEM || !ipcbus_reclaim_now(region))
		return error;
	return ipcbus_pages_populate(&region->pages, ipcbus_buffer_offset(buffer),
				     (size_t)buffer->range.size * IPCBUS_UNIT);
}

void ipcbus_region_clear(struct ipcbus_region *region, const struct ipcbus_buffer *buffer)
{
	ipcbus_pages_clear(&region->pages, ipcbus_buffer_offset(buffer),
			   (size_t)buffer->range.size * IPCBUS_UNIT);
}

/* --- Releasing ----------------------------------------------------------------- */

/* The space is free and the id is stale from here on. */
static void release_range(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	lockdep_assert_held(&region->lock);
	buffer->generation++;
	buffer->state = IPCBUS_BUFFER_FREE;
	region->buffers--;
	if (unlikely(buffer->flags & IPCBUS_BUFFER_COUNTED))
		ipcbus_quota_end_locked(region, buffer);
	if (unlikely(region->quick && (region->quick->range.size != buffer->range.size ||
				       region->quick_count == IPCBUS_QUICK_BUFFERS)))
		free_quick(region);
	buffer->next_quick = region->quick;
	region->quick = buffer;
	region->quick_count++;
}

/* Releases a delivered buffer and moves its cargo out. Drops the lock to wipe it. */
static __always_inline void release_delivered_locked(struct ipcbus_region *region,
						     struct ipcbus_buffer *buffer,
						     struct ipcbus_cargo *cargo)
{
	if (unlikely(buffer->flags & IPCBUS_BUFFER_CLEAR)) {
		buffer->state = IPCBUS_BUFFER_CLEARING;
		spin_unlock(&region->lock);
		ipcbus_region_clear(region, buffer);
		spin_lock(&region->lock);
	}
	*cargo = buffer->cargo;
	buffer->cargo.objects = (struct ipcbus_objects){};
	release_range(region, buffer);
	ipcbus_stat_remove(IPCBUS_STAT_BUFFERS);
}

void ipcbus_region_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	if (unlikely(buffer->flags & IPCBUS_BUFFER_CLEAR))
		ipcbus_region_clear(region, buffer);
	spin_lock(&region->lock);
	release_range(region, buffer);
	spin_unlock(&region->lock);
	ipcbus_stat_remove(IPCBUS_STAT_BUFFERS);
}

bool ipcbus_region_release_next(struct ipcbus_region *region, u32 *slot,
				struct ipcbus_cargo *ret_cargo)
{
	struct ipcbus_buffer *buffer;
	bool more, found = false;

	do {
		spin_lock(&region->lock);
		more = *slot < region->slabs * IPCBUS_BUFFERS_PER_SLAB;
		if (more) {
			buffer = ipcbus_region_buffer(region, (*slot)++);
			found = buffer->state == IPCBUS_BUFFER_DELIVERED;
			if (found)
				release_delivered_locked(region, buffer, ret_cargo);
		}
		spin_unlock(&region->lock);
	} while (more && !found);
	return found;
}

/* Finds the buffer that user space names by this id. */
static __always_inline struct ipcbus_buffer *find_delivered_locked(struct ipcbus_region *region,
								   u64 id)
{
	u32 slot = (u32)id - 1, generation = id >> 32;
	u32 first = region->first_generation;
	struct ipcbus_buffer *buffer;
	u32 state;

	lockdep_assert_held(&region->lock);
	if (slot / IPCBUS_BUFFERS_PER_SLAB >= region->slabs)
		return ERR_PTR(-ENOENT);
	slot = array_index_nospec(slot, region->slabs * IPCBUS_BUFFERS_PER_SLAB);
	buffer = ipcbus_region_buffer(region, slot);
	/* Uses of a slot count up from the first. */
	if (buffer->generation != generation)
		return ERR_PTR(generation - first < buffer->generation - first ? -ESTALE : -ENOENT);
	/* With the release in ipcbus_buffer_deliver(). */
	state = smp_load_acquire(&buffer->state);
	if (unlikely(state != IPCBUS_BUFFER_DELIVERED))
		return ERR_PTR(state == IPCBUS_BUFFER_CLEARING ? -ESTALE : -ENOENT);
	return buffer;
}

int ipcbus_region_release(struct ipcbus_region *region, u64 id, struct ipcbus_cargo *ret_cargo)
{
	struct ipcbus_buffer *buffer;
	int ret = 0;

	spin_lock(&region->lock);
	buffer = find_delivered_locked(region, id);
	if (!IS_ERR(buffer))
		release_delivered_locked(region, buffer, ret_cargo);
	else
		ret = PTR_ERR(buffer);
	spin_unlock(&region->lock);
	return ret;
}

int ipcbus_region_sender(struct ipcbus_region *region, u64 id, struct ipcbus_sender_id *ret_id)
{
	struct ipcbus_buffer *buffer;
	int ret = 0;

	spin_lock(&region->lock);
	buffer = find_delivered_locked(region, id);
	if (IS_ERR(buffer))
		ret = PTR_ERR(buffer);
	else if (!(buffer->flags & IPCBUS_BUFFER_ONEWAY))
		ret = -EINVAL;
	else
		*ret_id = buffer->sender_id;
	spin_unlock(&region->lock);
	return ret;
}

/* --- Reclaim ------------------------------------------------------------------- */

struct ipcbus_range *ipcbus_region_take_backed(struct ipcbus_region *region, u32 min_units)
{
	struct ipcbus_range *range;

	spin_lock(&region->lock);
	free_quick(region);
	range = ipcbus_range_take_backed(&region->ranges, min_units);
	region->reclaiming = range ? range->size : 0;
	spin_unlock(&region->lock);
	return range;
}

void ipcbus_region_put_reclaimed(struct ipcbus_region *region, struct ipcbus_range *range)
{
	struct ipcbus_range *unused[2];

	spin_lock(&region->lock);
	spare_ranges(region, unused, ipcbus_range_put_reclaimed(&region->ranges, range, unused));
	region->reclaiming = 0;
	spin_unlock(&region->lock);
}

u32 ipcbus_region_backed(struct ipcbus_region *region)
{
	u32 units;

	spin_lock(&region->lock);
	units = region->ranges.backed + quick_units(region);
	spin_unlock(&region->lock);
	return units;
}

/* --- For readers of "state" ------------------------------------------------------ */

static void look_at(const struct ipcbus_buffer *buffer, struct ipcbus_region_use *use)
{
	if (buffer->state == IPCBUS_BUFFER_FREE)
		return;
	use->used += (size_t)buffer->range.size * IPCBUS_UNIT;
	if (buffer->state != IPCBUS_BUFFER_DELIVERED)
		return;
	use->held++;
	if (use->oldest && time_after_eq(buffer->since, use->oldest_since))
		return;
	use->oldest = ipcbus_buffer_id(buffer);
	use->oldest_since = buffer->since;
	use->oldest_from = READ_ONCE(buffer->from);
}

void ipcbus_region_look(struct ipcbus_region *region, struct ipcbus_region_use *ret_use)
{
	struct ipcbus_region_use *use = ret_use;
	u32 slab = 0, slabs, i;

	*use = (struct ipcbus_region_use){};
	/* With the release in ipcbus_region_map(). */
	use->size = smp_load_acquire(&region->size);
	do {
		spin_lock(&region->lock);
		slabs = use->size ? region->slabs : 0;
		for (i = 0; slab < slabs && i < IPCBUS_BUFFERS_PER_SLAB; i++)
			look_at(&region->slab[slab][i], use);
		use->buffers = region->buffers;
		use->quick = region->quick_count;
		use->oneways = region->oneways;
		use->oneway_used = (size_t)region->oneway_units * IPCBUS_UNIT;
		spin_unlock(&region->lock);
	} while (++slab < slabs);
}
