/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Region
 *
 * A region is the memory in which a proc receives its messages. It is divided into buffers, one
 * per message. A buffer goes through these states:
 *
 *   FREE       The descriptor describes a free range, or is unused.
 *   QUEUED     A sender has reserved the buffer, and fills it or has queued it.
 *   DELIVERED  The receiver owns the buffer and knows its id.
 *   CLEARING   The receiver has released the buffer, and the driver zeroes it.
 *
 * User space can name only delivered buffers. An id consists of slot and generation, and the first
 * generation is random. So the driver rejects ids that are stale, invented, or of another proc.
 *
 * This layer knows bytes, pages and quotas, but not messages. It stores a buffer's cargo for
 * buffer.c without interpreting it.
 */
#ifndef IPCBUS_MEM_REGION_H
#define IPCBUS_MEM_REGION_H

#include <linux/rbtree.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "../main.h"
#include "pages.h"
#include "quota.h"
#include "range.h"

/* Alignment of payloads, and size of the smallest buffer. */
#define IPCBUS_UNIT		64
#define IPCBUS_BUFFERS_PER_SLAB	32
#define IPCBUS_QUICK_BUFFERS	32
/* A free range between two buffers also needs a descriptor. */
#define IPCBUS_BUFFER_SLABS	(2 * IPCBUS_LIMIT_BUFFERS / IPCBUS_BUFFERS_PER_SLAB)

enum ipcbus_buffer_state {
	IPCBUS_BUFFER_FREE,
	IPCBUS_BUFFER_QUEUED,
	IPCBUS_BUFFER_DELIVERED,
	IPCBUS_BUFFER_CLEARING,
};

/**
 * struct ipcbus_cargo - contents of a buffer other than bytes; used by buffer.c only
 * @node: of a delivered oneway: the node whose next oneway waits for this buffer, counted; or NULL
 * @objects: the objects of the message, or NULL; once delivered: only the receiver's own nodes
 */
struct ipcbus_cargo {
	struct ipcbus_node_entry *node;
	struct ipcbus_objects *objects;
};

/**
 * struct ipcbus_buffer - descriptor of a message's memory, or of a free range
 * @range: its position in units (region->lock). Start and size are constant while it is in use.
 * @spare: in region->spare while the descriptor is unused
 * @next_quick: in region->quick
 * @slot: index of the descriptor in the region; constant
 * @generation: number of uses of the slot, from a random start (region->lock)
 * @state: enum ipcbus_buffer_state (region->lock to leave DELIVERED)
 * @flags: IPCBUS_BUFFER_*; constant while in use
 * @since: time of creation, in jiffies
 * @from: number of the sending proc; 0 for the driver
 * @quota: quota of the sending user, if that is another user (CHARGED)
 * @data_size: bytes of payload
 * @cargo: see struct ipcbus_cargo
 * @label: offset of the sender's label in the region, if the message has a label
 * @label_size: bytes of the label with its terminating zero, or 0 if there is none
 * @sender_id: for a delivered oneway: the process that sent it
 */
struct ipcbus_buffer {
	struct ipcbus_range range;
	struct list_head spare;
	struct ipcbus_buffer *next_quick;
	u32 slot;
	u32 generation;
	u32 state;
	u32 flags;
	unsigned long since;
	u64 from;
	struct ipcbus_quota *quota;
	size_t data_size;
	struct ipcbus_cargo cargo;
	size_t label;
	u32 label_size;
	struct ipcbus_sender_id sender_id;
};

/**
 * struct ipcbus_region - the memory of a proc
 * @lock: protects the fields, except @pages and those with another rule
 * @size: bytes; 0 until mapped, then constant
 * @group: memory cgroup that is charged: that of the process that mapped the region; counted
 * @user: the user that is charged; constant
 * @pages: the physical pages
 * @reclaim_entry: in the list of regions for the shrinker; protected by that list's lock
 * @claim: must be held to take free ranges out of the region for reclaim (reclaim.c)
 * @reclaiming: size of the free range that reclaim.c holds, or 0. A sender without space waits.
 * @ranges: free and used ranges; NULL while the region has no memory
 * @quick: cache of recently released buffers, all of the same size, still cut out as used ranges.
 *	The next message often has the same size, and then needs no search.
 * @quick_count: length of @quick
 * @spare: unused descriptors
 * @slab: descriptors by slot, IPCBUS_BUFFERS_PER_SLAB in each slab; only grows. A full table is
 *	replaced by a table of twice the length.
 * @slabs: number of slabs
 * @first_generation: first generation of every slot; random, so ids are valid in this proc only
 * @buffers: buffers that are queued, delivered or being cut, plus queued calls without buffer. If
 *	the region has ended, the last of them frees its memory.
 * @max_buffers: IPCBUS_LIMIT_BUFFERS; 0 until the region is mapped, and after it has ended
 * @quotas: quotas of other users
 * @charged: sum of all @quotas
 * @idle_quotas: number of @quotas without a buffer
 * @oneway_units: units of oneways, at most half of the region
 * @pollers: senders that found no space and poll for it (bus->space_lock)
 * @space_came: called without locks when space is released or a node is gone; may sleep; constant
 * @oneways: number of oneways, at most half of IPCBUS_LIMIT_BUFFERS
 */
struct ipcbus_region {
	spinlock_t lock;
	size_t size;
	struct mem_cgroup *group;
	struct ipcbus_user *user;
	struct ipcbus_pages pages;
	struct list_head reclaim_entry;
	struct mutex claim;
	u32 reclaiming;
	struct ipcbus_range_pool *ranges;
	struct ipcbus_buffer *quick;
	u32 quick_count;
	struct list_head spare;
	struct ipcbus_buffer **slab;
	u32 slabs;
	u32 first_generation;
	u32 buffers;
	u32 max_buffers;
	struct list_head pollers;
	void (*space_came)(struct ipcbus_region *region);
	struct rb_root quotas;
	struct ipcbus_charged charged;
	u32 idle_quotas;
	u32 oneway_units;
	u32 oneways;
};

/* Initializes an unmapped region. The user must outlive it. */
void ipcbus_region_init(struct ipcbus_region *region, struct ipcbus_user *user);
/* Called by mmap(), under the mmap lock. Sets the region's size, once, and allocates its tables.
 * size: whole pages, at most IPCBUS_MAX_REGION, which file.c checks. mapping belongs to the file.
 * May sleep. Returns 0, -ENOMEM, or -EDQUOT if the tables without the first slab exceed the user's
 * user_memory. On failure the region stays unmapped. */
int ipcbus_region_map(struct ipcbus_region *region, struct address_space *mapping, size_t size);
/* Ends the region: no new buffer can be reserved. Frees its memory, or leaves that to the thread
 * that frees the last buffer. May sleep. */
void ipcbus_region_end(struct ipcbus_region *region);

/* --- Reserving ----------------------------------------------------------------- */

/* Cuts a buffer out of the free ranges. Drops the lock to allocate, and while reclaim holds a
 * range. Returns ERR_PTR of -ENOSPC, -ENOMEM (also if the region's user is at its limit), or
 * -EDQUOT (too many descriptors). */
struct ipcbus_buffer *ipcbus_region_cut_locked(struct ipcbus_region *region, u32 units);
/* Reverts counts and charges of a reservation without a buffer. Releases the lock. */
void ipcbus_region_unreserve(struct ipcbus_region *region, const struct ipcbus_reservation *want)
	__releases(&region->lock);

/* Reserves a buffer of want->units units and charges it. May sleep. Returns ERR_PTR of -EDQUOT
 * (descriptors, or the quota of calls), -EAGAIN (oneways), -ENOSPC, -ENOMEM, or -EOWNERDEAD once
 * the region has ended. Inline, because every message needs it. */
static __always_inline struct ipcbus_buffer *
ipcbus_region_reserve(struct ipcbus_region *region, struct ipcbus_reservation *want)
{
	bool counted = want->flags & IPCBUS_BUFFER_COUNTED;
	struct ipcbus_buffer *buffer;
	int ret = 0;

	spin_lock(&region->lock);
	if (unlikely(region->buffers >= region->max_buffers))
		ret = region->max_buffers ? -EDQUOT : -EOWNERDEAD;
	else if (unlikely(counted))
		ret = ipcbus_quota_charge_locked(region, want);
	if (unlikely(ret)) {
		spin_unlock(&region->lock);
		return ERR_PTR(ret);
	}
	/* Count before the lock is dropped: this keeps the memory if the region ends. */
	region->buffers++;
	buffer = region->quick;
	if (likely(buffer && buffer->range.size == want->units)) {
		region->quick = buffer->next_quick;
		region->quick_count--;
	} else {
		buffer = ipcbus_region_cut_locked(region, want->units);
		if (IS_ERR(buffer)) {
			ipcbus_region_unreserve(region, want);
			return buffer;
		}
	}
	buffer->state = IPCBUS_BUFFER_QUEUED;
	spin_unlock(&region->lock);
	return buffer;
}

/* Counts a call without a buffer, and charges want, which must have 0 units. On success the quota
 * is held until ipcbus_region_end_empty(). Returns -EDQUOT, or -EOWNERDEAD once the region has
 * ended. */
int ipcbus_region_count_empty(struct ipcbus_region *region, struct ipcbus_reservation *want);
/* The call was delivered or dropped. quota: the quota that it is charged to, or NULL. May sleep. */
void ipcbus_region_end_empty(struct ipcbus_region *region, struct ipcbus_quota *quota);

static inline size_t ipcbus_buffer_offset(const struct ipcbus_buffer *buffer)
{
	return (size_t)buffer->range.start * IPCBUS_UNIT;
}

static inline u64 ipcbus_buffer_id(const struct ipcbus_buffer *buffer)
{
	return (u64)buffer->generation << 32 | (buffer->slot + 1);
}

int ipcbus_region_populate_slow(struct ipcbus_region *region, const struct ipcbus_buffer *buffer,
				int error);

/* Allocates the missing pages of a buffer. May sleep. Returns 0 or -ENOMEM. */
static __always_inline int ipcbus_region_populate(struct ipcbus_region *region,
						  const struct ipcbus_buffer *buffer)
{
	int ret;

	ret = ipcbus_pages_populate(&region->pages, ipcbus_buffer_offset(buffer),
				    (size_t)buffer->range.size * IPCBUS_UNIT);
	return likely(!ret) ? 0 : ipcbus_region_populate_slow(region, buffer, ret);
}

/* --- Releasing ----------------------------------------------------------------- */

/* Frees a buffer that was not delivered. The caller must have dropped its cargo. */
void ipcbus_region_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

/*
 * Releases the delivered buffer with this id from user space. Moves its cargo out, which the caller
 * must drop. Returns -ENOENT if the id was never valid, -ESTALE if the buffer was already released.
 */
int ipcbus_region_release(struct ipcbus_region *region, u64 id, struct ipcbus_cargo *ret_cargo);

/* Releases the next delivered buffer from *slot on. Returns false if there is none. */
bool ipcbus_region_release_next(struct ipcbus_region *region, u32 *slot,
				struct ipcbus_cargo *ret_cargo);

/* Returns the sender of a delivered oneway. -ENOENT, -ESTALE; -EINVAL if it is no oneway. */
int ipcbus_region_sender(struct ipcbus_region *region, u64 id, struct ipcbus_sender_id *ret_id);

/* --- Free space (space.c) --------------------------------------------------------- */

/* Cuts units out of the free ranges, and out of the cached buffers if necessary. *rest is a spare
 * range, and NULL afterwards if the cut needed it. Returns NULL if there is no space. */
struct ipcbus_range *ipcbus_region_cut_range_locked(struct ipcbus_region *region, u32 units,
						    struct ipcbus_range **rest);

/* Joins the cached buffers with the free ranges around them. */
void ipcbus_region_free_quick_locked(struct ipcbus_region *region);

/* For reclaim.c: takes a free range of at least min_units that may have pages out of the region.
 * Until it is put back, no message can use it. Cached buffers count as free. Returns NULL if there
 * is no such range. */
struct ipcbus_range *ipcbus_region_take_backed(struct ipcbus_region *region, u32 min_units);
void ipcbus_region_put_reclaimed(struct ipcbus_region *region, struct ipcbus_range *range);

/* Returns the units of cached buffers. */
static inline u32 ipcbus_region_quick_units(const struct ipcbus_region *region)
{
	return region->quick ? region->quick_count * region->quick->range.size : 0;
}

/* Returns the units that no message uses. */
static inline u32 ipcbus_region_left_locked(const struct ipcbus_region *region)
{
	lockdep_assert_held(&region->lock);
	if (!region->ranges)
		return 0;
	return region->ranges->left + ipcbus_region_quick_units(region) + region->reclaiming;
}

/* Returns about how many of the free units have pages. */
u32 ipcbus_region_backed(struct ipcbus_region *region);

/* --- Statistics for the file "state" ------------------------------------------------- */

/**
 * struct ipcbus_region_use - usage of a region
 * @size: bytes of the region
 * @used: bytes in buffers
 * @buffers: number of buffers, queued or delivered
 * @quick: number of cached buffers
 * @oneways: number of buffers of oneways
 * @oneway_used: bytes in buffers of oneways
 * @held: number of buffers that are delivered and not released
 * @oldest: id of the oldest of these, or 0
 * @oldest_since: its time of creation, in jiffies
 * @oldest_from: number of the proc that sent it
 */
struct ipcbus_region_use {
	size_t size;
	size_t used;
	u32 buffers;
	u32 quick;
	u32 oneways;
	size_t oneway_used;
	u32 held;
	u64 oldest;
	unsigned long oldest_since;
	u64 oldest_from;
};

/* Examines a slab per lock hold, so the result for a busy region is not a snapshot. */
void ipcbus_region_look(struct ipcbus_region *region, struct ipcbus_region_use *ret_use);

static inline struct ipcbus_buffer *ipcbus_region_buffer(const struct ipcbus_region *region,
							 u32 slot)
{
	return &region->slab[slot / IPCBUS_BUFFERS_PER_SLAB][slot % IPCBUS_BUFFERS_PER_SLAB];
}

#endif
