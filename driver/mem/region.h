/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Region
 *
 * A region is the memory in which one proc receives its messages. It is cut into
 * buffers, one for each message. A buffer goes through these states:
 *
 *   FREE       The descriptor describes a free range, or nothing.
 *   QUEUED     A sender has reserved the buffer, and fills it or has sent it.
 *   DELIVERED  The receiver has the buffer and names it by its id.
 *   CLEARING   The receiver has released the buffer, and the driver wipes it.
 *
 * Only a delivered buffer can be named from user space. Its id consists of slot and
 * generation, and the first generation is random. So an id that is stale, of another
 * proc, or invented is refused.
 *
 * This file knows bytes, pages and quotas. It does not know what a message is: it
 * keeps a buffer's cargo without looking at it. buffer.c does the rest.
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

/* Payloads start on a multiple of this. It is also the size of the smallest buffer. */
#define IPCBUS_UNIT		64
#define IPCBUS_BUFFERS_PER_SLAB	32
#define IPCBUS_QUICK_BUFFERS	32
/* There may be a free range between any two buffers, and it has a descriptor too. */
#define IPCBUS_BUFFER_SLABS	(2 * IPCBUS_LIMIT_BUFFERS / IPCBUS_BUFFERS_PER_SLAB)

enum ipcbus_buffer_state {
	IPCBUS_BUFFER_FREE,
	IPCBUS_BUFFER_QUEUED,
	IPCBUS_BUFFER_DELIVERED,
	IPCBUS_BUFFER_CLEARING,
};

/**
 * struct ipcbus_cargo - what a buffer holds beside bytes, for buffer.c alone
 * @node: of a delivered oneway: the node whose next oneway waits for this buffer,
 *	with a reference; else NULL
 * @objects: what travels beside the payload, or NULL; of a delivered buffer: the receiver's
 *	own nodes that came home
 */
struct ipcbus_cargo {
	struct ipcbus_node_entry *node;
	struct ipcbus_objects *objects;
};

/**
 * struct ipcbus_buffer - the place of one message
 * @range: where it is, in units (region->lock). Start and size are constant while
 *	the buffer is used.
 * @spare: in region->spare while the descriptor describes nothing
 * @next_quick: in region->quick
 * @slot: which descriptor of the region this is; constant
 * @generation: counts the uses of the slot (region->lock)
 * @state: enum ipcbus_buffer_state (region->lock to leave DELIVERED)
 * @flags: IPCBUS_BUFFER_*; constant while it is used
 * @since: when its message was made, in jiffies
 * @from: the number of the proc that sent it, 0: the driver
 * @quota: the quota of the user who sent it, if that is another user (CHARGED)
 * @data_size: bytes of payload
 * @cargo: see there
 * @label: where the sender's label is, if the message goes to a node that wants it
 * @label_size: bytes of it with its end, or 0 if there is none
 * @sender_id: of a delivered oneway: who sent it
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
 * struct ipcbus_region - the memory of one proc
 * @lock: protects all of it but pages
 * @size: bytes; 0 until mapped, then constant
 * @group: the memory cgroup of the process that mapped it, which pays; counted, until it ends
 * @user: charged for it; constant
 * @pages: the physical side
 * @reclaim_entry: in the list of regions that reclaim.c visits
 * @claim: whoever takes free ranges out of it has this (reclaim.c)
 * @reclaiming: units of the free range that reclaim.c holds, or 0. A sender that
 *	finds no space then waits for reclaim.c.
 * @ranges: the free and used ranges; NULL while it has no memory
 * @quick: buffers released lately, all of one size, kept as they are: the next
 *	message is often as large, and then costs no search. Used ranges still.
 * @quick_count: how many
 * @spare: descriptors that describe nothing
 * @slab: descriptors by slot: IPCBUS_BUFFERS_PER_SLAB each; only grows
 * @slabs: how many there are
 * @first_generation: of every slot; random, so that ids of one proc mean nothing
 *	in another
 * @buffers: queued or delivered, calls that are queued without one, and those that are being
 *	cut; the last one of a region that has ended takes its memory along
 * @max_buffers: IPCBUS_LIMIT_BUFFERS; 0 until it is mapped, and once it has ended
 * @quotas: of other users
 * @charged: to all of them together
 * @idle_quotas: how many of them have no buffer
 * @oneway_units: taken by oneways, at most half of the region
 * @pollers: senders that found no space and poll for it (bus->space_lock)
 * @space_came: called without locks if there are any; may sleep; constant
 * @oneways: how many, at most half of IPCBUS_LIMIT_BUFFERS
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

/* Begins an empty region of the current process. The user outlives it. */
void ipcbus_region_init(struct ipcbus_region *region, struct ipcbus_user *user);
/* Gives the region its size, once. mapping is the file's. May sleep. -EDQUOT: the user has
 * no memory left for what the region needs before messages come. */
int ipcbus_region_map(struct ipcbus_region *region, struct address_space *mapping, size_t size);
/*
 * Ends the region: from here on there is no new buffer in it. Frees what is behind it, or
 * leaves that to whoever frees the last buffer. May sleep.
 */
void ipcbus_region_end(struct ipcbus_region *region);

/* --- Reserving ----------------------------------------------------------------- */

/* Cuts a buffer out of the free ranges. Drops the lock for memory, and while reclaim
 * holds a range. -ENOSPC, -ENOMEM, -EDQUOT (descriptors). */
struct ipcbus_buffer *ipcbus_region_cut_locked(struct ipcbus_region *region, u32 units);
/* Takes back what a reservation counted and charged: none was cut. Takes the lock over. */
void ipcbus_region_unreserve(struct ipcbus_region *region, const struct ipcbus_reservation *want)
	__releases(&region->lock);

/*
 * Reserves a buffer of want->units units and charges it. May sleep. Fails with -EDQUOT
 * (descriptors, or the quota of calls), -EAGAIN (the quota of oneways), -ENOSPC, -ENOMEM,
 * or -EOWNERDEAD once the region has ended. Inline, for it is on the way of every message.
 */
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
	/* Before the lock is dropped: it keeps the memory if the region ends. */
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

/*
 * Counts a call that needs no buffer as one, and charges want, which has 0 units. On success
 * the quota is held until ipcbus_region_end_empty(). -EDQUOT; -EOWNERDEAD once the region has
 * ended.
 */
int ipcbus_region_count_empty(struct ipcbus_region *region, struct ipcbus_reservation *want);
/* It is delivered, or dropped. quota: what it is charged to, or NULL. May sleep. */
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

/* Makes all pages of a buffer be there. May sleep. -ENOMEM. */
static __always_inline int ipcbus_region_populate(struct ipcbus_region *region,
						  const struct ipcbus_buffer *buffer)
{
	int ret;

	ret = ipcbus_pages_populate(&region->pages, ipcbus_buffer_offset(buffer),
				    (size_t)buffer->range.size * IPCBUS_UNIT);
	return likely(!ret) ? 0 : ipcbus_region_populate_slow(region, buffer, ret);
}

/* --- Releasing ----------------------------------------------------------------- */

/* Frees a buffer that was not delivered. The caller has dropped its cargo. */
void ipcbus_region_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

/*
 * Releases the delivered buffer that user space names by id. Moves its cargo out, for
 * the caller to drop. -ENOENT: there is none. -ESTALE: it was released before.
 */
int ipcbus_region_release(struct ipcbus_region *region, u64 id, struct ipcbus_cargo *ret_cargo);

/* Releases the next delivered buffer from *slot on, without an id. False: no more. */
bool ipcbus_region_release_next(struct ipcbus_region *region, u32 *slot,
				struct ipcbus_cargo *ret_cargo);

/* Who sent the oneway in a delivered buffer. -ENOENT, -ESTALE; -EINVAL: no oneway. */
int ipcbus_region_sender(struct ipcbus_region *region, u64 id, struct ipcbus_sender_id *ret_id);

/* --- Reclaim ------------------------------------------------------------------- */

/*
 * Takes out a free range of at least min_units that may have pages, so that nobody
 * else uses it until it is put back. Buffers kept for the next message count as free.
 * NULL if there is none.
 */
struct ipcbus_range *ipcbus_region_take_backed(struct ipcbus_region *region, u32 min_units);
void ipcbus_region_put_reclaimed(struct ipcbus_region *region, struct ipcbus_range *range);

/* How many units buffers take that are kept for the next message. */
static inline u32 ipcbus_region_quick_units(const struct ipcbus_region *region)
{
	return region->quick ? region->quick_count * region->quick->range.size : 0;
}

/* How many units no message takes. */
static inline u32 ipcbus_region_left_locked(const struct ipcbus_region *region)
{
	lockdep_assert_held(&region->lock);
	if (!region->ranges)
		return 0;
	return region->ranges->left + ipcbus_region_quick_units(region) + region->reclaiming;
}

/* About how many of them have pages. */
u32 ipcbus_region_backed(struct ipcbus_region *region);

/* --- For readers of "state" ------------------------------------------------------ */

/**
 * struct ipcbus_region_use - what is in a region
 * @size: bytes
 * @used: bytes of all buffers
 * @buffers: how many, queued or delivered
 * @quick: free ranges kept for the next message of that size
 * @oneways: how many buffers are oneways'
 * @oneway_used: bytes of those
 * @held: how many are delivered and not released
 * @oldest: the id of the oldest of these; 0: none
 * @oldest_since: when it was made, in jiffies
 * @oldest_from: the number of the proc that sent it
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

/* Looks at one slab at a time under the lock, and yields between them. A busy region changes
 * meanwhile. */
void ipcbus_region_look(struct ipcbus_region *region, struct ipcbus_region_use *ret_use);

static inline struct ipcbus_buffer *ipcbus_region_buffer(const struct ipcbus_region *region,
							 u32 slot)
{
	return &region->slab[slot / IPCBUS_BUFFERS_PER_SLAB][slot % IPCBUS_BUFFERS_PER_SLAB];
}

#endif
