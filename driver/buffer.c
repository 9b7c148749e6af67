// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions and buffers: see buffer.h. Called by request.c and reply.c for what is sent
 * and by exchange.c for what is given back.
 */
#include <linux/jiffies.h>
#include <linux/nospec.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "charge.h"
#include "message.h"
#include "node.h"
#include "proc.h"
#include "quota.h"
#include "reclaim.h"
#include "stats.h"

static_assert(IPCBUS_BUFFER_ONEWAY == (u32)true);

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

/* Senders may be there, and have shares, if it never was. */
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

u32 ipcbus_buffer_units(const struct ipcbus_message *message)
{
	size_t bytes = ALIGN(message->send->data_size, 8) +
		       message->send->object_count * sizeof(struct ipcbus_object) +
		       message->label_size;

	return DIV_ROUND_UP(bytes, IPCBUS_UNIT) ?: 1;
}

/* The units that message takes, or -EMSGSIZE. */
static int units_needed(struct ipcbus_region *region, const struct ipcbus_message *message,
			u32 *ret_units)
{
	u32 limit = region->size / IPCBUS_UNIT;

	if (message->send->data_size > region->size)
		return -EMSGSIZE;
	*ret_units = ipcbus_buffer_units(message);
	if (unlikely(message->care & IPCBUS_BUFFER_COUNTED)) {
		if (message->oneway)
			limit /= 2;
		/* Another user's can be half of that at most. */
		if (message->quota)
			limit /= 2;
	}
	return *ret_units > limit ? -EMSGSIZE : 0;
}

static void spare_ranges(struct ipcbus_region *region, struct ipcbus_range *unused[2], int n)
{
	while (n--)
		list_add(&container_of(unused[n], struct ipcbus_buffer, range)->spare,
			 &region->spare);
}

/* Joins a used range with the free ones around it. */
static void free_range(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	struct ipcbus_range *unused[2];

	lockdep_assert_held(&region->lock);
	spare_ranges(region, unused, ipcbus_range_free(&region->ranges, &buffer->range, unused));
}

static void free_quick(struct ipcbus_region *region)
{
	struct ipcbus_buffer *buffer;

	while ((buffer = region->quick)) {
		region->quick = buffer->next_quick;
		free_range(region, buffer);
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

/* The same; drops the lock for memory, and for who has room taken out. */
static struct ipcbus_buffer *cut_range_locked(struct ipcbus_region *region, u32 units)
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

static __always_inline struct ipcbus_buffer *
reserve_range(struct ipcbus_region *region, u32 units, struct ipcbus_message *message)
{
	bool counted = message->care & IPCBUS_BUFFER_COUNTED;
	struct ipcbus_buffer *buffer;
	int ret = 0;

	spin_lock(&region->lock);
	if (unlikely(region->buffers >= IPCBUS_LIMIT_BUFFERS))
		ret = -EDQUOT;
	else if (unlikely(counted))
		ret = ipcbus_quota_charge_locked(region, units, message);
	if (unlikely(ret)) {
		spin_unlock(&region->lock);
		return ERR_PTR(ret);
	}
	buffer = region->quick;
	if (likely(buffer && buffer->range.size == units)) {
		region->quick = buffer->next_quick;
		region->quick_count--;
	} else {
		buffer = cut_range_locked(region, units);
	}
	if (!IS_ERR(buffer)) {
		buffer->state = IPCBUS_BUFFER_QUEUED;
		region->buffers++;
	} else if (counted) {
		ipcbus_quota_uncharge_locked(region, units, message);
	}
	spin_unlock(&region->lock);
	return buffer;
}

/* Copies the parts one after the other; each is read from the user once. */
static int fill_parts(struct ipcbus_region *region, size_t offset, struct ipcbus_message *message)
{
	const struct ipcbus_iovec __user *parts = u64_to_user_ptr(message->send->data);
	size_t left = message->send->data_size;
	struct ipcbus_iovec part;
	int ret;

	for (message->index = 0; message->index < message->send->iov_count; message->index++) {
		if (copy_from_user(&part, &parts[message->index], sizeof(part)))
			return -EFAULT;
		if (part.size > left)
			return -EINVAL;
		/* Behind what fills the region there is no page to look at. */
		if (!part.size)
			continue;
		ret = ipcbus_pages_copy_from_user(&region->pages, offset,
						  u64_to_user_ptr(part.base), part.size);
		if (ret)
			return ret;
		offset += part.size;
		left -= part.size;
	}
	return left ? -EINVAL : 0;
}

static size_t offset_of(const struct ipcbus_buffer *buffer)
{
	return (size_t)buffer->range.start * IPCBUS_UNIT;
}

static int fill(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
		struct ipcbus_message *message)
{
	if (unlikely(message->send->flags & IPCBUS_SEND_IOV))
		return fill_parts(region, offset_of(buffer), message);
	return ipcbus_pages_copy_from_user(&region->pages, offset_of(buffer),
					   u64_to_user_ptr(message->send->data),
					   message->send->data_size);
}

/* Pages for all of it. If there is no memory, what lies idle in this very region is
 * all that its owner has to give. */
static __always_inline int populate(struct ipcbus_region *region,
				    const struct ipcbus_buffer *buffer)
{
	size_t size = (size_t)buffer->range.size * IPCBUS_UNIT;
	int ret;

	ret = ipcbus_pages_populate(&region->pages, offset_of(buffer), size);
	if (unlikely(ret == -ENOMEM && ipcbus_reclaim_now(region)))
		ret = ipcbus_pages_populate(&region->pages, offset_of(buffer), size);
	return ret;
}

/* Room, with pages behind it, and the payload in it. */
static int make_filled(struct ipcbus_region *region, struct ipcbus_message *message,
		       struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_buffer *buffer;
	u32 units;
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_BUFFER);
	ret = units_needed(region, message, &units);
	if (ret)
		return ret;
	buffer = reserve_range(region, units, message);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	WRITE_ONCE(buffer->flags, message->care);
	buffer->since = jiffies;
	if (unlikely(message->care & IPCBUS_BUFFER_CHARGED)) {
		buffer->quota = message->quota;
		/* Counted in it as long as it is there. */
		message->quota = NULL;
	}
	buffer->data_size = message->send->data_size;
	buffer->node = NULL;
	ipcbus_stat_add(IPCBUS_STAT_BUFFERS);

	ret = populate(region, buffer);
	if (likely(!ret)) {
		ipcbus_message_stage(message, IPCBUS_STAGE_COPY);
		ret = fill(region, buffer, message);
	}
	if (unlikely(ret)) {
		ipcbus_buffer_free(region, buffer);
		return ret;
	}
	*ret_buffer = buffer;
	return 0;
}

static __always_inline int make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver,
				bool accept_fds, struct ipcbus_message *message,
				struct ipcbus_buffer **ret_buffer)
{
	int ret;

	ret = make_filled(&receiver->region, message, ret_buffer);
	if (ret)
		return ret;
	WRITE_ONCE((*ret_buffer)->from, sender->number);
	if (!message->send->object_count)
		return 0;

	ipcbus_message_stage(message, IPCBUS_STAGE_OBJECT);
	ret = ipcbus_objects_take(sender, message, accept_fds, &(*ret_buffer)->objects);
	if (ret)
		ipcbus_buffer_free(&receiver->region, *ret_buffer);
	return ret;
}

/* Of another user's region a message takes from its own user's share. */
static int get_quota(struct ipcbus_proc *sender, struct ipcbus_proc *receiver,
		     struct ipcbus_message *message)
{
	struct ipcbus_quota *quota;

	/* A reply was asked for. */
	if (message->send->kind > IPCBUS_SEND_ONEWAY)
		return 0;
	ipcbus_message_stage(message, IPCBUS_STAGE_BUFFER);
	quota = ipcbus_quota_get(&receiver->region, sender->user);
	if (IS_ERR(quota))
		return PTR_ERR(quota);
	message->care |= IPCBUS_BUFFER_CHARGED;
	message->quota = quota;
	return 0;
}

int ipcbus_buffer_make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver, bool accept_fds,
		       struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	int ret;

	/* A oneway always has one: giving it back is what lets the next one go. */
	if (!message->send->data_size && !message->send->iov_count &&
	    !message->send->object_count && !message->oneway && !message->label_size) {
		*ret_buffer = NULL;
		return 0;
	}
	message->care = message->oneway | (message->send->flags & IPCBUS_SEND_CLEAR);
	message->quota = NULL;
	if (unlikely(sender->user != receiver->user)) {
		ret = get_quota(sender, receiver, message);
		if (ret)
			return ret;
	}
	ret = make(sender, receiver, accept_fds, message, ret_buffer);
	/* A buffer that was made has it. */
	if (unlikely(message->quota))
		ipcbus_quota_put(&receiver->region, message->quota);
	return ret;
}

struct ipcbus_buffer *ipcbus_buffer_reserve(struct ipcbus_region *region, size_t size)
{
	u32 units = DIV_ROUND_UP(size, IPCBUS_UNIT);
	struct ipcbus_message message = { .oneway = true, .care = IPCBUS_BUFFER_ONEWAY };
	struct ipcbus_buffer *buffer;

	if (size > region->size / 2)
		return NULL;
	buffer = reserve_range(region, units, &message);
	if (IS_ERR(buffer))
		return NULL;
	WRITE_ONCE(buffer->flags, message.care);
	buffer->since = jiffies;
	buffer->data_size = size;
	buffer->node = NULL;
	WRITE_ONCE(buffer->from, 0);
	ipcbus_stat_add(IPCBUS_STAT_BUFFERS);
	if (!ipcbus_pages_populate(&region->pages, offset_of(buffer), size))
		return buffer;
	ipcbus_buffer_free(region, buffer);
	return NULL;
}

void ipcbus_buffer_write(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			 const void *from, size_t size)
{
	ipcbus_pages_copy_from_kernel(&region->pages, offset_of(buffer) + at, from, size);
}

void ipcbus_buffer_copy(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			struct ipcbus_region *from_region, const struct ipcbus_buffer *from,
			size_t size)
{
	ipcbus_pages_copy(&region->pages, offset_of(buffer) + at, &from_region->pages,
			  offset_of(from), size);
}

static size_t objects_offset(const struct ipcbus_buffer *buffer)
{
	return offset_of(buffer) + ALIGN(buffer->data_size, 8);
}

void ipcbus_buffer_label(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
			 const struct ipcbus_message *message, const char *text)
{
	size_t at = objects_offset(buffer) +
		    message->send->object_count * sizeof(struct ipcbus_object);

	buffer->label_size = message->label_size;
	buffer->label = at;
	if (!message->label_size)
		return;
	ipcbus_pages_copy_from_kernel(&region->pages, at, text, message->label_size - 1);
	ipcbus_pages_copy_from_kernel(&region->pages, at + message->label_size - 1, "", 1);
}

int ipcbus_buffer_install(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			  u32 *ret_index)
{
	size_t size = buffer->objects.count * sizeof(struct ipcbus_object);
	struct ipcbus_object *table;
	int ret;

	table = kzalloc(size, GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	ret = ipcbus_objects_install(receiver, &buffer->objects, table, ret_index);
	if (!ret)
		ipcbus_pages_copy_from_kernel(&receiver->region.pages, objects_offset(buffer),
					      table, size);
	kfree(table);
	return ret;
}

static u64 id_of(const struct ipcbus_buffer *buffer)
{
	return (u64)buffer->generation << 32 | (buffer->slot + 1);
}

void ipcbus_buffer_deliver(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			   struct ipcbus_event *event)
{
	event->buffer = id_of(buffer);
	event->offset = offset_of(buffer);
	event->data_size = buffer->data_size;
	if (buffer->objects.count) {
		event->objects = objects_offset(buffer);
		event->object_count = buffer->objects.count;
		ipcbus_objects_keep_home(&buffer->objects, receiver);
	}
	/* With the acquire in ipcbus_buffer_release(): all above is done by then. */
	smp_store_release(&buffer->state, IPCBUS_BUFFER_DELIVERED);
}

static struct ipcbus_buffer *buffer_at(struct ipcbus_region *region, u32 slot)
{
	return &region->slab[slot / IPCBUS_BUFFERS_PER_SLAB][slot % IPCBUS_BUFFERS_PER_SLAB];
}

/* The room is free; the id is stale from here on. */
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

/* Nobody else can get at it: it is not delivered, or not any more. */
static void clear(struct ipcbus_region *region, const struct ipcbus_buffer *buffer)
{
	ipcbus_pages_clear(&region->pages, offset_of(buffer),
			   (size_t)buffer->range.size * IPCBUS_UNIT);
}

/* A delivered one goes back; what it held is moved out. Drops the lock to wipe it. */
static __always_inline void end_delivered_locked(struct ipcbus_region *region,
						 struct ipcbus_buffer *buffer,
						 struct ipcbus_leftovers *leftovers)
{
	if (unlikely(buffer->flags & IPCBUS_BUFFER_CLEAR)) {
		buffer->state = IPCBUS_BUFFER_CLEARING;
		spin_unlock(&region->lock);
		clear(region, buffer);
		spin_lock(&region->lock);
	}
	leftovers->node = buffer->node;
	leftovers->objects = buffer->objects;
	buffer->objects = (struct ipcbus_objects){};
	release_range(region, buffer);
	ipcbus_stat_remove(IPCBUS_STAT_BUFFERS);
}

void ipcbus_leftovers_drop(struct ipcbus_leftovers *leftovers)
{
	if (leftovers->node) {
		ipcbus_node_oneway_done(leftovers->node);
		ipcbus_node_put(leftovers->node);
	}
	ipcbus_objects_drop(&leftovers->objects);
}

void ipcbus_region_release(struct ipcbus_region *region)
{
	struct ipcbus_leftovers leftovers;
	struct ipcbus_buffer *buffer;
	bool more, delivered;
	u32 slot = 0;

	do {
		delivered = false;
		spin_lock(&region->lock);
		more = slot < region->slabs * IPCBUS_BUFFERS_PER_SLAB;
		if (more) {
			buffer = buffer_at(region, slot++);
			delivered = buffer->state == IPCBUS_BUFFER_DELIVERED;
		}
		if (delivered)
			end_delivered_locked(region, buffer, &leftovers);
		spin_unlock(&region->lock);
		if (delivered)
			ipcbus_leftovers_drop(&leftovers);
	} while (more);
	/* Others may refer to the proc for long; it needs no memory any more. */
	if (region->size)
		ipcbus_reclaim_now(region);
}

void ipcbus_buffer_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	ipcbus_objects_drop(&buffer->objects);
	if (unlikely(buffer->flags & IPCBUS_BUFFER_CLEAR))
		clear(region, buffer);
	spin_lock(&region->lock);
	release_range(region, buffer);
	spin_unlock(&region->lock);
	ipcbus_stat_remove(IPCBUS_STAT_BUFFERS);
}

/* The one that user space holds by this id. */
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
	buffer = buffer_at(region, slot);
	/* Uses of a slot count up from the first. */
	if (buffer->generation != generation)
		return ERR_PTR(generation - first < buffer->generation - first ? -ESTALE : -ENOENT);
	/* With the release in ipcbus_buffer_deliver(). */
	state = smp_load_acquire(&buffer->state);
	if (unlikely(state != IPCBUS_BUFFER_DELIVERED))
		return ERR_PTR(state == IPCBUS_BUFFER_CLEARING ? -ESTALE : -ENOENT);
	return buffer;
}

int ipcbus_buffer_release(struct ipcbus_region *region, u64 id, struct ipcbus_leftovers *leftovers)
{
	struct ipcbus_buffer *buffer;
	int ret = 0;

	spin_lock(&region->lock);
	buffer = find_delivered_locked(region, id);
	if (!IS_ERR(buffer))
		end_delivered_locked(region, buffer, leftovers);
	else
		ret = PTR_ERR(buffer);
	spin_unlock(&region->lock);
	return ret;
}

int ipcbus_buffer_sender(struct ipcbus_region *region, u64 id, struct ipcbus_sender_id *ret_id)
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

/* --- For people ---------------------------------------------------------------- */

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
	use->oldest = id_of(buffer);
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
