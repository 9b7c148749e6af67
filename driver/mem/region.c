// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: see region.h. buffer.c reserves for the current sender and releases for the current
 * receiver. space.c has the free ranges.
 */
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../stats.h"
#include "quota.h"
#include "reclaim.h"
#include "region.h"

/* Slabs for which a region has a table at first. */
#define FIRST_SLABS	16

/* KiB of user_memory for the region's tables at their largest, and for a slab of descriptors. */
#define SLABS_KIB	DIV_ROUND_UP(IPCBUS_BUFFER_SLABS * sizeof(struct ipcbus_buffer *) + \
				     sizeof(struct ipcbus_range_pool), 1024)
#define SLAB_KIB	DIV_ROUND_UP(IPCBUS_BUFFERS_PER_SLAB * sizeof(struct ipcbus_buffer), 1024)

void ipcbus_region_init(struct ipcbus_region *region, struct ipcbus_user *user)
{
	region->user = user;
	spin_lock_init(&region->lock);
	mutex_init(&region->claim);
	INIT_LIST_HEAD(&region->pollers);
	INIT_LIST_HEAD(&region->spare);
	region->quotas = RB_ROOT;
	region->first_generation = get_random_u32();
}

/* Frees a slab that is not in the table. */
static void discard_slab(struct ipcbus_region *region, struct ipcbus_buffer *slab)
{
	kfree(slab);
	ipcbus_user_uncharge_n(region->user, IPCBUS_USE_MEMORY, SLAB_KIB);
}

/* Adds IPCBUS_BUFFERS_PER_SLAB spare descriptors, unless another thread does so in the meantime.
 * Returns -EDQUOT if the region has all its slabs. If the region's user is at its limit, returns
 * -ENOMEM, as for pages: the sender cannot change that limit. */
static int add_slab(struct ipcbus_region *region)
{
	struct ipcbus_buffer *slab, **table = NULL;
	u32 i, slabs = READ_ONCE(region->slabs);
	bool grows = slabs >= FIRST_SLABS && is_power_of_2(slabs);
	struct mem_cgroup *before;

	if (slabs == IPCBUS_BUFFER_SLABS)
		return -EDQUOT;
	if (ipcbus_user_charge_n(region->user, IPCBUS_USE_MEMORY, SLAB_KIB))
		return -ENOMEM;
	before = set_active_memcg(region->group);
	slab = kcalloc(IPCBUS_BUFFERS_PER_SLAB, sizeof(*slab), IPCBUS_CHARGE_GFP);
	if (slab && grows)
		table = kcalloc(2 * slabs, sizeof(*table), IPCBUS_CHARGE_GFP);
	set_active_memcg(before);
	if (!slab || (grows && !table)) {
		discard_slab(region, slab);
		return -ENOMEM;
	}

	spin_lock(&region->lock);
	if (region->slabs != slabs) {
		spin_unlock(&region->lock);
		discard_slab(region, slab);
		kfree(table);
		return 0;
	}
	if (grows) {
		memcpy(table, region->slab, slabs * sizeof(*table));
		swap(table, region->slab);
	}
	for (i = 0; i < IPCBUS_BUFFERS_PER_SLAB; i++) {
		slab[i].slot = slabs * IPCBUS_BUFFERS_PER_SLAB + i;
		slab[i].generation = region->first_generation;
		list_add_tail(&slab[i].spare, &region->spare);
	}
	region->slab[slabs] = slab;
	WRITE_ONCE(region->slabs, slabs + 1);
	spin_unlock(&region->lock);
	kfree(table);
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

/* --- Beginning and end ------------------------------------------------------------ */

/* Frees the descriptors and the tables, and uncharges the user. First unlinks them under the lock,
 * because readers of statistics may come. */
static void free_slabs(struct ipcbus_region *region)
{
	struct ipcbus_range_pool *ranges = region->ranges;
	struct ipcbus_buffer **slab = region->slab;
	u32 slabs = region->slabs;

	spin_lock(&region->lock);
	region->ranges = NULL;
	region->quick = NULL;
	region->quick_count = 0;
	INIT_LIST_HEAD(&region->spare);
	region->slab = NULL;
	region->slabs = 0;
	spin_unlock(&region->lock);

	ipcbus_user_uncharge_n(region->user, IPCBUS_USE_MEMORY, SLABS_KIB + slabs * SLAB_KIB);
	while (slabs)
		kfree(slab[--slabs]);
	kfree(slab);
	kfree(ranges);
}

static int make_slabs(struct ipcbus_region *region)
{
	int ret;

	ret = ipcbus_user_charge_n(region->user, IPCBUS_USE_MEMORY, SLABS_KIB);
	if (ret)
		return ret;
	region->ranges = kzalloc(sizeof(*region->ranges), GFP_KERNEL_ACCOUNT);
	region->slab = kcalloc(FIRST_SLABS, sizeof(*region->slab), GFP_KERNEL_ACCOUNT);
	if (region->ranges && region->slab)
		return 0;
	free_slabs(region);
	return -ENOMEM;
}

int ipcbus_region_map(struct ipcbus_region *region, struct address_space *mapping, size_t size)
{
	int ret;

	/* The memory cgroup at mapping time. Later the owner may have left it or may be gone. */
	region->group = get_mem_cgroup_from_mm(current->mm);
	ret = ipcbus_pages_init(&region->pages, region->group, region->user, mapping, size);
	if (ret)
		goto err_group;
	ret = make_slabs(region);
	if (ret)
		goto err_pages;
	ret = add_slab(region);
	if (ret)
		goto err_slabs;
	spin_lock(&region->lock);
	ipcbus_range_init(region->ranges, &pop_spare(region)->range, size / IPCBUS_UNIT);
	region->max_buffers = IPCBUS_LIMIT_BUFFERS;
	spin_unlock(&region->lock);
	ipcbus_reclaim_add(region);
	/* Senders read the size first. If it is not 0, all other fields must be set. */
	smp_store_release(&region->size, size);
	return 0;

err_slabs:
	free_slabs(region);
err_pages:
	ipcbus_pages_done(&region->pages);
err_group:
	mem_cgroup_put(region->group);
	region->group = NULL;
	return ret;
}

/* Frees all memory of the region. It must have ended, and no buffer may be left. */
static void free_memory(struct ipcbus_region *region)
{
	ipcbus_reclaim_remove(region);
	free_slabs(region);
	ipcbus_pages_done(&region->pages);
	ipcbus_quotas_done(region);
	mem_cgroup_put(region->group);
	region->group = NULL;
}

/* Uncounts a buffer. Returns true if it was the last buffer of a region that has ended. Then the
 * caller must call free_memory() after dropping the lock. */
static bool uncount_locked(struct ipcbus_region *region)
{
	lockdep_assert_held(&region->lock);
	return !--region->buffers && unlikely(!region->max_buffers);
}

void ipcbus_region_end(struct ipcbus_region *region)
{
	bool last;

	if (!region->size)
		return;
	spin_lock(&region->lock);
	region->max_buffers = 0;
	/* Counts as a buffer, so that the memory stays until uncount_locked() below. */
	region->buffers++;
	spin_unlock(&region->lock);
	/* A sender may hold its buffer for long while copying. Frees all other pages now. */
	ipcbus_reclaim_now(region);
	spin_lock(&region->lock);
	last = uncount_locked(region);
	spin_unlock(&region->lock);
	if (last)
		free_memory(region);
}

/* --- Reserving ----------------------------------------------------------------- */

/* Takes an unused descriptor off the spare list. If there is none, drops the lock and allocates. */
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
			ipcbus_region_free_quick_locked(region);
	}
	return spare;
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
		range = ipcbus_region_cut_range_locked(region, units, &rest);
		if (rest)
			list_add(&spare->spare, &region->spare);
		if (range)
			return container_of(range, struct ipcbus_buffer, range);
		if (!region->reclaiming)
			return ERR_PTR(-ENOSPC);
		spin_unlock(&region->lock);
		ipcbus_reclaim_wait(region);
		spin_lock(&region->lock);
	}
}

/* Calls space_came() of the region if a released message with these flags makes space for a oneway,
 * and a sender polls for it. A sender that starts to poll tries again under region->lock, so either
 * it finds the space or this function finds the sender. */
static __always_inline void report_space(struct ipcbus_region *region, u32 flags)
{
	if (unlikely(flags & IPCBUS_BUFFER_COUNTED) && unlikely(!list_empty(&region->pollers)))
		region->space_came(region);
}

void ipcbus_region_unreserve(struct ipcbus_region *region, const struct ipcbus_reservation *want)
	__releases(&region->lock)
{
	bool last;

	if (want->flags & IPCBUS_BUFFER_COUNTED)
		ipcbus_quota_uncharge_locked(region, want);
	last = uncount_locked(region);
	spin_unlock(&region->lock);
	report_space(region, want->flags);
	if (last)
		free_memory(region);
}

/* Handles a failure of populating: if memory is short, frees the region's own idle pages, whose
 * owner pays, and tries again. Returns 0 or -errno. */
int ipcbus_region_populate_slow(struct ipcbus_region *region, const struct ipcbus_buffer *buffer,
				int error)
{
	if (error != -ENOMEM || !ipcbus_reclaim_now(region))
		return error;
	return ipcbus_pages_populate(&region->pages, ipcbus_buffer_offset(buffer),
				     (size_t)buffer->range.size * IPCBUS_UNIT);
}

/* Zeroes a buffer that no other thread can access. May sleep. */
static void clear(struct ipcbus_region *region, const struct ipcbus_buffer *buffer)
{
	ipcbus_pages_clear(&region->pages, ipcbus_buffer_offset(buffer),
			   (size_t)buffer->range.size * IPCBUS_UNIT);
}

int ipcbus_region_count_empty(struct ipcbus_region *region, struct ipcbus_reservation *want)
{
	int ret = 0;

	spin_lock(&region->lock);
	if (region->buffers >= region->max_buffers)
		ret = region->max_buffers ? -EDQUOT : -EOWNERDEAD;
	else if (want->quota)
		ret = ipcbus_quota_charge_locked(region, want);
	if (!ret)
		region->buffers++;
	spin_unlock(&region->lock);
	return ret;
}

/* --- Releasing ----------------------------------------------------------------- */

void ipcbus_region_end_empty(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	bool last;

	spin_lock(&region->lock);
	if (quota)
		ipcbus_quota_end_empty_locked(region, quota);
	last = uncount_locked(region);
	spin_unlock(&region->lock);
	report_space(region, quota ? IPCBUS_BUFFER_CHARGED : 0);
	if (unlikely(last))
		free_memory(region);
}

/* Puts the buffer into the cache and makes its id stale. From here on another message may use the
 * space. Returns true if the caller must call free_memory() after dropping the lock. */
static bool release_range(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	lockdep_assert_held(&region->lock);
	buffer->generation++;
	buffer->state = IPCBUS_BUFFER_FREE;
	if (unlikely(buffer->flags & IPCBUS_BUFFER_COUNTED))
		ipcbus_quota_end_locked(region, buffer);
	if (unlikely(region->quick && (region->quick->range.size != buffer->range.size ||
				       region->quick_count == IPCBUS_QUICK_BUFFERS)))
		ipcbus_region_free_quick_locked(region);
	buffer->next_quick = region->quick;
	region->quick = buffer;
	region->quick_count++;
	return uncount_locked(region);
}

/* Releases a delivered buffer and moves its cargo out. Drops the lock while zeroing the buffer. The
 * region has not ended, so this is never its last buffer. */
static __always_inline void release_delivered_locked(struct ipcbus_region *region,
						     struct ipcbus_buffer *buffer,
						     struct ipcbus_cargo *cargo)
{
	if (unlikely(buffer->flags & IPCBUS_BUFFER_CLEAR)) {
		buffer->state = IPCBUS_BUFFER_CLEARING;
		spin_unlock(&region->lock);
		clear(region, buffer);
		spin_lock(&region->lock);
	}
	*cargo = buffer->cargo;
	buffer->cargo.objects = NULL;
	release_range(region, buffer);
	ipcbus_stat_remove(IPCBUS_STAT_BUFFERS);
}

void ipcbus_region_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	u32 flags = buffer->flags;
	bool last;

	if (unlikely(buffer->flags & IPCBUS_BUFFER_CLEAR))
		clear(region, buffer);
	spin_lock(&region->lock);
	last = release_range(region, buffer);
	spin_unlock(&region->lock);
	report_space(region, flags);
	ipcbus_stat_remove(IPCBUS_STAT_BUFFERS);
	if (unlikely(last))
		free_memory(region);
}

bool ipcbus_region_release_next(struct ipcbus_region *region, u32 *slot,
				struct ipcbus_cargo *ret_cargo)
{
	struct ipcbus_buffer *buffer;
	bool in_range, released = false;

	do {
		spin_lock(&region->lock);
		in_range = *slot < region->slabs * IPCBUS_BUFFERS_PER_SLAB;
		if (in_range) {
			buffer = ipcbus_region_buffer(region, (*slot)++);
			released = buffer->state == IPCBUS_BUFFER_DELIVERED;
			if (released)
				release_delivered_locked(region, buffer, ret_cargo);
		}
		spin_unlock(&region->lock);
	} while (in_range && !released);
	return released;
}

/* Returns the delivered buffer with this id from user space, or ERR_PTR. */
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
	/* Generations of a slot count up from first_generation. */
	if (buffer->generation != generation)
		return ERR_PTR(generation - first < buffer->generation - first ? -ESTALE : -ENOENT);
	/* Pairs with the release in ipcbus_buffer_deliver(). */
	state = smp_load_acquire(&buffer->state);
	if (unlikely(state != IPCBUS_BUFFER_DELIVERED))
		return ERR_PTR(state == IPCBUS_BUFFER_CLEARING ? -ESTALE : -ENOENT);
	return buffer;
}

int ipcbus_region_release(struct ipcbus_region *region, u64 id, struct ipcbus_cargo *ret_cargo)
{
	struct ipcbus_buffer *buffer;
	u32 flags = 0;
	int ret = 0;

	spin_lock(&region->lock);
	buffer = find_delivered_locked(region, id);
	if (!IS_ERR(buffer)) {
		flags = buffer->flags;
		release_delivered_locked(region, buffer, ret_cargo);
	} else {
		ret = PTR_ERR(buffer);
	}
	spin_unlock(&region->lock);
	report_space(region, flags);
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

/* --- Statistics for the file "state" ------------------------------------------------- */

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
	/* Pairs with the release in ipcbus_region_map(). */
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
		cond_resched();
	} while (++slab < slabs);
}
